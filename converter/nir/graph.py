"""A validated NIR graph: what every later stage reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import nir
import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.converter.nir.metadata import ModelInfo

Shape = tuple[int, ...]
Edge = tuple[str, str]

SPIKING = (nir.IF, nir.LIF, nir.CubaLIF)
"""Neurons with a potential that fire."""
RECURRENT_KEY = "recurrent"
"""Metadata of a graph: which edges close its cycles, as JSON, where a walk over it could choose others as well."""
FIRING = (*SPIKING, nir.Threshold)
"""All that sends spikes: neurons that fire, and thresholds without a memory."""
INTEGRATORS = (nir.I, nir.LI, nir.CubaLI)
"""Neurons with a potential that never fire: readouts."""
NEURONS = (*SPIKING, *INTEGRATORS)


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes and edges that passed every check of `inflor.converter.nir.validate`, with their shapes. Treat the nodes as
    read-only.

    nodes: by name, in the order of the file. edges: (source, target); several edges into one node are summed.
    input_shapes, output_shapes: of every node, without time and batch. order: the nodes in evaluation order, file order
    among equals, recurrent edges left out. recurrent: the edges that close a cycle; they carry one step of delay.
    info: what the file says about time, input and classes. source: the file's name, for messages.
    metadata: the graph's other metadata.

    The arrays of neurons, scales, thresholds and delays have the node's full shape (they may be read-only broadcasts of
    one value); stride, padding, dilation and kernel_size are tuples of one entry per spatial dimension, or padding is
    "same" or "valid"; the dimensions of a Flatten are counted from 0, without batch, both ends included.
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

    def require_feed_forward(self) -> None:
        """Refuse a recurrent graph.

        Raises:
            InputError: the graph has a cycle; names the edge that closes it.
        """
        if self.recurrent:
            source, target = self.recurrent[0]
            raise InputError(
                f"{self.source}: the edge {source!r} -> {target!r} closes a cycle; "
                "recurrent networks are not supported yet"
            )


def reset_of(node: nir.NIRNode) -> tuple[Literal["subtract", "zero"], npt.NDArray[Any]]:
    """How a spiking neuron (IF, LIF, CubaLIF) of a validated graph resets; the array broadcasts to its shape.

    ("subtract", reset_value): v -= reset_value, where the node's metadata say `reset: "subtract"`. A reset_value that
    the metadata do not give is the threshold, as other frameworks mean it.
    ("zero", v_reset): v = v_reset, NIR's own meaning.
    """
    if node.metadata.get("reset") == "subtract":
        return "subtract", np.asarray(node.metadata.get("reset_value", node.v_threshold))
    return "zero", node.v_reset
