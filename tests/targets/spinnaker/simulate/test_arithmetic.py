"""Numbers of a core against hand-worked values."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from integer_networks import images
from on_target import observed, placed, violated
from spinnaker_networks import on_cpu, on_spinnaker, population, recurrent, residual, source

from inflor.converter.errors import InputError
from inflor.converter.nir.metadata import ModelInfo
from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.operators import Linear
from inflor.targets.spinnaker.numbers import lower
from inflor.targets.spinnaker.simulate.arithmetic import ONE, State, fire, integrate, multiply


def two_layers(first, second, weight, timesteps=4, exponent=0):
    weight = np.asarray(weight)
    size = weight.shape[1]
    inputs = Projection("input", "n1", (Linear("w1", np.eye(size, dtype=np.int64)),))
    between = Projection("n1", "n2", (Linear("w2", weight),), exponent=exponent)
    populations = (source((size,)), first, second)
    return IntegerNetwork(
        populations,
        (inputs, between),
        ("n2",),
        ModelInfo(timesteps=timesteps, stage="integer"),
        input_bits=8,
        source="two",
    )


def test_products_are_truncated():
    exp_tc = round(math.exp(-1 / 20) * ONE)
    assert exp_tc == 31170  # as sPyNNaker writes it for tau = 20
    assert multiply(np.array([3 * ONE, -1, 1]), np.array([exp_tc] * 3)).tolist() == [93510, -1, 0]


def _neurons(model, **values):
    lowered = lower(residual()).populations[0].neurons
    full = {name: np.array([value], np.int64) for name, value in values.items()}
    zero = {n: np.zeros(1, np.int64) for n in ("reset_value", "v_reset", "bias", "drift", "exp_tc", "resistance")}
    defaults = {"threshold": np.array([ONE]), "reset": "subtract" if model == "srif" else "zero", **zero}
    return replace(lowered, model=model, unit=0, grain=0, **{**defaults, **full})


def _integrated(neurons, v, current, held=False):
    state = State(np.zeros(1, np.int64), np.array([v]), np.array([held]))
    wrapped = integrate(neurons, state, np.array([current]))
    return state, wrapped


def test_srif_takes_the_spikes_of_the_papers_figure_2():
    """Inputs (1.5, 1.2, 1.5, 0.9, 1.4) * theta: 3 spikes with SRIF (reset value 2 theta), 4 with hard reset."""
    theta = 10_000
    for model, wanted in (("srif", 3), ("if", 4)):
        neurons = _neurons(model, threshold=theta, reset_value=2 * theta)
        state, count = State.cleared(1), 0
        for factor in (1.5, 1.2, 1.5, 0.9, 1.4):
            integrate(neurons, state, np.array([round(factor * theta)]))
            spikes, _ = fire(neurons, state)
            count += int(spikes[0])
        assert count == wanted


def test_current_and_potential_decay_towards_zero_in_finest_units():
    """Units of 2**3 raw: u = trunc(-101 * 4000 / 4096) + 20 = -78, v = trunc(55 * 3000 / 4096) - 78 - 2 = -40."""
    neurons = replace(_neurons("cuba_lif", drift=-2 * 8), grain=3, keep=np.array([3000]), current_keep=np.array([4000]))
    state = State(np.array([-101 * 8]), np.array([55 * 8]), np.array([False]))
    integrate(neurons, state, np.array([20 * 8]))
    assert (state.u.tolist(), state.v.tolist()) == ([-78 * 8], [-40 * 8])


def test_a_refractory_neuron_leaves_out_the_step_after_a_spike():
    neurons = replace(_neurons("if", threshold=10), refractory=True)
    state, _ = _integrated(neurons, 3, 9, held=True)
    assert state.v.tolist() == [3]
    state, _ = _integrated(neurons, 3, 9)
    assert state.v.tolist() == [12]
    spikes, _ = fire(neurons, state)
    assert (spikes.tolist(), state.held.tolist(), state.v.tolist()) == ([True], [True], [0])


def test_stock_neurons():
    """IF is floored at its reset potential; LIF follows alpha - exp_tc * (alpha - v), each product truncated."""
    state, _ = _integrated(_neurons("stock_if", v_reset=-5), 3, -100)
    assert state.v.tolist() == [-5]
    neurons = _neurons("stock_lif", exp_tc=31170, resistance=20 * ONE, v_reset=-65 * ONE)
    alpha = ((2 * ONE * 20 * ONE) >> 15) - 65 * ONE
    before = -60 * ONE
    state, _ = _integrated(neurons, before, 2 * ONE)
    assert state.v.tolist() == [alpha - ((31170 * (alpha - before)) >> 15)]


def test_state_wraps_at_32_bits_and_is_counted():
    state, wrapped = _integrated(_neurons("if"), 2**31 - 1, 1)
    assert (state.v.tolist(), wrapped) == ([-(2**31)], 1)
    state, wrapped = _integrated(_neurons("if"), -(2**31), 0)
    assert (state.v.tolist(), wrapped) == ([-(2**31)], 0)


def test_a_ring_buffer_that_saturates_is_foretold_and_counted():
    """600 synapses of 127 and one of 1 into one neuron: 76,201 does not fit 16 bits, and 1 cannot shift."""
    weight = np.full((1, 601), 127)
    weight[0, 0] = 1
    first = population("n1", (601,), threshold=0, bias=1)
    network = two_layers(first, population("n2", (1,), threshold=70_000), weight)
    (violation,) = violated("spinnaker", network)
    assert not violation.fatal
    assert (violation.population, violation.number, violation.allowed) == ("n2", 76_201, 65_535)
    inputs = np.full((1, 601), 100, np.int8)
    got = on_spinnaker(placed("spinnaker", network), inputs)
    assert got.overflows["n2"] >= 1
    assert got.counts["n2"].tolist() != [4]


def test_weights_that_share_a_power_of_two_use_the_shift():
    weight = np.full((1, 600), 101)
    first = population("n1", (600,), threshold=0, bias=1)
    network = two_layers(first, population("n2", (1,), threshold=70_000), weight, exponent=2)
    assert not violated("spinnaker", network)
    lowered = lower(network).populations[1]
    assert lowered.shifts[0] == lowered.neurons.unit + 2
    assert lowered.bound[0] == 60_600
    inputs = np.full((1, 600), 100, np.int8)
    got = on_spinnaker(placed("spinnaker", network), inputs)
    np.testing.assert_array_equal(got.spikes("n2"), on_cpu(network, inputs).spikes("n2"))
    assert got.counts["n2"].tolist() == [4]


def test_what_cannot_be_lowered_is_refused():
    network = residual()
    with pytest.raises(InputError, match=r"n1.*reset subtract.*custom"):
        placed("spinnaker", network, neurons="stock")
    huge = tuple(replace(q, exponent=20) if q.target == "n2" else q for q in network.projections)
    with pytest.raises(InputError, match=r"n2.*bits of state"):
        placed("spinnaker", replace(network, projections=huge))


def test_a_full_spike_buffer_and_a_late_tick_are_counted():
    """300 packets in one tick: 44 are lost; and 301,100 instructions for packets alone are more than a tick has."""
    first = population("n1", (300,), threshold=0, bias=1)
    network = two_layers(first, population("n2", (1,), threshold=1000), np.full((1, 300), 4), timesteps=2)
    inputs = np.full((1, 300), 100, np.int8)
    plan = placed("spinnaker", network, time_scale=1)
    assert not plan.summary()["violations"]
    met = on_spinnaker(plan, inputs).run["plan"]
    assert met["dropped_packets"] == 2 * 44
    assert met["late_ticks"] == 2
    assert met["first_drop"]["population"] == "n2"
    assert met["most_instructions"]["number"] == 1100 * 256 + 25 * 256 + 120
    packets, instructions = met["violations"]
    assert "'n2': packets to a core in one tick 300, allowed is 256; give `time_scale=2`" in packets
    assert "'n2': instructions of a core in one tick 288120, allowed is 200000; give `time_scale=2`" in instructions
    met = on_spinnaker(placed("spinnaker", network), inputs).run["plan"]
    assert (met["dropped_packets"], met["late_ticks"]) == (0, 0)
    assert met["time_scale"] == 2
    assert not met["violations"]
    assert met["most_packets"]["number"] == 300


def test_stock_if_equals_the_reference_where_it_stays_above_its_reset():
    rng = np.random.default_rng(0)
    first = population("n1", (9,), threshold=100, reset="zero", bias=130)
    second = population("n2", (4,), threshold=200, reset="zero")
    network = two_layers(first, second, rng.integers(0, 90, (4, 9)))
    inputs = images(network, 5)
    assert not violated("spinnaker", network, neurons="stock")
    lower_bias = two_layers(population("n1", (9,), threshold=100, reset="zero"), second, rng.integers(0, 90, (4, 9)))
    violations = violated("spinnaker", lower_bias, neurons="stock")
    assert [(v.population, v.limit, v.fatal) for v in violations] == [("n1", "lowest potential", False)]
    got = on_spinnaker(placed("spinnaker", network, neurons="stock"), inputs)
    np.testing.assert_array_equal(got.spikes("n2"), on_cpu(network, inputs).spikes("n2"))


def test_stock_neurons_have_no_current_of_ours_and_no_refractory_step():
    found = [(v.population, v.limit) for v in violated("spinnaker", recurrent(), neurons="stock") if v.fatal]
    assert found == [("n1", "refractory step"), ("n2", "reset"), ("n2", "synaptic current")]


def test_observe_shows_input_and_potential():
    network = residual()
    inputs = images(network, 3)
    plan = placed("spinnaker", network, neurons_per_core=50)
    potentials = on_cpu(network, inputs).outputs["out"].reshape(3, 4, 5)
    for step in (1, 3):
        a, v = observed("spinnaker", plan, inputs, "out", 2, step, (4,))
        assert v == potentials[2, step, 4]
        assert a == potentials[2, step, 4] - potentials[2, step - 1, 4]
