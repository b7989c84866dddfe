"""A projection without weights gets a scale of 1: a residual identity, which is rounded as weights are.

Before: lif1 -> lif2          After: lif1 -> Scale(1) -> lif2
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inflor.quant.operators import Scale, output_shape, weighted
from inflor.quant.passes.fused import FloatProjection, FusedGraph, map_projections


def mark_identities(fused: FusedGraph) -> FusedGraph:
    """The graph with a weighted operator in each projection."""

    def marked(q: FloatProjection) -> FloatProjection:
        if weighted(q.operators) is not None:
            return q
        ones = np.ones((1,) * len(output_shape(q.operators, fused.graph.output_shapes[q.source])))
        return replace(q, operators=(*q.operators, Scale(f"{q.source}_to_{q.target}", ones)))

    return map_projections(fused, marked)
