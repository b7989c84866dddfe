"""Potentials that start elsewhere than at 0, against a loop in which they do."""

from __future__ import annotations

import nir
import numpy as np
import pytest
import torch
from primitive_examples import N, full, graph_of

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.shift_starts import shift_starts
from inflor.converter.simulate.execute import run

HAS = frozenset({"resets"})
STEPS = 40


def shifted(node: nir.NIRNode, start: str, **metadata: object) -> tuple[Graph, Graph]:
    node.metadata = metadata
    graph = graph_of(node, (N,), dt=1.0)
    return graph, run_passes(graph, [shift_starts(start)], HAS)


@pytest.mark.parametrize("start", ["v_leak", "v_reset"])
def test_the_spikes_are_those_of_a_neuron_that_starts_there(start):
    _, graph = shifted(nir.LIF(full(2), full(2), full(0.25), full(1), full(-0.5)), start)
    x = np.random.default_rng(0).integers(-4, 17, (STEPS, 1, N)) / 8
    spikes = run(graph, x, STEPS, dtype=torch.float64).spikes["n"][:, 0]
    v = np.full(N, {"v_leak": 0.25, "v_reset": -0.5}[start])
    for step in range(STEPS):
        v = v + (0.25 - v + 2 * x[step, 0]) / 2
        assert np.array_equal(spikes[step], v > 1), step
        v = np.where(v > 1, -0.5, v)
    assert spikes.any()


def test_every_potential_moves_and_nothing_else():
    before, after = shifted(nir.LIF(full(2), full(2), full(0.25), full(1), full(0)), "v_leak")
    found = {name: getattr(after.nodes["n"], name) for name in ("tau", "r", "v_leak", "v_threshold", "v_reset")}
    expected = {"tau": 2, "r": 2, "v_leak": 0, "v_threshold": 0.75, "v_reset": -0.25}
    assert {name: values.tolist() for name, values in found.items()} == {n: [v] * N for n, v in expected.items()}
    assert before.nodes["n"].v_threshold.tolist() == [1] * N


@pytest.mark.parametrize(
    ("node", "start", "metadata"),
    [
        (lambda: nir.LIF(full(2), full(1), full(0), full(1), full(0.5)), "v_leak", {}),
        (lambda: nir.IF(full(1), full(1), full(0.5)), "v_leak", {}),
        (lambda: nir.IF(full(1), full(1), full(0.5)), "v_reset", {"reset": "subtract"}),
        (lambda: nir.LI(full(2), full(1), full(0.5)), "v_reset", {}),
        (lambda: nir.Threshold(full(1)), "v_leak", {}),
    ],
)
def test_what_starts_at_0_stays(node, start, metadata):
    before, after = shifted(node(), start, **metadata)
    assert after.nodes["n"] is before.nodes["n"]


def test_a_readout_starts_at_0():
    with pytest.raises(InputError, match=r"x\.nir: node 'n' \(LI\) starts at its v_leak, which is not 0"):
        shifted(nir.LI(full(2), full(1), full(0.5)), "v_leak")
