"""Takes trained spiking neural networks to neuromorphic hardware, spike for spike.

The verbs of the command line are functions here, and nothing heavy is imported before one of them is asked for:

    import inflor
    trained = inflor.train("digits", "convnet", out="runs/digits")
    converted = inflor.convert(trained.model_path)
    quantised = inflor.quantize(converted.graph, bits=8, calibrate="digits")
    record = inflor.run(quantised.network, dataset="digits")
    record.accuracy
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from converter.errors import InflorError, InputError, MissingPartError
    from inflor.api import Conversion, Quantised, TargetInfo, check, convert, quantize, run, targets, train
    from inflor.demonstrate import DemoResult, demo
    from inflor.describe import Description, info

__all__ = [
    "Conversion",
    "DemoResult",
    "Description",
    "InflorError",
    "InputError",
    "MissingPartError",
    "Quantised",
    "TargetInfo",
    "check",
    "convert",
    "demo",
    "info",
    "quantize",
    "run",
    "targets",
    "train",
]

_PLACES = {
    "converter.errors": ("InflorError", "InputError", "MissingPartError"),
    "inflor.api": ("Conversion", "Quantised", "TargetInfo", "check", "convert", "quantize", "run", "targets", "train"),
    "inflor.demonstrate": ("DemoResult", "demo"),
    "inflor.describe": ("Description", "info"),
}


def __getattr__(name: str) -> Any:
    import importlib

    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("inflor")
    for module, names in _PLACES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'inflor' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
