"""Arrays of weights and of values per neuron: their types and the shapes that they are kept in."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Weights: TypeAlias = npt.NDArray[Any]


def largest(values: Weights) -> int:
    """The largest magnitude of whole numbers, exactly: also of the least int64. 0 where there are none."""
    return max(int(values.max(initial=0)), -int(values.min(initial=0)))


def channels_first(values: Weights, ndim: int) -> Weights:
    """Per-channel values [C] as [C, 1, ...] with `ndim` dimensions, so that they broadcast against a population."""
    return values.reshape(-1, *(1,) * (ndim - 1))


def least_shape(values: Weights) -> Weights:
    """`values` at the smallest shape that still broadcasts to it: [C, 1, 1] where constant within each channel."""
    if values.ndim < 2:
        return values
    per_channel = values.reshape(values.shape[0], -1)
    if (per_channel == per_channel[:, :1]).all():
        values = channels_first(per_channel[:, 0], values.ndim)
    return values


def narrow(values: Weights) -> Weights:
    """Integers as int32 where they fit, else as int64; real numbers as they are."""
    values = np.asarray(values)
    if values.dtype.kind == "f":
        return values
    wide = values.size and (values.min() < -(2**31) or values.max() >= 2**31)
    return values.astype(np.int64 if wide else np.int32)
