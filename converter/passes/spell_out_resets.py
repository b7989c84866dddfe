"""Writes soft resets so that a reader of plain NIR, which knows nothing of our metadata, computes the same spikes.

Before: fc -> lif (soft reset in its metadata) -> out

After:  fc -> lif_membrane -> lif -> out        an integrator (I or LI) and a Threshold, which keeps the name, and
        lif -> lif_reset -> lif_membrane        a Scale that takes the reset off the membrane a step later

An edge that closes a cycle carries one step of delay, and a step multiplies what is left of the potential by keep and
the input by gain. With the weight -keep / gain * reset_value on the edge,

    v[t] = keep v[t-1] + gain (a[t] - keep / gain reset_value s[t-1]) = keep (v[t-1] - reset_value s[t-1]) + gain a[t]

which is the soft reset exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Edge, Graph, nir_graph, reset_of
from inflor.converter.nir.validate import validate
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.dynamics import dynamics
from inflor.converter.primitives.fields import make_node

Nodes = dict[str, nir.NIRNode]


def spell_out_resets() -> Pass[Graph]:
    """Make an integrator, a Threshold and a Scale of every neuron with a soft reset.

    Raises:
        InputError: a neuron is refractory, or keeps nothing of its potential and so cannot hold a soft reset.
    """
    return Pass("spell out resets", _spelt)


def notes(graph: Graph) -> list[str]:
    """What the pass does to a graph, for the user."""
    names = _soft(graph)
    if not names:
        return []
    first = names[0]
    entry = next(iter(_spelt_out(graph, first)[0]))
    return [
        f"The soft reset of {len(names)} populations is spelled out, e.g. {first} as {entry} -> {first} with a "
        "feedback edge. A reader that gives the edge which closes a cycle one step of delay fires the same spikes."
    ]


def _soft(graph: Graph) -> list[str]:
    nodes = graph.nodes.items()
    return [name for name, node in nodes if primitive(node).resets and reset_of(node)[0] == "subtract"]


def _spelt(graph: Graph) -> Graph:
    soft = set(_soft(graph))
    if not soft:
        return graph
    nodes: Nodes = {}
    inner: list[Edge] = []
    entries: dict[str, str] = {}  # where the input of a neuron goes now
    for name, node in graph.nodes.items():
        made, between = _spelt_out(graph, name) if name in soft else ({name: node}, [])
        nodes |= made
        inner += between
        entries[name] = next(iter(made))
    edges = [(start, entries[end]) for start, end in graph.edges] + inner
    metadata = graph.as_nir().metadata
    return replace(validate(nir_graph(nodes, edges, metadata), graph.source), info=graph.info)


def _spelt_out(graph: Graph, name: str) -> tuple[Nodes, list[Edge]]:
    """The nodes that a neuron becomes, the one that takes its input first, and the edges between them."""
    node, step, plain = graph.nodes[name], dynamics(graph, name), primitive(graph.nodes[name]).plain
    where = graph.where(name)
    if plain is None:
        raise InputError(f"{where}: its soft reset has no form in plain NIR; convert without `portable`")
    if step.refractory or step.late_current:
        raise InputError(f"{where}: a neuron that waits a step has no form in plain NIR; convert without `portable`")
    if not (step.keep > 0).all():
        raise InputError(f"{where}: keeps no potential, so its soft reset has no effect; write a Threshold instead")
    parts = plain(node)
    *integrating, reset = _free_names(graph, name, (*parts, "reset"))
    dtype = node.v_threshold.dtype if node.v_threshold.dtype.kind == "f" else np.float64
    strictness = {"threshold": node.metadata["threshold"]} if "threshold" in node.metadata else {}
    nodes: Nodes = dict(zip(integrating, parts.values(), strict=True))
    nodes[name] = make_node(nir.Threshold, {"threshold": node.v_threshold}, strictness)
    weight = np.asarray(-step.keep / step.gain * step.reset_value, dtype)
    chain = [*nodes]
    return (
        {**nodes, reset: make_node(nir.Scale, {"scale": weight})},
        [*itertools.pairwise(chain), (name, reset), (reset, integrating[-1])],
    )


def _free_names(graph: Graph, name: str, parts: Iterable[str]) -> list[str]:
    """A name for each part of a neuron that no other node has."""
    for end in itertools.chain([""], map(str, itertools.count(1))):
        names = [f"{name}_{part}{end}" for part in parts]
        if not set(names) & set(graph.nodes):
            return names
    raise AssertionError("there are more numbers than names")
