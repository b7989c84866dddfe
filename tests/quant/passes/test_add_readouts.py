"""An Output behind a linear node: the integrator that it gets says what the float executor says."""

from __future__ import annotations

import itertools
from dataclasses import replace

import nir
import numpy as np
import pytest
import torch

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.simulate import execute
from inflor.quant.fix.pipeline import quantize
from inflor.quant.passes.add_readouts import add_readouts
from inflor.targets.running import run

RNG = np.random.default_rng(0)
X = RNG.uniform(0, 1, (40, 8)).astype(np.float32)


def open_ended(dt: float) -> Graph:
    nodes = {
        "input": nir.Input(input_type={"input": np.array([8])}),
        "w1": nir.Affine(RNG.normal(0, 0.5, (16, 8)), RNG.normal(0, 0.1, 16)),
        "if": nir.IF(r=np.full(16, 1 / dt), v_threshold=np.ones(16), v_reset=np.zeros(16)),
        "w2": nir.Affine(RNG.normal(0, 0.5, (5, 16)), RNG.normal(0, 0.1, 5)),
        "output": nir.Output(output_type={"output": np.array([5])}),
    }
    graph = validate(nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), type_check=False), "open.nir")
    return replace(graph, info=ModelInfo(timesteps=12, dt=dt))


def test_the_potential_is_the_sum_of_what_the_output_was_given() -> None:
    for dt in (1.0, 1e-3):
        graph = open_ended(dt)
        closed = add_readouts(graph)
        assert closed.predecessors("output") == ["output_sum"]
        before, after = (execute.run(g, torch.from_numpy(X).double(), 12, dtype=torch.float64) for g in (graph, closed))
        assert np.allclose(after.potentials["output_sum"][-1] / 12, before.logits["output"])
        assert add_readouts(closed) is closed


def test_an_integer_network_ends_in_it() -> None:
    graph = open_ended(1e-3)
    network, _ = quantize(graph, X)
    assert network.outputs == ("output_sum",)
    expected = execute.run(graph, torch.from_numpy(X), 12).logits["output"].argmax(1).numpy()
    assert (run(network, "cpu", X).predictions == expected).mean() > 0.95


def two_ended(**kinds: nir.NIRNode) -> Graph:
    nodes = {"input": nir.Input(input_type={"input": np.array([8])})}
    edges = []
    for name, neuron in kinds.items():
        nodes |= {f"w_{name}": nir.Linear(RNG.normal(0, 0.5, (5, 8))), name: neuron}
        edges += [("input", f"w_{name}"), (f"w_{name}", name), (name, "output")]
    nodes["output"] = nir.Output(output_type={"output": np.array([5])})
    graph = validate(nir.NIRGraph(nodes, edges, type_check=False), "two.nir")
    return replace(graph, info=ModelInfo(timesteps=12))


def test_an_output_adds_the_spikes_of_all_that_end_in_it() -> None:
    graph = two_ended(one=nir.IF(np.ones(5), np.ones(5)), two=nir.IF(np.ones(5), np.full(5, 0.3)))
    network, _ = quantize(graph, X)
    assert network.outputs == ("output_sum",)
    run_of = execute.run(graph, torch.from_numpy(X), 12)
    summed = run_of.logits["output"].argmax(1).numpy()
    assert (summed != run_of.spikes["one"].float().sum(0).argmax(1).numpy()).mean() > 0.1
    assert (run(network, "cpu", X).predictions == summed).mean() > 0.95


def test_an_output_that_adds_a_potential_is_refused() -> None:
    graph = two_ended(one=nir.IF(np.ones(5), np.ones(5)), two=nir.I(np.ones(5)))
    with pytest.raises(InputError, match=r"'output' \(Output\): adds the potential of 'two' \(I\)"):
        add_readouts(graph)
