"""A validated NIR graph: what every later stage reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import nir
import numpy as np
import numpy.typing as npt

from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.reading.json_text import parse_json

Shape = tuple[int, ...]
"""Of a node's input or output, without batch and time."""
Edge = tuple[str, str]

RECURRENT_KEY = "recurrent"
"""Metadata of a graph: which edges close its cycles, as JSON, where a walk over it could choose others as well."""

ASSUMED_KEY = "inflor_assumed"
"""Metadata of a graph: what was assumed to read the file that it came from, as JSON, a list of sentences."""


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """Nodes and edges that passed every check of `inflor.converter.nir.validate`, with their shapes. Treat the nodes as
    read-only.

    The arrays of neurons, scales, thresholds and delays have the node's full shape (they may be read-only broadcasts of
    one value); stride, padding, dilation and kernel_size are tuples of one entry per spatial dimension, or padding is
    "same" or "valid"; the dimensions of a Flatten are counted from 0, without batch, both ends included.

    Attributes:
        nodes: by name, in the order of the file.
        edges: (source, target); several edges into one node are summed.
        input_shapes, output_shapes: of every node, without time and batch.
        order: the nodes in evaluation order, file order among equals, recurrent edges left out.
        info: what the file says about time, input and classes.
        source: the file's name, for messages.
        recurrent: the edges that close a cycle; they carry one step of delay.
        metadata: the graph's other metadata.
    """

    nodes: Mapping[str, nir.NIRNode]
    edges: tuple[Edge, ...]
    input_shapes: Mapping[str, Shape]
    output_shapes: Mapping[str, Shape]
    order: tuple[str, ...]
    info: ModelInfo
    source: str
    recurrent: tuple[Edge, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Graph({self.source!r}: {len(self.nodes)} nodes, {len(self.edges)} edges)"

    @cached_property
    def _sources(self) -> Mapping[str, list[str]]:
        sources: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, target in self.edges:
            sources[target].append(source)
        return sources

    @cached_property
    def _targets(self) -> Mapping[str, list[str]]:
        targets: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, target in self.edges:
            targets[source].append(target)
        return targets

    def predecessors(self, name: str) -> list[str]:
        """The nodes with an edge into `name`, in the order of the edges."""
        return list(self._sources[name])

    def successors(self, name: str) -> list[str]:
        """The nodes that `name` has an edge to, in the order of the edges."""
        return list(self._targets[name])

    def inputs(self) -> list[str]:
        """The names of the Input nodes."""
        return [name for name, node in self.nodes.items() if isinstance(node, nir.Input)]

    def outputs(self) -> list[str]:
        """The names of the Output nodes."""
        return [name for name, node in self.nodes.items() if isinstance(node, nir.Output)]

    def where(self, name: str) -> str:
        """How a message names a node: the file, the node and its type."""
        return f"{self.source}: node {name!r} ({type(self.nodes[name]).__name__})"

    def with_nodes(self, changed: Mapping[str, nir.NIRNode]) -> Graph:
        """The graph with other nodes of these names, of the same shapes."""
        return replace(self, nodes={**self.nodes, **changed})

    def as_nir(self) -> nir.NIRGraph:
        """The graph as NIR's, with what is known of its time in the metadata."""
        metadata = dict(self.metadata)
        if self.info.says_anything:
            metadata[METADATA_KEY] = self.info.to_json()
        return nir_graph(self.nodes, self.edges, metadata)


def assumed(metadata: Mapping[str, Any], *notes: str) -> dict[str, Any]:
    """A graph's metadata with further sentences on what was assumed to read it."""
    known = list(dict.fromkeys([*assumptions(metadata), *notes]))
    return {**metadata, ASSUMED_KEY: json.dumps(known)} if known else dict(metadata)


def assumptions(metadata: Mapping[str, Any]) -> list[str]:
    """The sentences on what was assumed, of a graph's metadata; none where there are none that can be read."""
    try:
        found = parse_json(metadata.get(ASSUMED_KEY, "[]"))
    except (TypeError, ValueError):
        return []
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def nir_graph(
    nodes: Mapping[str, nir.NIRNode], edges: Iterable[Edge], metadata: Mapping[str, Any] | None = None
) -> nir.NIRGraph:
    """NIR's graph of these nodes and edges, made without its constructor, which checks and infers by its own rules."""
    graph: nir.NIRGraph = object.__new__(nir.NIRGraph)
    graph.nodes, graph.edges, graph.metadata = dict(nodes), list(edges), dict(metadata or {})
    return graph


def reset_of(node: nir.NIRNode) -> tuple[Literal["subtract", "zero"], npt.NDArray[Any]]:
    """How a spiking neuron (IF, LIF, CubaLIF) of a validated graph resets; the array broadcasts to its shape.

    ("subtract", reset_value): v -= reset_value, where the node's metadata say `reset: "subtract"`. A reset_value that
    the metadata do not give is the threshold, as other frameworks mean it.
    ("zero", v_reset): v = v_reset, NIR's own meaning.
    """
    if node.metadata.get("reset") == "subtract":
        return "subtract", np.asarray(node.metadata.get("reset_value", node.v_threshold))
    return "zero", node.v_reset
