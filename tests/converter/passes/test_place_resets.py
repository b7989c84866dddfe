"""Resets that act in the step after the spike, against a loop in which they do."""

from __future__ import annotations

import nir
import numpy as np
import pytest
import torch
from float_graphs import graph_of, sink, source
from primitive_examples import N, full

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.place_resets import place_resets
from inflor.converter.simulate.execute import run

HAS = frozenset({"time", "resets"})
STEPS = 40


def made(node: nir.NIRNode, reset: str, cycle: bool = False, **metadata: object) -> Graph:
    node.metadata = {"reset": reset, **metadata}
    nodes = {"input": source((N,)), "n": node, "output": sink((N,))}
    return graph_of(nodes, [("input", "n"), ("n", "output"), *([("n", "n")] if cycle else [])])


def lif(tau: float = 2) -> nir.LIF:
    return nir.LIF(full(tau), full(2), full(0), full(1), full(0))


def cuba() -> nir.CubaLIF:
    return nir.CubaLIF(full(2), full(4), full(4), full(0), full(1), full(0), full(2))


def placed(graph: Graph, late: bool) -> Graph:
    return run_passes(graph, [place_resets(late)], HAS)


def test_a_late_subtraction():
    graph = placed(made(lif(), "subtract"), late=True)
    assert np.array_equal(graph.nodes["n"].metadata["reset_value"], np.full(N, 2.0))  # 1 / keep
    x = np.random.default_rng(0).integers(-8, 17, (STEPS, 1, N)) / 8
    spikes = run(graph, x, STEPS, dtype=torch.float64).spikes["n"][:, 0]
    v, fired = np.zeros(N), np.zeros(N, bool)
    for step in range(STEPS):
        v = 0.5 * v + x[step, 0] - fired
        fired = v > 1
        assert np.array_equal(spikes[step], fired), step
    assert spikes.any()


def test_a_late_reset_to_v_reset_costs_the_step_after_the_spike():
    graph = placed(made(cuba(), "zero"), late=True)
    assert graph.nodes["n"].metadata == {"reset": "zero", "refractory": True}
    x = np.random.default_rng(0).integers(0, 9, (STEPS, 1, N)) / 8
    spikes = run(graph, x, STEPS, dtype=torch.float64).spikes["n"][:, 0]
    u, v, fired = np.zeros(N), np.zeros(N), np.zeros(N, bool)
    for step in range(STEPS):
        u = 0.5 * u + x[step, 0]
        v = np.where(fired, 0, 0.75 * v + u)
        fired = v > 1
        assert np.array_equal(spikes[step], fired), step
    assert spikes.any()


@pytest.mark.parametrize(
    ("make", "cycle", "late", "refractory"),
    [
        (lif, False, True, False),  # a reset before the input is one after the spike
        (lif, True, True, True),
        (cuba, False, True, True),
        (lif, True, False, False),
        (cuba, True, False, False),
    ],
)
def test_who_loses_a_step(make, cycle, late, refractory):
    graph = made(make(), "zero", cycle)
    after = placed(graph, late)
    assert ("refractory" in after.nodes["n"].metadata) == refractory
    assert "reset_value" not in after.nodes["n"].metadata
    assert "refractory" not in graph.nodes["n"].metadata


def test_what_a_spike_takes_is_said():
    assert np.array_equal(placed(made(lif(), "subtract"), late=False).nodes["n"].metadata["reset_value"], full(1))
    own = placed(made(lif(), "subtract", reset_value=np.full(N, 0.25)), late=False)
    assert np.array_equal(own.nodes["n"].metadata["reset_value"], full(0.25))


def test_a_neuron_that_keeps_nothing_cannot_subtract_later():
    graph = made(lif(tau=1), "subtract")
    with pytest.raises(InputError, match=r"drawn\.nir: node 'n' \(LIF\) keeps nothing.*give `reset='zero'`"):
        placed(graph, late=True)
    assert placed(graph, late=False).nodes["n"].metadata["reset"] == "subtract"
