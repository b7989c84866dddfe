"""Soft resets spelled out in plain NIR fire the spikes that they fired before."""

from __future__ import annotations

import copy

import nir
import numpy as np
import pytest
import torch
from peers import ours

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.pipelines import for_readers, notes_for_readers
from inflor.converter.primitives.base import primitive
from inflor.converter.simulate.execute import run

SHAPE = (4,)


def portable(graph: Graph) -> Graph:
    return run_passes(graph, for_readers(portable=True, step=None))


def without_metadata(graph: Graph) -> Graph:
    """What a reader makes of it that knows NIR alone: its nodes and edges, and dt."""
    nodes = {name: copy.copy(node) for name, node in graph.nodes.items()}
    for node in nodes.values():
        node.metadata = {}
    bare = nir.NIRGraph(nodes, list(graph.edges), type_check=False)
    bare.metadata = {METADATA_KEY: ModelInfo(dt=graph.info.dt).to_json()}
    return validate(bare, "bare.nir")


def network(neuron: nir.NIRNode, recurrent: bool = False) -> Graph:
    """input -> fc -> neuron -> output; recurrent: and neuron -> back -> neuron."""
    rng = np.random.default_rng(3)
    neuron.metadata = {"reset": "subtract", "reset_value": rng.uniform(0.4, 1.2, SHAPE)}
    nodes = {
        "input": nir.Input(np.array([3])),
        "fc": nir.Affine(rng.normal(size=(4, 3)), rng.normal(size=4)),
        "neuron": neuron,
        "output": nir.Output(np.array(SHAPE)),
    }
    edges = [("input", "fc"), ("fc", "neuron"), ("neuron", "output")]
    if recurrent:
        nodes["back"] = nir.Affine(rng.normal(size=(4, 4)), rng.normal(size=4))
        edges += [("neuron", "back"), ("back", "neuron")]
    graph = nir.NIRGraph(nodes, edges, type_check=False)
    graph.metadata = {METADATA_KEY: ModelInfo(dt=0.5).to_json()}
    return validate(graph, "network.nir")


def spikes(graph: Graph, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of every neuron, and of every Threshold, whose spikes are what goes over its first edge that is left."""
    kept = [name for name, node in graph.nodes.items() if isinstance(node, nir.Threshold)]
    result = run(graph, x, len(x), keep_inputs=kept, dtype=torch.float64)
    found = {name: values > torch.as_tensor(graph.nodes[name].threshold) for name, values in result.inputs.items()}
    return {**result.spikes, **found}


NEURONS = {
    "IF": lambda one: nir.IF(2 * one, np.linspace(0.3, 0.9, 4)),
    "LIF": lambda one: nir.LIF(np.linspace(1, 4, 4), 1.5 * one, 0.1 * one, np.linspace(0.1, 0.5, 4)),
    "CubaLIF": lambda one: nir.CubaLIF(
        2 * one, np.linspace(1, 4, 4), 1.5 * one, -0.1 * one, np.linspace(0.1, 0.5, 4), 0 * one, 3 * one
    ),
}


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("kind", NEURONS)
def test_a_soft_reset_spelled_out_is_the_same(kind, recurrent):
    graph = network(NEURONS[kind](np.ones(SHAPE)), recurrent)
    plain = without_metadata(portable(graph))
    assert not any(primitive(node).resets for node in plain.nodes.values())
    x = torch.randn(50, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    before, after = spikes(graph, x)["neuron"], spikes(plain, x)["neuron"]
    assert torch.equal(before, after)
    assert 0.05 < before.double().mean() < 0.95
    ignored = spikes(without_metadata(graph), x)["neuron"]
    assert not torch.equal(before, ignored)  # a reader that ignores the metadata of the graph itself is wrong


@pytest.mark.parametrize("case", [case for case in ours.GRAPHS if case != "recurrent, zero"])
def test_networks_of_ours_are_the_same(case):
    graph = ours.GRAPHS[case]()
    plain, notes = portable(graph), notes_for_readers(graph)
    x = 2 * torch.randn(12, 4, *graph.input_shapes["input"], generator=torch.Generator().manual_seed(0))
    before, after = run(graph, x, 12, dtype=torch.float64), run(without_metadata(plain), x, 12, dtype=torch.float64)
    torch.testing.assert_close(before.logits["output"], after.logits["output"], rtol=0, atol=1e-9)
    assert ("spelled out" in notes[0]) == case.endswith("subtract")
    assert "readout" in notes[-1]
    assert "readout" not in plain.nodes


def test_names_that_are_taken_are_left_alone():
    graph = network(NEURONS["IF"](np.ones(SHAPE)))
    nodes = dict(graph.nodes) | {"neuron_reset": nir.Scale(np.ones(SHAPE))}
    edges = [edge for edge in graph.edges if edge[1] != "output"]
    raw = nir.NIRGraph(nodes, [*edges, ("neuron", "neuron_reset"), ("neuron_reset", "output")], type_check=False)
    plain = portable(validate(raw, "taken.nir"))
    assert {"neuron", "neuron_reset", "neuron_reset1", "neuron_membrane1"} <= set(plain.nodes)
    assert ("neuron_reset", "output") in plain.edges


def test_what_plain_nir_cannot_say_is_refused():
    graph = network(NEURONS["IF"](np.ones(SHAPE)))
    graph.nodes["neuron"].metadata["refractory"] = True
    with pytest.raises(InputError, match="'neuron' \\(IF\\): a neuron that waits a step"):
        portable(graph)
    graph = network(nir.LIF(*[0.5 * np.ones(SHAPE)] * 4))  # tau = dt
    with pytest.raises(InputError, match="keeps no potential"):
        portable(graph)


def test_nothing_to_spell_out_leaves_the_graph():
    graph = ours.GRAPHS["recurrent, zero"]()
    plain, notes = portable(graph), notes_for_readers(graph)
    assert notes == []
    assert list(plain.nodes) == list(graph.nodes)
    assert plain.edges == graph.edges
