"""Decides whether a NIR graph is one that can be computed, and says what is wrong where it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import nir
import numpy as np

from inflor.converter.errors import InputError, reason
from inflor.converter.nir.graph import RECURRENT_KEY, Edge, Graph, Shape
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.ordering import Links, back_edges, evaluation_order, links_of, reached_from, waiting_edges
from inflor.converter.passes.add_ends import add_ends
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.fit_inputs import fit_inputs
from inflor.converter.passes.flatten_graphs import flatten_graphs
from inflor.converter.passes.normalize_nodes import normalize_nodes
from inflor.converter.passes.read_out_thresholds import read_out_thresholds
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.shapes import Pattern, matches
from inflor.converter.reading.json_text import parse_json


def validate(nir_graph: nir.NIRGraph, source: str) -> Graph:
    """Check a NIR graph (design section 8) and infer every shape. The graph itself is left as it is.

    Graphs inside it are opened, and an Input or Output that is not there is put where only one place is possible.

    Args:
        source: the file's name, for messages.

    Raises:
        InputError: an unknown primitive; a field that is missing, of a wrong type or shape, out of range or not finite;
            an edge twice or to a node that does not exist; a node that no Input leads to or that leads to no Output; a
            cycle without a neuron; shapes that do not chain; inflor's metadata are damaged.
    """
    if not isinstance(nir_graph, nir.NIRGraph):
        raise InputError(f"{source}: is a {type(nir_graph).__name__}, not a NIR graph")
    flat = run_passes(nir_graph, [flatten_graphs(source)])
    foreign = [read_out_thresholds()] if METADATA_KEY not in flat.metadata else []
    passes = [*foreign, normalize_nodes(source), add_ends(source), fit_inputs(source)]
    graph = run_passes(flat, passes, frozenset({"flat"}))
    nodes, edges, metadata = graph.nodes, graph.edges, graph.metadata
    info = _info(metadata.pop(METADATA_KEY, None), source)
    targets, sources = links_of(nodes, edges), links_of(nodes, [(b, a) for a, b in edges])
    _check_ends(nodes, sources, targets, source)
    _check_connected(nodes, sources, targets, source)
    _check_cycles(nodes, targets, source)
    recurrent = _named_closing_edges(metadata[RECURRENT_KEY], edges, source) if RECURRENT_KEY in metadata else None
    if recurrent is None:
        neurons = {name for name, node in nodes.items() if primitive(node).is_neuron}
        inputs = [name for name, node in nodes.items() if isinstance(node, nir.Input)]
        recurrent = waiting_edges(inputs, list(nodes), edges, neurons)
    order = evaluation_order(nodes, [edge for edge in edges if edge not in recurrent])
    _shape_nodes(nodes, order, sources, targets, recurrent, source)
    return Graph(
        nodes,
        tuple(edges),
        {name: _as_shape(node.input_type["input"]) for name, node in nodes.items()},
        {name: _as_shape(node.output_type["output"]) for name, node in nodes.items()},
        order,
        info,
        source,
        tuple(edge for edge in edges if edge in recurrent),
        metadata,
    )


def _where(nodes: Mapping[str, nir.NIRNode], name: str, source: str) -> str:
    return f"{source}: node {name!r} ({type(nodes[name]).__name__})"


def _info(text: Any, source: str) -> ModelInfo:
    if text is None:
        return ModelInfo(version="", known=False, says_timesteps=False)
    if not isinstance(text, str):
        raise InputError(f"{source}: its inflor metadata are not a text")
    return ModelInfo.from_json(text, source)


def _check_ends(nodes: Mapping[str, nir.NIRNode], sources: Links[str], targets: Links[str], source: str) -> None:
    for kind, links, verb in ((nir.Input, sources, "takes"), (nir.Output, targets, "gives")):
        for name, node in nodes.items():
            if isinstance(node, kind) and links[name]:
                raise InputError(
                    f"{_where(nodes, name, source)}: {verb} nothing, but has an edge with {links[name][0]!r}"
                )


def _check_connected(nodes: Mapping[str, nir.NIRNode], sources: Links[str], targets: Links[str], source: str) -> None:
    inputs = [name for name, node in nodes.items() if isinstance(node, nir.Input)]
    outputs = [name for name, node in nodes.items() if isinstance(node, nir.Output)]
    fed, used = reached_from(inputs, targets), reached_from(outputs, sources)
    for name in nodes:
        if name not in fed:
            raise InputError(
                f"{_where(nodes, name, source)}: is not connected: no Input leads to it; connect or remove it"
            )
        if name not in used:
            raise InputError(
                f"{_where(nodes, name, source)}: is not connected: it leads to no Output; connect or remove it"
            )


def _check_cycles(nodes: Mapping[str, nir.NIRNode], targets: Links[str], source: str) -> None:
    """Refuse a cycle on which no neuron stands: its value at a step would depend on itself at that step."""
    stateless = {name for name, node in nodes.items() if not primitive(node).is_neuron}
    within = {name: [target for target in targets[name] if target in stateless] for name in stateless}
    for path, (_, first) in back_edges([name for name in nodes if name in stateless], within):
        cycle = " -> ".join(map(repr, (*path[path.index(first) :], first)))
        raise InputError(f"{source}: a cycle without a neuron: {cycle}; break it or put a neuron on it")


def _named_closing_edges(text: Any, edges: Sequence[Edge], source: str) -> set[Edge]:
    """The edges that the file says close its cycles."""
    try:
        named = {(str(start), str(end)) for start, end in parse_json(text)}
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{source}: its metadata {RECURRENT_KEY!r} are not a list of edges ({reason(error)})"
        ) from error
    if unknown := sorted(named - set(edges)):
        raise InputError(f"{source}: its metadata {RECURRENT_KEY!r} name an edge that is not there, {unknown[0]}")
    left = [edge for edge in edges if edge not in named]
    nodes = list(dict.fromkeys(name for edge in edges for name in edge))
    if len(evaluation_order(nodes, left)) < len(nodes):
        raise InputError(f"{source}: without the edges that its metadata {RECURRENT_KEY!r} name, it still has a cycle")
    return named


def _shape_nodes(
    nodes: dict[str, nir.NIRNode],
    order: tuple[str, ...],
    sources: Links[str],
    targets: Links[str],
    recurrent: set[Edge],
    source: str,
) -> None:
    """Complete every node, in place, with the shape that arrives at it."""
    known: dict[str, Shape] = {}
    for name in order:
        node, where = nodes[name], _where(nodes, name, source)
        before = [start for start in sources[name] if (start, name) not in recurrent]
        arriving = known[before[0]] if before else _own_shape(node, where)
        for start in before:
            _check_chain(nodes, start, name, known[start], arriving, source)
        known[name] = primitive(node).shaped(node, arriving, where, [_accepted(nodes[end]) for end in targets[name]])
    for start, end in recurrent:
        _check_chain(nodes, start, end, known[start], _as_shape(nodes[end].input_type["input"]), source)


def _own_shape(node: nir.NIRNode, where: str) -> Shape:
    """The shape that a node takes to which no edge leads, but for those that the file says close a cycle."""
    shape = _accepted(node)
    if shape is None or None in shape:
        raise InputError(
            f"{where}: every edge to it closes a cycle, and it does not say the shape that it takes; give its "
            f"parameters their full shape, or name other edges in the metadata {RECURRENT_KEY!r}"
        )
    return tuple(size for size in shape if size is not None)


def _check_chain(
    nodes: Mapping[str, nir.NIRNode], start: str, end: str, shape: Shape, arriving: Shape, source: str
) -> None:
    pattern = _accepted(nodes[end])
    if not matches(shape, pattern):
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


def _accepted(node: nir.NIRNode) -> Pattern | None:
    return primitive(node).accepted(node)


def _as_shape(array: Any) -> Shape:
    return tuple(int(size) for size in np.asarray(array))
