"""Proved ranges of populations that fire, leak and reset, against a loop that tries extreme and random inputs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.metadata import ModelInfo
from quant.network import DECAY_ONE, IntegerNetwork, Population, Projection
from quant.operators import Linear
from quant.ranges import state_range

ZERO = np.zeros((), np.int64)


@st.composite
def neurons(draw: st.DrawFn) -> IntegerNetwork:
    """One input of 8 bits into a few neurons with parameters of their own."""
    size, small = draw(st.integers(1, 3)), st.integers(-300, 300)

    def values(of: st.SearchStrategy[int]) -> np.ndarray:
        return np.array([draw(of) for _ in range(size)], np.int64)

    reset = draw(st.sampled_from(["subtract", "zero", "none"]))
    threshold = values(small)
    population = Population(
        "n",
        (size,),
        "readout" if reset == "none" else "lif",
        threshold,
        reset,
        values(st.integers(0, 900)) if reset == "subtract" else ZERO,
        values(small) if reset == "zero" else ZERO,
        values(small),
        values(st.sampled_from([0, 1, 700, 2048, 4095, 4096])) if draw(st.booleans()) else ZERO,
        np.ones(()),
    )
    source = Population("x", (1,), "input", ZERO, "none", ZERO, ZERO, ZERO, ZERO, np.ones(()), 0)
    weight = Linear("w", values(st.integers(-3, 3))[:, None])
    info = ModelInfo(timesteps=draw(st.integers(1, 6)), stage="integer")
    return IntegerNetwork((source, population), (Projection("x", "n", (weight,)),), ("n",), info)


@given(neurons(), st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_no_state_leaves_its_range(network: IntegerNetwork, random: object) -> None:
    population = network.by_name["n"]
    proved = state_range(network, population)
    weight = network.projections[0].operators[0].weight[:, 0]
    for neuron in range(population.size):
        threshold, minus, to, bias, decay = (
            int(population.broadcast(a)[neuron])
            for a in (
                population.threshold,
                population.reset_value,
                population.v_reset,
                population.bias,
                population.decay,
            )
        )
        low, high = int(proved.state.low[neuron]), int(proved.state.high[neuron])
        for _ in range(30):
            v = 0
            for _ in range(network.info.timesteps):
                x = random.choice([-128, 127, random.randint(-128, 127)])
                v = (1 if v >= 0 else -1) * (abs(v) * (DECAY_ONE - decay) >> 12) + int(weight[neuron]) * x + bias
                assert low <= v <= high
                if v > threshold and population.reset != "none":
                    v = v - minus if population.reset == "subtract" else to
                assert low <= v <= high
                assert abs(v) <= proved.partial
