"""Two repairs that let lava-nc 0.10.0 run on Python 3.11 and later and on numpy 2.

They are made in the running process, before the first import of Lava, and touch no installed file.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from typing import Any

import numpy as np

_VARIABLE_MODEL = "lava.magma.compiler.var_model"


def apply() -> None:
    """Import Lava's compiler with both repairs. Idempotent; a no-op in effect where they are not needed.

    Raises:
        ImportError: Lava, or one of the packages that it needs (networkx, asteval, scipy), is not installed.
    """
    _hashable_byte_encoder()
    _keyword_free_reshape()


def _hashable_byte_encoder() -> None:
    """Python 3.11 refuses an unhashable default; three dataclasses of Lava have a ByteEncoder as default."""
    original = dataclasses.dataclass

    def dataclass(cls: Any = None, /, **options: Any) -> Any:
        if cls is not None and (cls.__module__, cls.__qualname__) == (_VARIABLE_MODEL, "ByteEncoder"):
            return original(cls, unsafe_hash=True)
        return original(cls, **options)

    dataclasses.dataclass = dataclass
    try:
        importlib.import_module(_VARIABLE_MODEL)
    finally:
        dataclasses.dataclass = original


def _keyword_free_reshape() -> None:
    """numpy 2.4 has no `np.reshape(newshape=...)`, which Lava's reshaping ports call."""
    ports = importlib.import_module("lava.magma.core.process.ports.ports").ReshapePort
    ports.get_transform_func_fwd = lambda port: functools.partial(_reshape, shape=port.shape)
    ports.get_transform_func_bwd = lambda port: functools.partial(_reshape, shape=port.old_shape)


def _reshape(data: np.ndarray[Any, Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return data.reshape(shape)
