"""Gives a graph the Input and Output that it leaves to its reader.

Before: fc -> lif
After:  input -> fc -> lif -> output
"""

from __future__ import annotations

import nir

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import nir_graph
from inflor.converter.passes.base import Pass
from inflor.converter.passes.flatten_graphs import only_end, unique
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.fields import make_node


def add_ends(source: str) -> Pass[nir.NIRGraph]:
    """Add an Input or Output to a graph that has none, where only one place is possible.

    An Input is put before the one node that nothing leads to, an Output behind the one that leads to nothing.

    Args:
        source: the file's name, for messages.

    Raises:
        InputError: there is no such node, there are several, or the input's shape is not in the file.
    """
    return Pass("add ends", lambda graph: _with_ends(graph, source), frozenset({"flat", "normal"}), frozenset({"ends"}))


def _with_ends(graph: nir.NIRGraph, source: str) -> nir.NIRGraph:
    nodes, edges = dict(graph.nodes), list(graph.edges)
    for kind, side in ((nir.Input, 1), (nir.Output, 0)):
        if any(isinstance(node, kind) for node in nodes.values()):
            continue
        end = only_end(nodes, [edge[side] for edge in edges], kind)
        if end is None:
            raise InputError(
                f"{source}: has no {kind.__name__} node, and it is not clear where one belongs; add one and connect it"
            )
        name = unique(kind.__name__.lower(), set(nodes))
        if kind is nir.Output:
            nodes[name] = make_node(nir.Output, {"output_type": {"output": None}})
            edges.append((end, name))
            continue
        shape = primitive(nodes[end]).accepted(nodes[end])
        if shape is None or None in shape:
            raise InputError(
                f"{source}: has no Input node, and node {end!r} ({type(nodes[end]).__name__}) does not say the shape "
                "that it takes; add an Input and connect it"
            )
        nodes[name] = make_node(nir.Input, {"input_type": {"input": shape}})
        edges.append((name, end))
    return nir_graph(nodes, edges, graph.metadata)
