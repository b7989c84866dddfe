"""The NIR primitives, one object in one file: fields, shapes, what a node computes in a step.

Importing the folder fills `inflor.converter.primitives.base.PRIMITIVES`: every file of it registers what it defines.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
