"""What is proved about guard steps holds from any state within the proof: nothing fires, no current wraps."""

from __future__ import annotations

import numpy as np
import small_networks
from hypothesis import given
from hypothesis import strategies as st

from inflor.quant.ir.ranges import Interval, StateRange
from inflor.targets.loihi.layout.guard import repeated_input, silence_holds
from inflor.targets.loihi.numbers import FORGET, keep
from inflor.targets.loihi.plan import SILENCE, LayoutOptions, Plan

NEURONS, ACTIVE = 200, 2


def interval(peak):
    return Interval(np.array([-peak]), np.array([peak]))


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 5),
    st.sampled_from((0, 1, 700, 4095, FORGET)),
    st.sampled_from((0, 1, 700, FORGET)),
    st.sampled_from((0, 100, 30_000)),
    st.integers(0, 4_000_000),
    st.integers(0, 60_000),
)
def test_silence(seed, steps, current_decay, decay, drift, peak, arriving):
    """peak, of u, in 1/64 of a unit; arriving, of a, in units. The worst that can come is drawn as often as others."""
    rng = np.random.default_rng(seed)
    neurons = small_networks.population("n", (NEURONS,), "spiking", 100, "zero", 0)
    neurons = neurons.with_rule(fraction_bits=6, drift=np.array(drift), decay=np.array(decay))
    state = StateRange(
        population="n",
        current=interval(arriving),
        synaptic=interval(peak),
        state=interval(peak),
        current_partial=arriving,
        partial=peak,
    )
    if not silence_holds(neurons, state, steps, False):
        return

    def anything(peak):
        return rng.choice([-peak, peak, 0, *rng.integers(-peak, peak + 1, 3)], NEURONS)

    period = ACTIVE + steps
    plan = Plan((), (), (), period, ACTIVE, period, LayoutOptions())
    zeros = np.zeros(NEURONS, np.int64)
    pushed, _ = repeated_input(plan, 0, zeros, zeros, SILENCE, np.full(NEURONS, current_decay))
    u, v = anything(peak), np.minimum(anything(1 << 22), 100 << 6)
    for step in range(ACTIVE, period):
        u = keep(u, np.array(current_decay)) + ((anything(arriving) + pushed[:, step]) << 6)
        assert u.min() > -(1 << 23)
        v = np.maximum(keep(v, np.array(decay)) + u + drift, 1 - (1 << 23))
        assert v.max() <= 100 << 6


def test_the_bias_comes_at_the_steps_that_count_and_the_first_value_once():
    plan = Plan((), (), (), 5, 3, 5, LayoutOptions())
    bias, first, none = np.array([7, -2]), np.array([100, 0]), np.zeros(2, np.int64)
    assert repeated_input(plan, 0, bias, first, 0, none)[0].tolist() == [[107, 7, 7, 0, 0], [-2, -2, -2, 0, 0]]
    assert repeated_input(plan, 2, bias, first, 0, none)[0].tolist() == [[0, 0, 107, 7, 7], [0, 0, -2, -2, -2]]
    forgetful, start = repeated_input(plan, 4, bias, none, SILENCE, np.array([0, FORGET]))
    assert forgetful.tolist() == [[7, 7, -SILENCE, 0, 7], [-2, -2, -SILENCE, -SILENCE, -2]]
    assert start.tolist() == [0, 0]


def test_what_begins_in_the_midst_of_a_guard_is_pushed_down_already():
    """Step by step, what is driven from there on has the current that it has at the same phase of later periods."""
    zeros, forgets = np.zeros(3, np.int64), np.array([0, 700, FORGET])
    plan = Plan((), (), (), 8, 4, 8, LayoutOptions())
    for depth in range(9):
        pattern, u = repeated_input(plan, depth, zeros, zeros, SILENCE, forgets)
        currents = []
        for step in range(16):
            phase = (step - depth) % 8
            u = np.zeros(3, np.int64) if phase == 0 else keep(u, forgets) + (pattern[:, step % 8] << 6)
            currents.append(u)
        np.testing.assert_array_equal(currents[:8], currents[8:])
        assert all((u <= -SILENCE << 6).all() for t, u in enumerate(currents) if (t - depth) % 8 >= 4)
