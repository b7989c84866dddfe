"""Several weighted operators in a row, without a neuron between them, become one matrix.

Before: lif1 -> Conv -> Flatten -> Linear -> lif2          After: lif1 -> Flatten -> Linear -> lif2
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import torch

from inflor.converter.errors import InputError
from inflor.quant.ir.types import Shape
from inflor.quant.operators import Flatten, Linear, Operator, Weighted, output_shape, weight_tensor
from inflor.quant.passes.fused import FloatProjection, FusedGraph, map_projections

MAX_MATRIX = 1 << 24
"""Largest matrix, in entries, that two linear nodes without a neuron between them may be multiplied into."""
MAX_PASSING = 1 << 27
"""Most numbers that the unit vectors are on their way through a chain, at a time."""
MAX_WORK = 1 << 33
"""Most numbers that they may be in all."""


def merge_linear(fused: FusedGraph) -> FusedGraph:
    """The graph with at most one weighted operator in each projection.

    Raises:
        InputError: the matrix would be too large, or lead to a map; names the path.
    """

    def merged(q: FloatProjection) -> FloatProjection:
        if sum(isinstance(op, Weighted) for op in q.operators) < 2:
            return q
        where = f"{fused.graph.source}: {' -> '.join((q.source, *q.nodes, q.target))}"
        return replace(q, operators=_as_matrix(q.operators, fused.graph.output_shapes[q.source], where))

    return map_projections(fused, merged)


def _as_matrix(operators: tuple[Operator, ...], shape: Shape, where: str) -> tuple[Operator, ...]:
    """A chain as Flatten and one Linear, found by sending every unit vector through it."""
    final, size = output_shape(operators, shape), prod(shape)
    widest = max(prod(output_shape(operators[:i], shape)) for i in range(len(operators) + 1))
    if size * prod(final) > MAX_MATRIX or size * widest > MAX_WORK or len(final) != 1:
        raise InputError(
            f"{where}: two weighted nodes without a neuron between them cannot be fused at {shape} -> {final}; "
            "multiply them into one node or put a neuron between them"
        )
    columns = []
    for numbers in torch.split(torch.arange(size), max(1, MAX_PASSING // widest)):
        x = torch.zeros((len(numbers), size), dtype=torch.float64)
        x[torch.arange(len(numbers)), numbers] = 1
        x = x.reshape(len(numbers), *shape)
        for operator in operators:
            x = operator.apply(x, weight_tensor((operator,), torch.float64))
        columns.append(x)
    name = "_".join(op.name for op in operators if isinstance(op, Weighted))
    flatten: tuple[Operator, ...] = (Flatten(f"{name}_flatten", 0, len(shape) - 1),) if len(shape) > 1 else ()
    return (*flatten, Linear(name, np.ascontiguousarray(torch.cat(columns).numpy().T)))
