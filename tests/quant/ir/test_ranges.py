"""Proved ranges of populations that fire, leak and reset, against a loop that tries extreme and random inputs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import small_networks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integer_networks import integer_networks
from on_target import placed

from inflor.converter.errors import InputError
from inflor.converter.nir.metadata import ModelInfo
from inflor.quant.ir import ranges
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.neuron import DECAY_BITS, ZERO, NeuronRule, SetTo, Subtract
from inflor.quant.ir.ranges import state_range
from inflor.quant.operators import Flatten, Linear, Operator, SumPool, unrolled
from inflor.quant.run.kernel import exact_dtype

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
    network = IntegerNetwork(
        (neurons,), (), ("n",), ModelInfo(timesteps=1000, stage="integer"), input_bits=8, source="large.int.nir"
    )
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


def one_neuron(shape: tuple[int, ...], operators: tuple[Operator, ...], exponent: int, sources: int = 1):
    populations = [small_networks.population("x", shape, "input"), small_networks.population("n", (1,))]
    projections = [
        Projection("x", "n", tuple(replace(op, name=f"{op.name}{i}") for op in operators), exponent=exponent)
        for i in range(sources)
    ]
    return replace(small_networks.network(populations, projections, 1), source="large.int.nir")


def test_a_sum_beyond_int64_is_refused_and_not_wrapped() -> None:
    """127 * 128 * 132,622 << 33 is a little above 2**64: in int64 it was a small number, of "58 bits"."""
    network = one_neuron((132_622,), (Linear("w", np.full((1, 132_622), 127)),), 33)
    with pytest.raises(InputError, match=r"large\.int\.nir: population 'n': .*'x' may need 66 bits"):
        state_range(network, network.by_name["n"])
    with pytest.raises(InputError, match="population 'n'"):
        placed("cpu", network)


def test_sums_of_several_projections_are_refused_and_not_wrapped() -> None:
    """Four times 2**61, each of which int64 holds."""
    network = one_neuron((1,), (Linear("w", np.array([[64]])),), 48, sources=4)
    with pytest.raises(InputError, match="population 'n'"):
        state_range(network, network.by_name["n"])


@given(
    st.lists(st.integers(-128, 128), min_size=1, max_size=6),
    st.lists(st.integers(1, 1 << 20), max_size=4),
    st.integers(0, 62),
    st.integers(1, 3),
)
@settings(max_examples=300)
def test_what_is_proved_holds_in_whole_numbers(
    weights: list[int], windows: list[int], exponent: int, sources: int
) -> None:
    """Pools over all of a map, weights, an exponent: the very ends in Python's integers, or refused for their size."""
    shape = (len(weights), math.prod(windows))
    pools = [SumPool(f"p{i}", (window,), (window,), (0,)) for i, window in enumerate(windows)]
    network = one_neuron(shape, (*pools, Flatten("f", 0, 1), Linear("w", np.array([weights]))), exponent, sources)
    factor = sources * shape[1] << exponent
    most = factor * sum(w * (127 if w > 0 else -128) for w in weights)
    least = factor * sum(w * (-128 if w > 0 else 127) for w in weights)
    try:
        proved = state_range(network, network.by_name["n"])
    except InputError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert "population 'n'" in refusal
        assert factor * 128 * 128 * len(weights) >= 1 << 60
        return
    assert (int(proved.state.low[0]), int(proved.state.high[0])) == (min(least, 0), max(most, 0))
    assert proved.partial >= max(most, -least)


def test_a_product_of_matrices_beyond_int64_is_refused() -> None:
    """Each pool counts every value 2**16 times and more."""
    pool = SumPool("p", (1 << 16,), (1,), (1 << 15,))
    chain = tuple(replace(pool, name=f"p{i}", padding=(1 << 15,)) for i in range(5))
    with pytest.raises(InputError, match="'p3'"):
        unrolled(chain, (1, 1))


def test_no_format_holds_more_than_int64() -> None:
    with pytest.raises(OverflowError, match="64 bits"):
        exact_dtype(1 << 63)


@pytest.mark.parametrize(("to", "fraction_bits"), [(1 << 48, 16), (1 << 50, 14), (-(1 << 62), 1)])
def test_a_reset_beyond_int64_is_not_proved_small(to: int, fraction_bits: int) -> None:
    """v_reset << f wrapped around: 39 and 37 bits were proved."""
    reset = SetTo(np.array(to))
    fires = small_networks.population("n", (1,), threshold=3).with_rule(reset=reset, fraction_bits=fraction_bits)
    links = [Projection("input", "n", (Linear("w", np.array([[1]])),))]
    network = small_networks.network([small_networks.population("input", (1,), "input"), fires], links, 3)
    with pytest.raises(InputError, match="'n'"):
        state_range(network, fires)
