"""Decides whether a NIR graph is one that can be computed, and says what is wrong where it is not."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import nir
import numpy as np

from converter import fields, shapes
from converter.errors import InputError
from converter.graph import NEURONS, Edge, Graph, Shape
from converter.metadata import METADATA_KEY, ModelInfo

MAX_NODES = 10_000
MAX_EDGES = 1_000_000
MAX_NAME = 256

Links = Mapping[str, list[str]]


def validate(nir_graph: nir.NIRGraph, source: str) -> Graph:
    """Check a NIR graph (design section 8) and infer every shape. The graph itself is left as it is.

    source: the file's name, for messages.

    Raises:
        InputError: an unknown primitive; a field that is missing, of a wrong type or shape, out of range or not finite;
            an edge twice or to a node that does not exist; a node that no Input leads to or that leads to no Output; a
            cycle without a neuron; shapes that do not chain; inflor's metadata are damaged.
    """
    if not isinstance(nir_graph, nir.NIRGraph):
        raise InputError(f"{source}: is a {type(nir_graph).__name__}, not a NIR graph")
    nodes = _checked_nodes(nir_graph.nodes, source)
    edges = _checked_edges(nir_graph.edges, nodes, source)
    metadata = dict(nir_graph.metadata) if isinstance(nir_graph.metadata, Mapping) else {}
    info = _info(metadata.pop(METADATA_KEY, None), source)
    targets, sources = _links(nodes, edges), _links(nodes, [(b, a) for a, b in edges])
    _check_ends(nodes, sources, targets, source)
    _check_connected(nodes, sources, targets, source)
    _check_cycles(nodes, targets, source)
    recurrent = _closing_edges(nodes, targets)
    order = _order(nodes, [edge for edge in edges if edge not in recurrent])
    nodes = _shape_nodes(nodes, order, sources, targets, recurrent, source)
    return Graph(
        nodes,
        edges,
        {name: _as_shape(node.input_type["input"]) for name, node in nodes.items()},
        {name: _as_shape(node.output_type["output"]) for name, node in nodes.items()},
        order,
        info,
        source,
        tuple(edge for edge in edges if edge in recurrent),
        metadata,
    )


def describe(nodes: Mapping[str, nir.NIRNode], name: str, source: str) -> str:
    """How a message names a node."""
    return f"{source}: node {name!r} ({type(nodes[name]).__name__})"


def _checked_nodes(nodes: Mapping[str, nir.NIRNode], source: str) -> dict[str, nir.NIRNode]:
    if not 0 < len(nodes) <= MAX_NODES:
        raise InputError(f"{source}: has {len(nodes)} nodes; a graph has 1 to {MAX_NODES}")
    for name, node in nodes.items():
        if not isinstance(name, str) or not name or len(name) > MAX_NAME:
            raise InputError(f"{source}: the node name {str(name)[:80]!r} is not a text of 1 to {MAX_NAME} characters")
        if isinstance(node, nir.NIRGraph):
            raise InputError(
                f"{source}: node {name!r} is a graph inside the graph, which is not supported yet; "
                "export the model with its nodes in one graph"
            )
        if type(node) not in fields.FIELDS:
            raise unknown_type(source, name, type(node).__name__)
    return {name: fields.checked(node, describe(nodes, name, source)) for name, node in nodes.items()}


def unknown_type(source: str, name: str, kind: str) -> InputError:
    known = ", ".join(sorted(known.__name__ for known in fields.FIELDS))
    return InputError(f"{source}: node {name!r} has the unknown type {kind[:80]!r}; known are {known}")


def _checked_edges(edges: Iterable[Any], nodes: Collection[str], source: str) -> tuple[Edge, ...]:
    result: dict[Edge, None] = {}
    for edge in edges:
        if len(edge) != 2 or not all(isinstance(end, str) for end in edge):
            raise InputError(f"{source}: the edge {edge!r} is not a pair of node names")
        start, end = edge
        for name in (start, end):
            if name not in nodes:
                raise InputError(f"{source}: the edge {start!r} -> {end!r} names {name!r}, but there is no such node")
        if (start, end) in result:
            raise InputError(f"{source}: the edge {start!r} -> {end!r} is there twice; remove one or add a Scale of 2")
        result[start, end] = None
    if len(result) > MAX_EDGES:
        raise InputError(f"{source}: has more than {MAX_EDGES} edges")
    return tuple(result)


def _info(text: Any, source: str) -> ModelInfo:
    if text is None:
        return ModelInfo(version="", known=False)
    if not isinstance(text, str):
        raise InputError(f"{source}: its inflor metadata are not a text")
    return ModelInfo.from_json(text, source)


def _links(nodes: Iterable[str], edges: Iterable[Edge]) -> dict[str, list[str]]:
    links: dict[str, list[str]] = {name: [] for name in nodes}
    for start, end in edges:
        links[start].append(end)
    return links


def _check_ends(nodes: Mapping[str, nir.NIRNode], sources: Links, targets: Links, source: str) -> None:
    for kind, links, verb in ((nir.Input, sources, "takes"), (nir.Output, targets, "gives")):
        ends = [name for name, node in nodes.items() if isinstance(node, kind)]
        if not ends:
            raise InputError(f"{source}: has no {kind.__name__} node; add one and connect it")
        for name in ends:
            if links[name]:
                raise InputError(
                    f"{describe(nodes, name, source)}: {verb} nothing, but has an edge with {links[name][0]!r}"
                )


def _check_connected(nodes: Mapping[str, nir.NIRNode], sources: Links, targets: Links, source: str) -> None:
    inputs = [name for name, node in nodes.items() if isinstance(node, nir.Input)]
    outputs = [name for name, node in nodes.items() if isinstance(node, nir.Output)]
    fed, used = _reached(inputs, targets), _reached(outputs, sources)
    for name in nodes:
        if name not in fed:
            raise InputError(
                f"{describe(nodes, name, source)}: is not connected: no Input leads to it; connect or remove it"
            )
        if name not in used:
            raise InputError(
                f"{describe(nodes, name, source)}: is not connected: it leads to no Output; connect or remove it"
            )


def _reached(start: list[str], links: Links) -> set[str]:
    reached, stack = set(start), list(start)
    while stack:
        new = [name for name in links[stack.pop()] if name not in reached]
        reached.update(new)
        stack += new
    return reached


def _check_cycles(nodes: Mapping[str, nir.NIRNode], targets: Links, source: str) -> None:
    """Refuse a cycle on which no neuron stands: its value at a step would depend on itself at that step."""
    stateless = {name for name, node in nodes.items() if not isinstance(node, NEURONS)}
    within = {name: [target for target in targets[name] if target in stateless] for name in stateless}
    for path, (_, first) in _back_edges([name for name in nodes if name in stateless], within):
        cycle = " -> ".join(map(repr, (*path[path.index(first) :], first)))
        raise InputError(f"{source}: a cycle without a neuron: {cycle}; break it or put a neuron on it")


def _closing_edges(nodes: Mapping[str, nir.NIRNode], targets: Links) -> set[Edge]:
    """The edges that lead back to where a walk from the inputs came from; without them the graph has no cycle."""
    inputs = [name for name, node in nodes.items() if isinstance(node, nir.Input)]
    return {edge for _, edge in _back_edges(inputs, targets)}


def _back_edges(starts: Iterable[str], links: Links) -> Iterable[tuple[list[str], Edge]]:
    """Depth first from every start: each edge back to a node of the current path, and that path as it stands then."""
    done: set[str] = set()
    for start in starts:
        if start in done:
            continue
        path, on_path, pending = [start], {start}, [iter(links[start])]
        while path:
            target = next(pending[-1], None)
            if target is None:
                done.add(path[-1])
                on_path.discard(path.pop())
                pending.pop()
            elif target in on_path:
                yield path, (path[-1], target)
            elif target not in done:
                path.append(target)
                on_path.add(target)
                pending.append(iter(links[target]))


def _order(nodes: Mapping[str, nir.NIRNode], edges: list[Edge]) -> tuple[str, ...]:
    """Every node after all that it reads, and in the order of the file where that leaves a choice."""
    names = list(nodes)
    position = {name: i for i, name in enumerate(names)}
    targets = _links(nodes, edges)
    waiting = dict.fromkeys(names, 0)
    for _, end in edges:
        waiting[end] += 1
    ready = [position[name] for name in names if not waiting[name]]
    order: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(name)
        for target in targets[name]:
            waiting[target] -= 1
            if not waiting[target]:
                heapq.heappush(ready, position[target])
    return tuple(order)


def _shape_nodes(
    nodes: dict[str, nir.NIRNode],
    order: tuple[str, ...],
    sources: Links,
    targets: Links,
    recurrent: set[Edge],
    source: str,
) -> dict[str, nir.NIRNode]:
    known: dict[str, Shape] = {}
    for name in order:
        node, where = nodes[name], describe(nodes, name, source)
        before = [start for start in sources[name] if (start, name) not in recurrent]
        arriving = known[before[0]] if before else node.input_type["input"]
        for start in before:
            _check_chain(nodes, start, name, known[start], arriving, source)
        shapes.shaped(node, arriving, where, [shapes.accepted(nodes[end]) for end in targets[name]])
        known[name] = _as_shape(node.output_type["output"])
    for start, end in recurrent:
        _check_chain(nodes, start, end, known[start], _as_shape(nodes[end].input_type["input"]), source)
    return nodes


def _check_chain(
    nodes: Mapping[str, nir.NIRNode], start: str, end: str, shape: Shape, arriving: Shape, source: str
) -> None:
    pattern = shapes.accepted(nodes[end])
    if not shapes.matches(shape, pattern):
        taken = ["any" if size is None else size for size in pattern or ()]
        text = str(taken).replace("'", "")
    elif shape != arriving:
        text = str(list(arriving))
    else:
        return
    raise InputError(
        f"{source}: shapes do not chain: node {start!r} ({type(nodes[start]).__name__}) makes {list(shape)}, but "
        f"node {end!r} ({type(nodes[end]).__name__}) takes {text}"
    )


def _as_shape(array: Any) -> Shape:
    return tuple(int(size) for size in np.asarray(array))
