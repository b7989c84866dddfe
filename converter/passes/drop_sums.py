"""Leaves out integrators that only Outputs read, because no framework reads them, while all sum an output.

Before: fc -> readout (I) -> output
After:  fc -> output                            whose sum over the steps is the readout's potential
"""

from __future__ import annotations

from dataclasses import replace

import nir

from inflor.converter.nir.graph import Edge, Graph, nir_graph
from inflor.converter.nir.validate import validate
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.dynamics import dynamics


def drop_sums() -> Pass[Graph]:
    """Leave out every integrator that adds up, unscaled, what Outputs read."""
    return Pass("drop sums", _dropped)


def notes(graph: Graph) -> list[str]:
    """What the pass does to a graph, for the user."""
    return [
        f"The readout {name} is left out: the output, summed over the steps, is its potential." for name in _sums(graph)
    ]


def _sums(graph: Graph) -> list[str]:
    return [name for name in graph.nodes if _is_sum(graph, name)]


def _is_sum(graph: Graph, name: str) -> bool:
    if not primitive(graph.nodes[name]).integrates:
        return False
    if not all(isinstance(graph.nodes[target], nir.Output) for target in graph.successors(name)):
        return False
    step = dynamics(graph, name)
    adds = (step.keep == 1).all() and (step.gain == 1).all() and not step.drift.any()
    return bool(adds) and step.current_keep is None


def _dropped(graph: Graph) -> Graph:
    sums = set(_sums(graph))
    if not sums:
        return graph
    edges: list[Edge] = []
    for start, end in graph.edges:
        if start not in sums:
            edges += [(start, target) for target in (graph.successors(end) if end in sums else [end])]
    nodes = {name: node for name, node in graph.nodes.items() if name not in sums}
    return replace(validate(nir_graph(nodes, edges, graph.as_nir().metadata), graph.source), info=graph.info)
