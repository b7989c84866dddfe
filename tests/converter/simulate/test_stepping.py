"""A whole run is the steps one after the other, bit for bit."""

from __future__ import annotations

import nir
import numpy as np
import pytest
import torch
from float_graphs import graph_of
from hypothesis import given
from hypothesis import strategies as st

from inflor.converter.primitives.dynamics import start
from inflor.converter.simulate.execute import run
from inflor.converter.simulate.stepping import whole_run

N = 5


def graph_with(node: nir.NIRNode):
    return graph_of({"input": nir.Input(np.array([N])), "n": node, "output": nir.Output(np.array([N]))})


def adversarial(seed: int, steps: int) -> np.ndarray:
    """float32 of all magnitudes and both signs, so that every order and width of adding them rounds otherwise."""
    rng = np.random.default_rng(seed)
    sign = rng.choice([-1, 1], (steps, 2, N))
    return (sign * 2.0 ** rng.uniform(-30, 30, (steps, 2, N))).astype(np.float32)


@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 40))
def test_an_integrator_adds_step_by_step_in_float32(seed, steps):
    x = adversarial(seed, steps)
    found = run(graph_with(nir.I(np.ones(N, np.float32))), x, steps).potentials["n"].numpy()
    v = np.zeros((2, N), np.float32)
    for step in range(steps):
        v = v + x[step]
        assert v.dtype == np.float32
        assert np.array_equal(found[step].view(np.int32), v.view(np.int32))


def test_the_order_of_adding_shows():
    """1 is lost beside 2**25 in float32, and would not be in a sum of higher precision."""
    x = np.array([2.0**25, 1, 1, 1, -(2.0**25)], np.float32).reshape(5, 1, 1) * np.ones(N, np.float32)
    found = run(graph_with(nir.I(np.ones(N, np.float32))), x, 5).potentials["n"][:, 0, 0]
    assert found.tolist() == [2.0**25] * 4 + [0.0]


@pytest.mark.parametrize(
    "node",
    [
        nir.I(np.linspace(0.5, 2, N)),
        nir.LI(np.linspace(2, 6, N), np.ones(N), np.full(N, 0.1)),
        nir.Delay(np.array([0.0, 1, 2, 3, 50])),
        nir.CubaLIF(*np.linspace(1.5, 3, 2 * N).reshape(2, N), np.ones(N), np.zeros(N), np.ones(N), np.zeros(N)),
    ],
    ids=lambda node: type(node).__name__,
)
def test_a_whole_run_is_its_steps(node):
    graph, x = graph_with(node), torch.from_numpy(adversarial(1, 12))
    whole, state, out = whole_run(graph, "n", x), start(graph, "n", x[0], len(x)), torch.empty_like(x[0])
    for step in range(len(x)):
        state.advance(x[step], out)
        assert torch.equal(whole[step].view(torch.int32), out.view(torch.int32))


def test_a_delay_gives_nothing_before_the_sample():
    """A positive zero, also in the place of a negative number."""
    x = -np.ones((4, 1, N), np.float32)
    given = run(graph_with(nir.Delay(np.array([0.0, 1, 2, 3, 50]))), x, 4).outputs["output"][:, 0].numpy()
    expected = np.zeros((4, N), np.float32)
    for neuron, steps in enumerate((0, 1, 2, 3)):
        expected[steps:, neuron] = -1
    assert np.array_equal(given.view(np.int32), expected.view(np.int32))
