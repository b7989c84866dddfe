"""Writes a graph so that a reader of plain NIR, which knows nothing of our metadata, computes the same spikes.

Before: fc -> lif (soft reset in its metadata) -> out

After:  fc -> lif_membrane -> lif -> out        an integrator (I or LI) and a Threshold, which keeps the name, and
        lif -> lif_reset -> lif_membrane        a Scale that takes the reset off the membrane a step later

Before: fc -> readout (I) -> output
After:  fc -> output                            whose sum over the steps is the readout's potential

An edge that closes a cycle carries one step of delay, and a step multiplies what is left of the potential by keep and
the input by gain. With the weight -keep / gain * reset_value on the edge,

    v[t] = keep v[t-1] + gain (a[t] - keep / gain reset_value s[t-1]) = keep (v[t-1] - reset_value s[t-1]) + gain a[t]

which is the soft reset exactly. The readout goes because no framework reads an integrator, while all sum an output.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import SPIKING, Edge, Graph, reset_of
from inflor.converter.nir.metadata import METADATA_KEY
from inflor.converter.nir.validate import validate
from inflor.converter.primitives.dynamics import Dynamics, dynamics
from inflor.converter.primitives.fields import make_node

Nodes = dict[str, nir.NIRNode]


def portable(graph: Graph) -> tuple[Graph, list[str]]:
    """The graph with soft resets spelled out and without integrators at its end; and notes for the user.

    Raises:
        InputError: a neuron is refractory, or keeps nothing of its potential and so cannot hold a soft reset.
    """
    nodes: Nodes = {}
    edges: list[Edge] = []
    spelt: dict[str, str] = {}  # where the input of a spelt-out neuron goes now
    for name, node in graph.nodes.items():
        if not isinstance(node, SPIKING) or reset_of(node)[0] != "subtract":
            nodes[name] = node
            continue
        made, inner = _spelt_out(graph, name, _free_names(graph, name))
        nodes |= made
        edges += inner
        spelt[name] = next(iter(made))
    kept = {name: node for name, node in nodes.items() if not _is_sum(graph, name)}
    sums = [name for name in nodes if name not in kept]
    edges = [(start, spelt.get(end, end)) for start, end in _without(graph, sums)] + edges
    whole: nir.NIRGraph = object.__new__(nir.NIRGraph)
    whole.nodes, whole.edges = kept, edges
    whole.metadata = dict(graph.metadata) | ({METADATA_KEY: graph.info.to_json()} if graph.info.known else {})
    made_graph = validate(whole, graph.source)
    return replace(made_graph, info=graph.info), _notes(spelt, sums)


def _is_sum(graph: Graph, name: str) -> bool:
    """Whether a node adds up, unscaled, what Outputs read."""
    if not isinstance(graph.nodes.get(name), nir.I) or not (dynamics(graph, name).gain == 1).all():
        return False
    return all(isinstance(graph.nodes[target], nir.Output) for target in graph.successors(name))


def _without(graph: Graph, left_out: list[str]) -> list[Edge]:
    """The edges, with what leads into a node that is left out led on to what it leads to."""
    edges: list[Edge] = []
    for start, end in graph.edges:
        if start not in left_out:
            edges += [(start, target) for target in (graph.successors(end) if end in left_out else [end])]
    return edges


def _free_names(graph: Graph, name: str) -> tuple[str, str, str]:
    """Names of the current, the membrane and the reset that no other node has."""
    for number in range(len(graph.nodes) + 1):
        end = "" if number == 0 else str(number)
        names = f"{name}_current{end}", f"{name}_membrane{end}", f"{name}_reset{end}"
        if not set(names) & set(graph.nodes):
            return names
    raise AssertionError("more names are taken than there are nodes")


def _spelt_out(graph: Graph, name: str, names: tuple[str, str, str]) -> tuple[Nodes, list[Edge]]:
    """The nodes that a neuron becomes, the one that takes its input first, and the edges between them."""
    node, step = graph.nodes[name], dynamics(graph, name)
    where = f"{graph.source}: node {name!r} ({type(node).__name__})"
    if step.refractory or step.late_current:
        raise InputError(f"{where}: a neuron that waits a step has no form in plain NIR; convert without --portable")
    if not (step.keep > 0).all():
        raise InputError(f"{where}: keeps no potential, so its soft reset has no effect; write a Threshold instead")
    current, membrane, reset = names
    nodes: Nodes = {}
    if isinstance(node, nir.CubaLIF):
        nodes[current] = make_node(nir.LI, {"tau": node.tau_syn, "r": node.w_in, "v_leak": np.zeros_like(node.w_in)})
    nodes[membrane] = _membrane(node)
    nodes[name] = make_node(nir.Threshold, {"threshold": node.v_threshold}, _strictness(node.metadata))
    nodes[reset] = make_node(nir.Scale, {"scale": _weight(step, node.v_threshold.dtype)})
    chain = [*nodes][:-1]
    return nodes, [*itertools.pairwise(chain), (name, reset), (reset, membrane)]


def _membrane(node: nir.NIRNode) -> nir.NIRNode:
    if isinstance(node, nir.IF):
        return make_node(nir.I, {"r": node.r})
    tau = node.tau if isinstance(node, nir.LIF) else node.tau_mem
    return make_node(nir.LI, {"tau": tau, "r": node.r, "v_leak": node.v_leak})


def _weight(step: Dynamics, dtype: np.dtype[np.generic]) -> np.ndarray:
    return np.asarray(-step.keep / step.gain * step.reset_value, dtype if dtype.kind == "f" else np.float64)


def _strictness(metadata: Mapping[str, object]) -> dict[str, object]:
    return {"threshold": metadata["threshold"]} if "threshold" in metadata else {}


def _notes(spelt: Mapping[str, str], sums: list[str]) -> list[str]:
    notes = []
    if spelt:
        name, membrane = next(iter(spelt.items()))
        notes.append(
            f"The soft reset of {len(spelt)} populations is spelled out, e.g. {name} as {membrane} -> {name} with a "
            "feedback edge. A reader that gives the edge which closes a cycle one step of delay fires the same spikes."
        )
    notes += [f"The readout {name} is left out: the output, summed over the steps, is its potential." for name in sums]
    return notes
