"""Delay nodes, and edges that close a cycle, become the delays of projections.

Before: lif1 -> Delay(2) -> Linear -> lif2          After: lif1 -(Linear, delay 2)-> lif2
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.delay import delay_steps
from inflor.quant.passes.fused import FloatProjection, FusedGraph, map_projections


def collect_delays(fused: FusedGraph) -> FusedGraph:
    """The graph with a delay at each projection.

    Raises:
        InputError: a Delay node has different ones; names it.
    """
    graph, closing = fused.graph, set(fused.graph.recurrent)

    def delayed(q: FloatProjection) -> FloatProjection:
        steps = sum(edge in closing for edge in itertools.pairwise((q.source, *q.nodes, q.target)))
        steps += sum(_steps(graph, name) for name in q.nodes if isinstance(graph.nodes[name], nir.Delay))
        return replace(q, delay=steps)

    return map_projections(fused, delayed)


def _steps(graph: Graph, name: str) -> int:
    delays = np.unique(delay_steps(graph, name))
    if len(delays) > 1:
        raise InputError(
            f"{graph.source}: node {name!r}: its delays differ from neuron to neuron, {delays[0]} to "
            f"{delays[-1]} steps; a projection has one delay, so give each delay a path of its own"
        )
    return int(delays[0])
