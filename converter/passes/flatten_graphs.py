"""Opens graphs inside a graph.

Before: input -> rnn {input -> lif -> output, lif -> w -> lif} -> output
After:  input -> rnn.lif -> output, rnn.lif -> rnn.w -> rnn.lif
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import nir

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Edge, nir_graph
from inflor.converter.nir.metadata import METADATA_KEY
from inflor.converter.nir.ordering import evaluation_order, links_of
from inflor.converter.passes.base import Pass

MAX_DEPTH = 16
"""Of graphs inside graphs."""
MAX_NODES = 10_000
MAX_EDGES = 1_000_000

Nodes = dict[str, nir.NIRNode]


def flatten_graphs(source: str) -> Pass[nir.NIRGraph]:
    """Take the nodes and edges of every graph inside a graph into it; an inner node is called outer.inner.

    An edge to or from an inner graph goes on through its Input or Output, which are left out; an edge may also name
    outer.inner itself. Where that name is taken, a number is added.

    Args:
        source: the file's name, for messages.

    Raises:
        InputError: what names and edges are not; too many nodes or edges, too deep inside each other; an inner graph
            without one Input or Output where an edge needs it, or with conventions of its own. Names the node.
    """
    return Pass("flatten graphs", lambda graph: _flattened(graph, source), ensures=frozenset({"flat"}))


def _flattened(graph: nir.NIRGraph, source: str) -> nir.NIRGraph:
    nodes: dict[Any, Any] = dict(graph.nodes)
    edges = _pairs(graph.edges, source)
    ports: set[str] = set()
    for _ in range(MAX_DEPTH):
        _check_size(nodes, edges, source)
        if not any(isinstance(node, nir.NIRGraph) for node in nodes.values()):
            edges = _through(nodes, edges, ports, source)
            return nir_graph(nodes, edges, graph.metadata if isinstance(graph.metadata, Mapping) else None)
        nodes, edges = _opened(nodes, edges, ports, _conventions(graph), source)
    raise InputError(f"{source}: has more than {MAX_DEPTH} graphs inside each other; export it flat")


def _check_size(nodes: Mapping[Any, Any], edges: list[Edge], source: str) -> None:
    if not 0 < len(nodes) <= MAX_NODES:
        raise InputError(f"{source}: has {len(nodes)} nodes; a graph has 1 to {MAX_NODES}")
    if len(edges) > MAX_EDGES:
        raise InputError(f"{source}: has more than {MAX_EDGES} edges")


def _pairs(edges: Iterable[Any], source: str) -> list[Edge]:
    pairs = []
    for edge in edges:
        if len(edge) != 2 or not all(isinstance(end, str) for end in edge):
            raise InputError(f"{source}: the edge {edge!r} is not a pair of node names")
        pairs.append((edge[0], edge[1]))
    return pairs


def _conventions(graph: nir.NIRGraph) -> Any:
    return graph.metadata.get(METADATA_KEY) if isinstance(graph.metadata, Mapping) else None


def _opened(
    nodes: Mapping[str, Any], edges: list[Edge], ports: set[str], conventions: Any, source: str
) -> tuple[dict[str, Any], list[Edge]]:
    """One level less. ports: takes the names of the inner graphs' Inputs and Outputs."""
    taken, opened, inner_edges = set(nodes), {}, []
    entries: dict[str, str | None] = {}
    exits: dict[str, str | None] = {}
    for outer, graph in nodes.items():
        if not isinstance(graph, nir.NIRGraph):
            opened[outer] = graph
            continue
        if _conventions(graph) not in (None, conventions):
            raise InputError(f"{source}: node {outer!r} is a graph with time conventions of its own; export it flat")
        names = {name: unique(f"{outer}.{name}", taken) for name in graph.nodes}
        inner = {names[name]: node for name, node in graph.nodes.items()}
        links = [(names.get(a, f"{outer}.{a}"), names.get(b, f"{outer}.{b}")) for a, b in _pairs(graph.edges, source)]
        entries[outer] = only_end(inner, [b for _, b in links], nir.Input)
        exits[outer] = only_end(inner, [a for a, _ in links], nir.Output)
        ports.update(name for name, node in inner.items() if isinstance(node, nir.Input | nir.Output))
        opened |= inner
        inner_edges += links
    outside = [
        (_port(a, exits, "Output", edge, source), _port(b, entries, "Input", edge, source))
        for edge in edges
        for a, b in [edge]
    ]
    return opened, outside + inner_edges


def _port(name: str, ends: Mapping[str, str | None], kind: str, edge: Edge, source: str) -> str:
    """The node that an end of an edge means, which may be an inner graph."""
    end = ends.get(name, name)
    if end is None:
        raise InputError(
            f"{source}: node {name!r} is a graph without exactly one {kind}, which the edge {edge[0]!r} -> {edge[1]!r} "
            f"needs; give it one, or let the edge name a node of it, as {name}.<node>"
        )
    return end


def only_end(nodes: Mapping[str, Any], connected: Collection[str], kind: type[nir.NIRNode]) -> str | None:
    """The one Input (or Output), or where there is none the one node that no edge comes to (or goes from)."""
    ends = [name for name, node in nodes.items() if isinstance(node, kind)]
    if not ends:
        within = set(connected)
        ends = [name for name in nodes if name not in within]
    return ends[0] if len(ends) == 1 else None


def unique(name: str, taken: set[str]) -> str:
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _through(nodes: Nodes, edges: list[Edge], ports: set[str], source: str) -> list[Edge]:
    """The edges with those into a port led on to what it feeds; takes the ports out of `nodes`."""
    targets = links_of(ports, [edge for edge in edges if edge[0] in ports])
    order = evaluation_order(ports, [edge for edge in edges if edge[0] in ports and edge[1] in ports])
    if len(order) < len(ports):
        wrong = next(iter(sorted(ports - set(order))))
        raise InputError(f"{source}: a cycle without a neuron: from {wrong!r} back to itself; break it")
    ends: dict[str, list[str]] = {}
    for port in reversed(order):
        ends[port] = [end for target in targets[port] for end in ends.get(target, [target])]
        if len(ends[port]) > MAX_EDGES:
            raise InputError(f"{source}: has more than {MAX_EDGES} edges")
        del nodes[port]
    led = [(a, end) for a, b in edges if a not in ports for end in ends.get(b, [b])]
    _check_size(nodes, led, source)
    return led
