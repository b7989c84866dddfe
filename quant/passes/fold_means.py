"""What average pools divide by goes into the weights.

Before: lif1 -(SumPool, Conv w; factor 1/4)-> lif2          After: lif1 -(SumPool, Conv w/4)-> lif2
"""

from __future__ import annotations

from dataclasses import replace

from inflor.quant.passes.fused import FloatProjection, FusedGraph, map_projections
from inflor.quant.passes.scale_source import scaled


def fold_means(fused: FusedGraph) -> FusedGraph:
    """The graph with a factor of 1 in every projection."""

    def folded(q: FloatProjection) -> FloatProjection:
        return q if q.factor == 1 else replace(q, operators=scaled(q.operators, q.factor), factor=1.0)

    return map_projections(fused, folded)
