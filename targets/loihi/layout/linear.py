"""A projection's chain as the one thing that a Loihi connection can be: a convolution, or a matrix.

Both are exact. A chain stays a convolution where it is one (weights are then shared, as in the chip's convolution
engine); anything else is unrolled into a sparse matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.quant.operators import Conv, IntArray, Operator, Scale, Shape, unrolled
from inflor.quant.operators.chain import LARGEST_SUM

MANTISSA_BITS = 8
LARGEST_GEOMETRY = 127


@dataclass(frozen=True, eq=False)
class Kernel:
    """A convolution over [C, H, W] (`y[o] = sum w[o,i,k] x[i, s p + d k - pad]`), with the same padding on both sides.

    weight: int64 [O, C/groups, kH, kW].
    """

    weight: IntArray
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    in_shape: tuple[int, int, int]

    @property
    def out_shape(self) -> tuple[int, int, int]:
        height, width = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(
                self.in_shape[1:], self.padding, self.dilation, self.weight.shape[2:], self.stride, strict=True
            )
        )
        return (self.weight.shape[0], height, width)


@dataclass(frozen=True, eq=False)
class Matrix:
    """weight: scipy CSR, int64 [out, in], both in row-major order of the populations' shapes."""

    weight: Any


Linear_ = Kernel | Matrix


def compose(operators: tuple[Operator, ...], shape: Shape) -> Linear_:
    """The chain as a convolution if it is one, else as a matrix. shape: the source's, without batch."""
    if len(shape) in (2, 3):
        convolution = _as_convolution(operators, shape)
        if convolution is not None and _fits(kernel := _kernel(convolution, shape)):
            return kernel
    return as_matrix(operators, shape)


def _fits(kernel: Kernel) -> bool:
    """Lava keeps a convolution's geometry in int8 and would wrap without a word."""
    numbers = (*kernel.weight.shape[2:], *kernel.stride, *kernel.padding, *kernel.dilation, kernel.groups)
    return max(numbers) <= LARGEST_GEOMETRY


def as_matrix(operators: tuple[Operator, ...], shape: Shape) -> Matrix:
    """The chain as a matrix."""
    return Matrix(unrolled(operators, shape))


def unroll(kernel: Kernel) -> Matrix:
    """A convolution's matrix."""
    padding = tuple((p, p) for p in kernel.padding)
    conv = Conv("", kernel.weight, kernel.stride, padding, kernel.dilation, kernel.groups)
    return as_matrix((conv,), kernel.in_shape)


def digits(values: npt.NDArray[Any]) -> list[tuple[npt.NDArray[Any], int]]:
    """Integers as a sum of signed 8-bit mantissas times powers of two: [(mantissa, exponent)], exact, without zeros.

    Values that share a power of two give it to the exponent, so one part is enough wherever 8 bits are.
    """
    parts: list[tuple[npt.NDArray[Any], int]] = []
    exponent = 0
    rest = values.astype(np.int64)
    half = 1 << (MANTISSA_BITS - 1)
    while rest.any():
        shared = int(np.bitwise_or.reduce(rest, axis=None))
        zeros = (shared & -shared).bit_length() - 1
        rest, exponent = rest >> zeros, exponent + zeros
        if rest.min() >= -half and rest.max() < half:
            return [*parts, (rest, exponent)]
        low = ((rest + half) & (2 * half - 1)) - half
        parts.append((low, exponent))
        rest, exponent = (rest - low) >> MANTISSA_BITS, exponent + MANTISSA_BITS
    return parts


def _as_convolution(operators: tuple[Operator, ...], shape: Shape) -> Conv | None:
    """The chain as one convolution, or None where it is none (zeros inserted between two operators, say)."""
    whole: Conv | None = None
    here, gain = shape, 1
    for operator in operators or (Scale("", np.ones((), np.int64)),):
        gain *= operator.gain(here)
        step = operator.as_convolution(here) if gain < LARGEST_SUM else None
        whole = step if whole is None or step is None else _merged(whole, step, shape)
        if whole is None:
            return None
        here = operator.output_shape(here)
    return whole


def _merged(first: Conv, second: Conv, shape: Shape) -> Conv | None:
    """`second` after `first` as one convolution of the input of `first`.

    second reads z[s2 p + d2 k - a2], and z[m] = sum_j w1[j] x[s1 m + d1 j - a1] for 0 <= m < M, else 0. Where second
    reads outside 0..M, the sum must be zero of its own accord, that is, read outside of x only.
    """
    middle = first.output_shape(shape)
    out = second.output_shape(middle)
    for axis, (n, m_end) in enumerate(zip(shape[1:], middle[1:], strict=True)):
        s1, d1, k1, (a1, _) = _along(first, axis)
        s2, d2, k2, (a2, _) = _along(second, axis)
        last = s2 * (out[axis + 1] - 1) + d2 * (k2 - 1) - a2
        if a2 > 0 and -s1 + d1 * (k1 - 1) - a1 >= 0:
            return None
        if last >= m_end and s1 * m_end - a1 < n:
            return None
    return _product(first, second, shape, out)


def _along(conv: Conv, axis: int) -> tuple[int, int, int, tuple[int, int]]:
    return conv.stride[axis], conv.dilation[axis], conv.weight.shape[axis + 2], conv.padding[axis]


def _product(first: Conv, second: Conv, shape: Shape, out: Shape) -> Conv:
    dims = range(len(shape) - 1)
    one = _ungrouped(first)
    alone = second.weight.shape[1] == 1 and second.groups == len(one)  # each output reads one channel: no sum over them
    two = second.weight if alone else _ungrouped(second)
    reads = np.arange(len(two)) // (len(two) // second.groups)
    extent = tuple(
        first.stride[a] * second.dilation[a] * (two.shape[a + 2] - 1) + first.dilation[a] * (one.shape[a + 2] - 1) + 1
        for a in dims
    )
    weight = np.zeros((len(two), one.shape[1], *extent), np.int64)
    for k2 in product(*(range(n) for n in two.shape[2:])):
        for k1 in product(*(range(n) for n in one.shape[2:])):
            at = tuple(first.stride[a] * second.dilation[a] * k2[a] + first.dilation[a] * k1[a] for a in dims)
            weight[_at(at)] += two[_at(k2)] * one[_at(k1)][reads] if alone else two[_at(k2)] @ one[_at(k1)]
    stride = tuple(first.stride[a] * second.stride[a] for a in dims)
    before = tuple(first.padding[a][0] + first.stride[a] * second.padding[a][0] for a in dims)
    after = tuple(
        max(0, stride[a] * (out[a + 1] - 1) + extent[a] - shape[a + 1] - before[a]) for a in dims
    )  # as far as the last window reaches
    groups = math.gcd(first.groups, second.groups)
    while _mixes(weight, groups):
        groups = next(g for g in range(groups - 1, 0, -1) if weight.shape[0] % g == 0 and weight.shape[1] % g == 0)
    grouped = _regrouped(weight, groups)
    merged = Conv(second.name, grouped, stride, tuple(zip(before, after, strict=True)), (1,) * len(stride), groups)
    surplus = tuple(merged.output_shape(shape)[a + 1] - out[a + 1] for a in dims)
    return _shortened(merged, surplus)


def _at(places: Iterable[int | slice]) -> tuple[Any, ...]:
    """An index of the last dimensions."""
    return (..., *places)


def _shortened(conv: Conv, surplus: tuple[int, ...]) -> Conv:
    """Drop the last `surplus` outputs per dimension by zeros at the kernel's end, which move no other output."""
    grow = [(0, 0), (0, 0), *((0, n * s) for n, s in zip(surplus, conv.stride, strict=True))]
    return replace(conv, weight=np.pad(conv.weight, grow)) if any(surplus) else conv


def _ungrouped(conv: Conv) -> IntArray:
    """The weight [O, C, *kernel] with zeros between the groups."""
    out, inner = conv.weight.shape[:2]
    full = np.zeros((out, inner * conv.groups, *conv.weight.shape[2:]), np.int64)
    per = out // conv.groups
    for g in range(conv.groups):
        full[g * per : (g + 1) * per, g * inner : (g + 1) * inner] = conv.weight[g * per : (g + 1) * per]
    return full


def _blocks(weight: IntArray, groups: int) -> list[tuple[slice, slice]]:
    out, channels = weight.shape[0] // groups, weight.shape[1] // groups
    return [(slice(g * out, (g + 1) * out), slice(g * channels, (g + 1) * channels)) for g in range(groups)]


def _mixes(weight: IntArray, groups: int) -> bool:
    inside = np.zeros(weight.shape[:2], bool)
    for block in _blocks(weight, groups):
        inside[block] = True
    return bool(weight[~inside].any())


def _regrouped(weight: IntArray, groups: int) -> IntArray:
    return np.concatenate([weight[block] for block in _blocks(weight, groups)])


def _kernel(conv: Conv, shape: Shape) -> Kernel:
    """Two spatial dimensions and equal padding on both sides; zeros around the kernel make up for unequal padding."""
    if len(shape) == 2:
        conv = Conv(
            conv.name,
            conv.weight[:, :, None],
            (1, *conv.stride),
            ((0, 0), *conv.padding),
            (1, *conv.dilation),
            conv.groups,
        )
        shape = (shape[0], 1, shape[1])
    unequal = any(before != after for before, after in conv.padding)
    weight, dilation = conv.weight, conv.dilation
    padding = tuple(max(pad) for pad in conv.padding)
    if unequal:
        weight, dilation = _undilated(conv), (1, 1)
        around = [(p - before, p - after) for p, (before, after) in zip(padding, conv.padding, strict=True)]
        weight = np.pad(weight, [(0, 0), (0, 0), *around])
    return Kernel(weight, _two(conv.stride), _two(padding), _two(dilation), conv.groups, (shape[0], shape[1], shape[2]))


def _two(values: tuple[int, ...]) -> tuple[int, int]:
    return (values[0], values[1])


def _undilated(conv: Conv) -> IntArray:
    extent = tuple(d * (k - 1) + 1 for d, k in zip(conv.dilation, conv.weight.shape[2:], strict=True))
    weight = np.zeros((*conv.weight.shape[:2], *extent), np.int64)
    weight[_at(slice(None, None, d) for d in conv.dilation)] = conv.weight
    return weight
