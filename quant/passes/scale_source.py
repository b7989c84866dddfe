"""The unit that a source's activity is counted in goes into the weights that it meets.

Before: input -> Conv w -> lif          After: input (integers, of `unit` each) -> Conv w * unit -> lif
"""

from __future__ import annotations

from dataclasses import replace

from inflor.quant.operators import Operator, Weighted
from inflor.quant.passes.fused import FloatProjection, FusedGraph, map_projections


def scale_source(fused: FusedGraph, source: str, unit: float) -> FusedGraph:
    """The graph for an activity of `source` that is counted in units."""

    def rewritten(q: FloatProjection) -> FloatProjection:
        return replace(q, operators=scaled(q.operators, unit)) if q.source == source else q

    return map_projections(fused, rewritten)


def scaled(operators: tuple[Operator, ...], factor: float) -> tuple[Operator, ...]:
    """A chain with its weights times a number."""
    return tuple(replace(op, weight=op.weight * factor) if isinstance(op, Weighted) else op for op in operators)
