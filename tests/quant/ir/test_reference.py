"""The executable specification against the paper, tables by hand, and currents that are added up tap by tap."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import operator_loops
import pytest
import small_networks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integer_networks import images, integer_networks

from inflor.quant import file
from inflor.quant.ir import reference
from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.ir.neuron import ZERO, NeuronRule, SetTo, Subtract
from inflor.quant.ir.reference import State, keep, step
from inflor.quant.operators import Linear


def numbers(**changes: Any) -> NeuronRule:
    return NeuronRule(**{n: np.asarray(v) if type(v) is int and n[-4:] != "bits" else v for n, v in changes.items()})


def spikes_of(rule: NeuronRule, inputs: list[int]) -> list[int]:
    state, fired = State(), []
    for a in inputs:
        state = step(rule, state, a)
        fired.append(state.spike)
    return fired


def test_the_spikes_of_the_papers_second_figure() -> None:
    """InfLoR, Figure 2: (1.5, 1.2, 1.5, 0.9, 1.4) thetas, here in tenths; a spike takes 2 thetas off."""
    inputs = [15, 12, 15, 9, 14]
    assert sum(spikes_of(numbers(threshold=9, reset=Subtract(np.asarray(20))), inputs)) == 3
    assert sum(spikes_of(numbers(threshold=9, reset=SetTo(ZERO)), inputs)) == 4
    assert sum(spikes_of(numbers(threshold=9, reset=Subtract(np.asarray(10))), inputs)) == 5


@pytest.mark.parametrize(
    ("rule", "inputs", "expected"),
    [
        # u, v, spike, after; worked out by hand
        (numbers(threshold=5, reset=SetTo(np.asarray(-2))), [5, 1, 9], [(5, 5, 0, 5), (1, 6, 1, -2), (9, 7, 1, -2)]),
        (numbers(threshold=5), [6, 1], [(6, 6, 1, 6), (1, 7, 1, 7)]),
        # half is lost, towards zero: -5 keeps -2; one fraction bit doubles what arrives and the threshold
        (numbers(threshold=9, decay=2048), [-5, 0], [(-5, -5, 0, -5), (0, -2, 0, -2)]),
        (numbers(threshold=2, decay=2048, fraction_bits=1), [2, 1], [(4, 4, 0, 4), (2, 4, 0, 4)]),
        (numbers(threshold=2, fraction_bits=1, drift=1), [2], [(4, 5, 1, 5)]),
        (numbers(decay=1 << 15, decay_bits=15, threshold=3), [3, 4], [(3, 3, 0, 3), (4, 4, 1, 4)]),
        # the current goes on in the lost step, which adds neither current nor drift, and fires from what was kept
        (
            numbers(threshold=3, reset=Subtract(np.asarray(4)), current_decay=2048, refractory=True, drift=1),
            [9, 4, 0],
            [(9, 10, 1, 6), (8, 6, 1, 2), (4, 2, 0, 2)],
        ),
        (
            numbers(threshold=3, reset=SetTo(ZERO), current_decay=0, refractory=True),
            [4, 1, 0],
            [(4, 4, 1, 0), (5, 0, 0, 0), (5, 5, 1, 0)],
        ),
    ],
)
def test_steps_worked_out_by_hand(rule: NeuronRule, inputs: list[int], expected: list[tuple[int, ...]]) -> None:
    state = State()
    for a, after in zip(inputs, expected, strict=True):
        state = step(rule, state, a)
        assert state == after


def test_a_readout_never_fires() -> None:
    assert step(numbers(threshold=0), State(), 7, fires=False) == (7, 7, 0, 7)


@given(st.integers(-(1 << 40), 1 << 40), st.integers(0, 24), st.data())
def test_what_a_decay_leaves_is_truncated_towards_zero(x: int, bits: int, data: st.DataObject) -> None:
    decay = data.draw(st.integers(0, 1 << bits))
    exact = x * ((1 << bits) - decay)  # over 2**bits
    assert abs(keep(x, decay, bits)) << bits <= abs(exact) < (abs(keep(x, decay, bits)) + 1) << bits
    assert keep(x, decay, bits) * x >= 0


@given(integer_networks(delays=True, current=True, recurrent=True), st.booleans())
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_currents_are_what_the_operators_add_up_tap_by_tap(network: IntegerNetwork, frames: bool) -> None:
    (sample,) = images(network, 1, frames=frames)
    states = reference.run(network, sample)
    steps = network.info.timesteps
    sent = {"input": np.broadcast_to(sample, (steps, *network.inputs[0].shape)).astype(object)}
    for name, found in states.items():
        shape = (steps, *network.by_name[name].shape)
        sent[name] = np.array([[s.spike for s in neurons] for neurons in found], object).reshape(shape)
    for population in network.populations[1:]:
        for t in range(steps):
            a = np.zeros(population.shape, object) + population.rule.bias
            for q in network.incoming[population.name]:
                if t >= q.delay:
                    x = sent[q.source][t - q.delay]
                    for operator in q.operators:
                        x = operator_loops.operate(operator, x)
                    a = a + x * 2**q.exponent
            if population.rule.current_decay is None:
                u = [s.u for s in states[population.name][t]]
                assert u == [v << population.rule.fraction_bits for v in a.flat]


def test_it_runs_from_the_file_alone(tmp_path: Path) -> None:
    """A bias acts from the first step, a spike through a delay arrives later, weights beyond int64 do not wrap."""
    one = np.ones((1, 1), np.int64)
    made = small_networks.network(
        [
            small_networks.population("input", (1,), "input"),
            small_networks.population("n", (1,), "spiking", 3, "subtract", 4, bias=2),
            small_networks.population("out", (1,), "readout", bias=1),
        ],
        [
            Projection("input", "n", (Linear("w", one),)),
            Projection("n", "out", (Linear("v", 5 * one),), exponent=2, delay=1),
        ],
        4,
    )
    path = tmp_path / "small.int.nir"
    file.write(path, replace(made, info=replace(made.info, stage="integer")))
    states = reference.run(file.read(path), np.array([1], np.int8))
    assert [s.spike for (s,) in states["n"]] == [0, 1, 1, 1]  # v: 3, 6, 5, 4; it rests at 3, 2, 1, 0
    assert [s.v for (s,) in states["out"]] == [1, 2, 23, 44]


def test_sums_beyond_64_bits_do_not_wrap() -> None:
    big = reference.Synapses("x", 0, [(0, 127 << 62), (1, 127 << 62)])
    assert reference.current(1, [big], {"x": [[127, 127]]}, 0) == (127 * 127 << 63) + 1
    assert step(numbers(threshold=1), State(), 1 << 70).spike == 1


@pytest.mark.parametrize("name", ["step", "keep", "reset", "current", "received", "arriving_at", "run"])
def test_the_documentation_shows_the_code_itself(name: str) -> None:
    page = Path(__file__).parents[3] / "docs" / "integer-network.md"
    assert f"```python\n{inspect.getsource(getattr(reference, name))}```" in page.read_text()
