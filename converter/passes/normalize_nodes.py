"""Brings the fields of every node into their one normal form, and refuses what has none.

Before: conv with stride 2, padding [1 1], a bias of Python numbers; lif without v_reset
After:  conv with stride (2, 2), padding (1, 1), a bias array; lif with v_reset 0
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import nir

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Edge, nir_graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import primitive

MAX_NAME = 256


def normalize_nodes(source: str) -> Pass[nir.NIRGraph]:
    """Check every node by itself, and that the edges lead from node to node; the nodes are copies in normal form.

    Args:
        source: the file's name, for messages.

    Raises:
        InputError: a name that cannot stand in a file; an unknown primitive; a field that is missing, of a wrong type
            or shape, out of range or not finite; an edge twice or to a node that does not exist. Names it.
    """
    return Pass("normalize nodes", lambda graph: _normal(graph, source), frozenset({"flat"}), frozenset({"normal"}))


def _normal(graph: nir.NIRGraph, source: str) -> nir.NIRGraph:
    for name, node in graph.nodes.items():
        _check_name(name, source)
        primitive(node, source, name)
    nodes = {
        name: primitive(node).checked(node, f"{source}: node {name!r} ({type(node).__name__})")
        for name, node in graph.nodes.items()
    }
    _check_edges(graph.edges, nodes, source)
    return nir_graph(nodes, graph.edges, graph.metadata)


def _check_name(name: object, source: str) -> None:
    if not isinstance(name, str) or not name or len(name) > MAX_NAME:
        raise InputError(f"{source}: the node name {str(name)[:80]!r} is not a text of 1 to {MAX_NAME} characters")
    if name == "." or "/" in name or "\0" in name or any("\ud800" <= character <= "\udfff" for character in name):
        raise InputError(
            f"{source}: the node name {name[:80]!r} cannot stand in a file: it is '.', or holds a slash, a NUL or "
            "half a character; rename the node"
        )


def _check_edges(edges: Iterable[Edge], nodes: Collection[str], source: str) -> None:
    seen: set[Edge] = set()
    for start, end in edges:
        for name in (start, end):
            if name not in nodes:
                raise InputError(f"{source}: the edge {start!r} -> {end!r} names {name!r}, but there is no such node")
        if (start, end) in seen:
            raise InputError(f"{source}: the edge {start!r} -> {end!r} is there twice; remove one or add a Scale of 2")
        seen.add((start, end))
