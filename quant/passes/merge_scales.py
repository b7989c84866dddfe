"""Scales, and convolutions that only scale, go into weights beside them; one alone goes as near its target as it can.

Before: lif1 -> Scale -> SumPool -> Conv -> Scale -> lif2          After: lif1 -> SumPool -> Conv -> lif2
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inflor.quant.ir.types import Shape
from inflor.quant.operators import Operator, Scale, Weighted, Weights, output_shape
from inflor.quant.passes.fused import FloatProjection, FusedGraph, map_projections


def merge_scales(fused: FusedGraph) -> FusedGraph:
    """The graph with every scale in weights beside it, where there are some that can take it."""

    def merged(q: FloatProjection) -> FloatProjection:
        shape = fused.graph.output_shapes[q.source]
        return replace(q, operators=_merged(q.operators, shape))

    return map_projections(fused, merged)


def _merged(operators: tuple[Operator, ...], shape: Shape) -> tuple[Operator, ...]:
    if sum(isinstance(op, Weighted) for op in operators) > 1:
        operators = tuple(Scale.of(op) or op for op in operators)
    while sum(isinstance(op, Weighted) for op in operators) > 1:
        merged = next(filter(None, (_step(operators, i, shape) for i in range(len(operators) - 1))), None)
        if merged is None:
            return operators
        operators = merged
    for i in range(len(operators) - 1):
        operators = _step(operators, i, shape) or operators
    return operators


def _step(operators: tuple[Operator, ...], i: int, shape: Shape) -> tuple[Operator, ...] | None:
    """Operators i and i+1 rewritten where one is a scale that the other can take or let pass, else None."""
    first, second = operators[i], operators[i + 1]
    before, after = operators[:i], operators[i + 2 :]
    weights_before = any(isinstance(op, Weighted) for op in before)
    if isinstance(first, Scale):
        here = output_shape(before, shape)
        if second.reshapes:
            wide = np.broadcast_to(first.weight, here)
            return (*before, second, replace(first, weight=wide.reshape(second.output_shape(here))), *after)
        if not per_channel(first.weight):
            return None
        if isinstance(second, Weighted):
            scaled = second.scaled_inputs(first.weight)
            return None if scaled is None else (*before, scaled, *after)
        if not weights_before and _keeps_channels(second, here):
            return (*before, second, first, *after)
    elif isinstance(second, Scale) and per_channel(second.weight):
        if isinstance(first, Weighted):
            return (*before, first.scaled_rows(second.weight), *after)
        if weights_before and not first.reshapes and _keeps_channels(first, output_shape(before, shape)):
            return (*before, second, first, *after)
    return None


def _keeps_channels(operator: Operator, shape: Shape) -> bool:
    """Whether each channel of the output is made of the same channel of the input."""
    channels = operator.channels(shape)
    return channels is not None and np.array_equal(channels, np.arange(shape[0]))


def per_channel(weight: Weights) -> bool:
    """Whether a factor is one number for each channel, or one for all."""
    return weight.size == weight.shape[0] if weight.ndim else True
