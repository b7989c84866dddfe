"""A run over all steps at once is the loop over the steps, to the last bit."""

from __future__ import annotations

import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from primitive_examples import DT, EXAMPLES, example, full, graph_of
from torch import Tensor

from inflor.converter.nir.graph import Graph, nir_graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.primitives.base import PRIMITIVES
from inflor.converter.primitives.dynamics import start
from inflor.converter.simulate.execute import run
from inflor.converter.simulate.stepping import potentials, whole_run

N = 4
HARD = np.float32([1e8, 1, -1e8, 1, 2**-20, 16777216, 1, 1, -3e7, 1 / 3, 1e-30, 0.1, 1e30, -1e30, 0.7, -0.1])
"""Numbers of which every partial sum rounds."""
REMEMBERING = [kind for kind, form in PRIMITIVES.items() if form.state is not None]


def looped(graph: Graph, current: Tensor) -> Tensor:
    state, given_in = start(graph, "n", current[0], len(current)), []
    for arriving in current:
        out = torch.empty_like(arriving)
        state.advance(arriving, out)
        given_in.append(out)
    return torch.stack(given_in)


def drawn(seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.choice(HARD, (24, 2, N)) * rng.choice(np.float32([1, 1.1, 1e-4]), (1, 2, N))).to(dtype)


@settings(max_examples=60)
@given(
    kind=st.sampled_from(REMEMBERING),
    seed=st.integers(0, 10_000),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_it_is_the_loop_over_the_steps(kind, seed, dtype):
    graph, current = example(kind), drawn(seed, dtype)
    assert torch.equal(whole_run(graph, "n", current), looped(graph, current))


@pytest.mark.parametrize("seed", range(20))
def test_an_integrator_adds_in_the_order_of_the_steps(seed):
    """In float32, a step at a time, which a sum over all steps in a wider word is not."""
    graph, current = graph_of(nir.I(full(1)), (N,), dt=1.0), drawn(seed)
    v, expected = np.zeros((2, N), np.float32), []
    for arriving in current.numpy():
        v = v + arriving
        assert v.dtype == np.float32
        expected.append(v)
    found = run(graph, current, len(current)).potentials["n"]
    assert np.array_equal(found, np.stack(expected))
    wide = np.cumsum(current.numpy(), 0, np.float64).astype(np.float32)
    assert not np.array_equal(found, wide)  # the data tell one from the other


@pytest.mark.parametrize("kind", [kind for kind in REMEMBERING if PRIMITIVES[kind].is_neuron])
def test_on_a_cycle_that_carries_nothing_it_is_the_same(kind):
    """The other way to run it: with its neighbours, step by step."""
    make, _, _ = EXAMPLES[kind]
    nodes = {"input": nir.Input(np.array([N])), "n": make(), "back": nir.Scale(0 * full(1)), "output": nir.Output(None)}
    alone, current = example(kind), drawn(3)
    edges = [("input", "n"), ("n", "back"), ("back", "n"), ("n", "output")]
    cyclic = validate(nir_graph(nodes, edges, {METADATA_KEY: ModelInfo(dt=DT).to_json()}), "x.nir")
    assert cyclic.recurrent == (("back", "n"),)
    steps = len(current)
    assert torch.equal(run(alone, current, steps).outputs["output"], run(cyclic, current, steps).outputs["output"])


@pytest.mark.parametrize("kind", [kind for kind in REMEMBERING if PRIMITIVES[kind].resets])
def test_potentials_are_what_the_threshold_is_held_against(kind):
    graph, current = example(kind), drawn(5) / 1e7
    v, spikes = potentials(graph, "n", current)
    assert torch.equal(spikes, run(graph, current, len(current)).spikes["n"])
    assert torch.equal(spikes, v > 0.5)
    assert 0 < spikes.float().mean() < 1
