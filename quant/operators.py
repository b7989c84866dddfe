"""The linear operators of an integer projection: plain data, their shapes, and their exact integer meaning.

A projection's chain is applied from left to right. At most one operator of a chain carries weights. While a network
is being quantised the same operators carry its real-valued weights (float64); in an `IntegerNetwork` they are int64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Shape: TypeAlias = tuple[int, ...]
IntArray: TypeAlias = npt.NDArray[np.int64]
Weights: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Conv:
    """Cross-correlation over 1 or 2 spatial dimensions, as in torch: `y[o] = sum_{i,k} w[o,i,k] x[i, s*p + d*k - pad]`.

    weight: int64 [O, I/groups, *kernel], the mantissa; stride, dilation: one entry per dimension;
    padding: (before, after) per dimension, filled with zeros.
    """

    name: str
    weight: Weights
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    def output_shape(self, shape: Shape) -> Shape:
        spatial = tuple(
            (n + sum(pad) - d * (k - 1) - 1) // s + 1
            for n, k, s, pad, d in zip(
                shape[1:], self.weight.shape[2:], self.stride, self.padding, self.dilation, strict=True
            )
        )
        return (self.weight.shape[0], *spatial)


@dataclass(frozen=True, eq=False)
class Linear:
    """`y = W x` over the last dimension. weight: int64 [out, in], the mantissa."""

    name: str
    weight: Weights

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], self.weight.shape[0])


@dataclass(frozen=True, eq=False)
class Scale:
    """`y = m * x`, elementwise. weight: int64, the mantissa, broadcastable against the input, e.g. [C, 1, 1].

    The integer form of a residual identity: one synapse per neuron.
    """

    name: str
    weight: Weights

    def output_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True)
class SumPool:
    """Sum over windows; kernel, stride, symmetric zero padding per dimension. Windows that do not fit are dropped."""

    name: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    def output_shape(self, shape: Shape) -> Shape:
        spatial = tuple(
            (n + 2 * p - k) // s + 1
            for n, k, s, p in zip(shape[1:], self.kernel, self.stride, self.padding, strict=True)
        )
        return (shape[0], *spatial)


@dataclass(frozen=True)
class Flatten:
    """Joins the dimensions start..end (inclusive, without batch) into one, in row-major order."""

    name: str
    start: int
    end: int

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[: self.start], math.prod(shape[self.start : self.end + 1]), *shape[self.end + 1 :])


Operator: TypeAlias = Conv | Linear | Scale | SumPool | Flatten
WEIGHTED = (Conv, Linear, Scale)


def output_shape(operators: tuple[Operator, ...], shape: Shape) -> Shape:
    """Shape that a chain makes of `shape` (no batch dimension)."""
    for operator in operators:
        shape = operator.output_shape(shape)
    return shape


def weighted(operators: tuple[Operator, ...]) -> Conv | Linear | Scale | None:
    """The one operator of a chain that has weights, or None."""
    return next((op for op in operators if isinstance(op, WEIGHTED)), None)
