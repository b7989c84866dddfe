"""Takes trained spiking neural networks to neuromorphic hardware, spike for spike.

The verbs of the command line are functions here, and nothing heavy is imported before one of them is asked for:

    import inflor
    trained = inflor.train("digits", "convnet", out="runs/digits")
    converted = inflor.convert(trained.model_path)
    quantized = inflor.quantize(converted.graph, bits=8, calibrate="digits")
    record = inflor.run(quantized.network, dataset="digits")
    record.accuracy
"""

from __future__ import annotations

from typing import Any

from inflor._public import PUBLIC

__all__ = sorted(PUBLIC)


def __getattr__(name: str) -> Any:
    import importlib

    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("inflor")
    if name in PUBLIC:
        return getattr(importlib.import_module(PUBLIC[name]), name)
    raise AttributeError(f"module 'inflor' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
