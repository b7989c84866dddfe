"""Convolutions in a row, without a neuron between them, become one over larger windows.

Before: lif1 -> Conv2d(3 x 3, depthwise) -> Conv2d(1 x 1) -> lif2          After: lif1 -> Conv2d(3 x 3) -> lif2

Only where that is exact: a convolution that pads what a wider one before it made sees zeros there, and the larger one
would see more of the input. Those stay as they are. A sum pool between two is a convolution too.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import gcd

import numpy as np

from inflor.quant.ir.types import Shape
from inflor.quant.operators import Conv, Operator, Weighted, output_shape
from inflor.quant.operators.arrays import Weights
from inflor.quant.passes.fused import FloatProjection, FusedGraph, map_projections


def merge_convolutions(fused: FusedGraph) -> FusedGraph:
    """The graph with one convolution in the place of those that follow each other."""

    def merged(q: FloatProjection) -> FloatProjection:
        return replace(q, operators=merged_convolutions(q.operators, fused.graph.output_shapes[q.source]))

    return map_projections(fused, merged)


def merged_convolutions(operators: tuple[Operator, ...], shape: Shape, *, plan: bool = False) -> tuple[Operator, ...]:
    """A chain with its convolutions merged, as often as it has two in a row.

    Args:
        shape: of what it takes.
        plan: whether the new weights are left 0, and take no memory: for their sizes alone.
    """
    while sum(isinstance(op, Weighted) for op in operators) > 1:
        pair = next(filter(None, (_pair(operators, i, shape, plan) for i in range(len(operators) - 1))), None)
        if pair is None:
            break
        operators = pair
    return operators


def _pair(operators: tuple[Operator, ...], i: int, shape: Shape, plan: bool) -> tuple[Operator, ...] | None:
    """The chain with operators i and i + 1 merged, or None."""
    before, both, after = operators[:i], operators[i : i + 2], operators[i + 2 :]
    if not (_weigh(both) and _weigh((*before, both[0])) and _weigh((both[1], *after))):
        return None  # a pool before or behind all weights stays what it is
    here = output_shape(before, shape)
    first = both[0].as_convolution(here)
    second = both[1].as_convolution(both[0].output_shape(here))
    if first is None or second is None or not _exact(first, second):
        return None
    name = "_".join(op.name for op in both if isinstance(op, Weighted))
    return (*before, replace(_joined(first, second, plan), name=name), *after)


def _weigh(operators: tuple[Operator, ...]) -> bool:
    return any(isinstance(op, Weighted) for op in operators)


def _exact(first: Conv, second: Conv) -> bool:
    """Whether what the second pads with is what the first makes of zeros outside of the input."""
    kernels = first.weight.shape[2:]
    return all(
        not any(padded) or (kernel == 1 and not any(before))
        for padded, kernel, before in zip(second.padding, kernels, first.padding, strict=True)
    )


def _joined(first: Conv, second: Conv, plan: bool) -> Conv:
    """The one convolution that does what both do."""
    axes = range(len(first.stride))
    k1, k2 = first.weight.shape[2:], second.weight.shape[2:]
    step = [first.stride[a] * second.dilation[a] for a in axes]  # between the second's taps, in the input
    dilation = [gcd(step[a] if k2[a] > 1 else 0, first.dilation[a] if k1[a] > 1 else 0) or 1 for a in axes]
    span = [step[a] * (k2[a] - 1) + first.dilation[a] * (k1[a] - 1) for a in axes]
    kernel = tuple(span[a] // dilation[a] + 1 for a in axes)
    groups = gcd(first.groups, second.groups)
    inner, out = first.weight.shape[1] * first.groups // groups, second.weight.shape[0]
    weight: Weights = np.broadcast_to(np.zeros(()), (out, inner, *kernel))
    if not plan:
        taps = np.zeros((*kernel, out, inner))
        one, two = _dense(first, groups), _dense(second, groups)
        for at2, at1 in product(*(product(*map(range, k)) for k in (k2, k1))):
            place = tuple((step[a] * at2[a] + first.dilation[a] * at1[a]) // dilation[a] for a in axes)
            taps[place] += (two[at2] @ one[at1]).reshape(out, inner)
        weight = np.ascontiguousarray(np.moveaxis(taps, (-2, -1), (0, 1)))
    return Conv(
        first.name,
        weight,
        tuple(first.stride[a] * second.stride[a] for a in axes),
        tuple(
            (
                first.padding[a][0] + first.stride[a] * second.padding[a][0],
                first.padding[a][1] + first.stride[a] * second.padding[a][1],
            )
            for a in axes
        ),
        tuple(dilation),
        groups,
    )


def _dense(conv: Conv, groups: int) -> Weights:
    """The weights in fewer groups, with the zeros that these hold: [*kernel, groups, rows, inputs], float64."""
    rows, inner = conv.weight.shape[0] // groups, conv.weight.shape[1] * conv.groups // groups
    fine, few = conv.groups // groups, conv.weight.shape[1]
    weight = np.zeros((groups, rows, inner, *conv.weight.shape[2:]))
    given = conv.weight.reshape(groups, fine, rows // fine, few, *conv.weight.shape[2:])
    for block in range(fine):
        at = slice(block * rows // fine, (block + 1) * rows // fine)
        weight[:, at, block * few : (block + 1) * few] = given[:, block]
    return np.moveaxis(weight, (0, 1, 2), (-3, -2, -1))
