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
    from inflor.api import (
        Comparison,
        Conversion,
        Quantised,
        Report,
        TargetInfo,
        check,
        compare,
        convert,
        estimate,
        list_targets,
        quantize,
        report,
        run,
        train,
    )
    from inflor.converter.errors import InflorError, InputError, MissingPartError
    from inflor.converter.passes.conventions import Conventions
    from inflor.demonstrate import DemoResult, demo
    from inflor.describe import Description, info

__all__ = [
    "Comparison",
    "Conventions",
    "Conversion",
    "DemoResult",
    "Description",
    "InflorError",
    "InputError",
    "MissingPartError",
    "Quantised",
    "Report",
    "TargetInfo",
    "check",
    "compare",
    "convert",
    "demo",
    "estimate",
    "info",
    "list_targets",
    "quantize",
    "report",
    "run",
    "train",
]

_PLACES = {
    "inflor.converter.errors": ("InflorError", "InputError", "MissingPartError"),
    "inflor.converter.passes.conventions": ("Conventions",),
    "inflor.api": (
        *("Comparison", "Conversion", "Quantised", "Report", "TargetInfo"),
        *("check", "compare", "convert", "estimate", "list_targets", "quantize", "report", "run", "train"),
    ),
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
