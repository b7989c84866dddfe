"""What torch's functions do to traced tensors, one file for each kind; importing the folder fills the table."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
