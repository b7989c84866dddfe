"""Proved ranges of populations that fire, leak and reset, against a loop that tries extreme and random inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_networks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integer_networks import integer_networks

from inflor.converter.errors import InputError
from inflor.converter.nir.metadata import ModelInfo
from inflor.quant.ir import ranges
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.neuron import DECAY_BITS, ZERO, NeuronRule, SetTo, Subtract
from inflor.quant.ir.ranges import state_range
from inflor.quant.operators import Linear

DECAY_ONE = 1 << DECAY_BITS


@st.composite
def neurons(draw: st.DrawFn) -> IntegerNetwork:
    """One input of 8 bits into a few neurons with parameters of their own."""
    size, small = draw(st.integers(1, 3)), st.integers(-300, 300)

    def values(of: st.SearchStrategy[int]) -> np.ndarray:
        return np.array([draw(of) for _ in range(size)], np.int64)

    reset = draw(st.sampled_from(["subtract", "zero", "none"]))
    threshold = values(small)
    resets = {"subtract": Subtract(values(st.integers(0, 900))), "zero": SetTo(values(small)), "none": None}
    rule = NeuronRule(
        threshold=threshold,
        reset=resets[reset],
        bias=values(small),
        decay=values(st.sampled_from([0, 1, 700, 2048, 4095, 4096])) if draw(st.booleans()) else ZERO,
    )
    role = "readout" if reset == "none" else "spiking"
    population = Population(name="n", shape=(size,), role=role, rule=rule, scale=np.ones(()))
    source = Population(name="x", shape=(1,), role="input", scale=np.ones(()), weight_bits=0)
    weight = Linear("w", values(st.integers(-3, 3))[:, None])
    info = ModelInfo(timesteps=draw(st.integers(1, 6)), stage="integer")
    return IntegerNetwork((source, population), (Projection("x", "n", (weight,)),), ("n",), info)


@given(neurons(), st.randoms(use_true_random=False))
@settings(max_examples=400)
def test_no_state_leaves_its_range(network: IntegerNetwork, random: object) -> None:
    population = network.by_name["n"]
    proved = state_range(network, population)
    weight = network.projections[0].operators[0].weight[:, 0]
    for neuron in range(population.size):
        threshold, minus, to, bias, decay = (
            int(population.broadcast(a)[neuron])
            for a in (
                population.rule.threshold,
                population.rule.reset_value,
                population.rule.v_reset,
                population.rule.bias,
                population.rule.decay,
            )
        )
        low, high = int(proved.state.low[neuron]), int(proved.state.high[neuron])
        for _ in range(30):
            v = 0
            for _ in range(network.info.timesteps):
                x = random.choice([-128, 127, random.randint(-128, 127)])
                v = (1 if v >= 0 else -1) * (abs(v) * (DECAY_ONE - decay) >> 12) + int(weight[neuron]) * x + bias
                assert low <= v <= high
                if v > threshold and population.rule.reset_kind != "none":
                    v = v - minus if population.rule.reset_kind == "subtract" else to
                assert low <= v <= high
                assert abs(v) <= proved.partial


@pytest.mark.parametrize(("bias", "decay"), [(1 << 39, 0), (1 << 39, 1)])
def test_what_int64_cannot_hold_is_refused(bias: int, decay: int) -> None:
    rule = NeuronRule(bias=np.asarray(bias), decay=np.asarray(decay), decay_bits=24, fraction_bits=16)
    neurons = Population(name="n", shape=(1,), role="readout", rule=rule, scale=np.ones(()))
    network = IntegerNetwork((neurons,), (), ("n",), ModelInfo(timesteps=1000, stage="integer"), 8, "large.int.nir")
    with pytest.raises(InputError, match=r"large\.int\.nir: population 'n': .*61 bits"):
        state_range(network, neurons)
    assert state_range(replace(network, info=ModelInfo(timesteps=1)), neurons.with_rule(bias=np.asarray(1 << 19)))


@given(integer_networks(current=True, recurrent=True), st.integers(1, 4))
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_steps_that_are_not_followed_stay_within_what_is_said_of_them(network: IntegerNetwork, followed: int) -> None:
    """The bound of the later steps at once holds what following all of them gives."""
    long = replace(network, info=replace(network.info, timesteps=12))
    exact = ranges.state_ranges(long)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "FOLLOWED_STEPS", followed)
        bound = ranges.state_ranges(long)
    for name, known in exact.items():
        pairs = [(known.state, bound[name].state), (known.synaptic, bound[name].synaptic)]
        for inner, outer in pairs:
            if inner is not None:
                assert (outer.low <= inner.low).all()
                assert (outer.high >= inner.high).all()


def test_a_million_steps_are_not_followed_one_by_one() -> None:
    network = small_networks.network(
        [small_networks.population("x", (1,), "input"), small_networks.population("sum", (1,), "readout")],
        [Projection("x", "sum", (Linear("w", np.array([[3]])),))],
        1_000_000,
    )
    proved = state_range(network, network.by_name["sum"])
    assert 3 * 127 * 1_000_000 <= proved.state.high[0] <= 3 * 127 * 1_000_000 + 1_000_000
