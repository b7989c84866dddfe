"""Gives every Output that no neuron alone feeds an integrator, so that the network has a number to end with.

Before: lif -> Linear -> Output          After: lif -> Linear -> I -> Output

The integrator adds up what the Output would have been given: its potential after the last step is the sum over time,
whose arg max is that of the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.fields import make_node


def add_readouts(graph: Graph) -> Graph:
    """The graph with an integrator, called after the Output, before each Output that is not one neuron node's own.

    Raises:
        InputError: an Output adds an integrator's potential to something else; names both.
    """
    for output in graph.outputs():
        before = graph.predecessors(output)
        if len(before) == 1 and primitive(graph.nodes[before[0]]).kind is not None:
            continue
        for name in before:
            if primitive(graph.nodes[name]).integrates:
                raise InputError(
                    f"{graph.source}: node {output!r} (Output): adds the potential of {name!r} "
                    f"({type(graph.nodes[name]).__name__}) to something else, which an integer network has no form "
                    f"for; let everything end in {name!r}, or give each an Output"
                )
        graph = _with_integrator(graph, output)
    return graph


def _with_integrator(graph: Graph, output: str) -> Graph:
    name = f"{output}_sum"
    while name in graph.nodes:
        name += "_"
    shape = graph.input_shapes[output]
    node = make_node(nir.I, {"r": np.full(shape, 1 / graph.info.dt)}, {})
    edges = tuple((start, name if end == output else end) for start, end in graph.edges)
    order = tuple(n for known in graph.order for n in ((name, known) if known == output else (known,)))

    def with_shape(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        return {**shapes, name: shape}

    return replace(
        graph,
        nodes={**graph.nodes, name: node},
        edges=(*edges, (name, output)),
        input_shapes=with_shape(graph.input_shapes),
        output_shapes=with_shape(graph.output_shapes),
        order=order,
    )
