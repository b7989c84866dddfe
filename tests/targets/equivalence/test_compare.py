"""Planted faults are found and located, and equal runs are called equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_networks
import specified
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integer_networks import images, integer_networks
from on_target import placed, recorded

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.ir.neuron import Subtract
from inflor.quant.operators import Conv, Flatten, Linear, Scale
from inflor.targets.cpu.emulator import states
from inflor.targets.equivalence import compare as equivalence


def small(rng, timesteps=4):
    threshold = rng.integers(300, 600, (3, 1, 1))
    made = [
        small_networks.population("input", (2, 5, 5), "input"),
        small_networks.population(
            "n1", (3, 5, 5), "spiking", threshold - 1, "subtract", 2 * threshold, bias=rng.integers(-9, 9, (3, 1, 1))
        ),
        small_networks.population("n2", (3, 5, 5), "spiking", 60, "subtract", 122, bias=rng.integers(-9, 9, (3, 1, 1))),
        small_networks.population("n3", (3, 5, 5), "spiking", 60, "zero", bias=-3),
        small_networks.population("out", (4,), "readout"),
    ]
    weight = rng.integers(-127, 128, (4, 75))
    projections = [
        Projection("input", "n1", (small_networks.conv(rng, 3, 2, low=-10, high=11),)),
        Projection("n1", "n2", (small_networks.conv(rng, 3, 3),)),
        Projection("n2", "n3", (small_networks.conv(rng, 3, 3),)),
        Projection("n1", "n3", (Scale("identity", rng.integers(20, 60, (3, 1, 1))),), exponent=1),
        Projection("n3", "out", (Flatten("f", 0, 2), Linear("readout", weight))),
    ]
    return small_networks.network(made, projections, timesteps), rng.integers(-128, 128, (3, 2, 5, 5)).astype(np.int8)


def on_cpu(network, inputs):
    plan = placed("cpu", network)
    return recorded("cpu", plan, inputs)


def with_population(network, name, **changes):
    made = tuple(p.with_rule(**changes) if p.name == name else p for p in network.populations)
    return IntegerNetwork(made, network.projections, network.outputs, network.info)


def with_weight_bit(network, operator_name, index, bit):
    def flipped(operator):
        if operator.name != operator_name or not isinstance(operator, Conv | Linear | Scale):
            return operator
        weight = operator.weight.copy()
        weight[index] ^= 1 << bit
        return replace(operator, weight=weight)

    made = tuple(replace(q, operators=tuple(map(flipped, q.operators))) for q in network.projections)
    return IntegerNetwork(network.populations, made, network.outputs, network.info)


def first_by_loop(network, one, two):
    """The first difference by the plainest loop there is."""
    for p in sorted(network.populations, key=lambda p: network.depth[p.name]):
        if p.role == "input":
            continue
        for t in range(network.info.timesteps):
            for neuron in np.ndindex(*p.shape):
                for sample in range(len(one[p.name])):
                    if one[p.name][(sample, t, *neuron)] != two[p.name][(sample, t, *neuron)]:
                        return p.name, t, neuron, sample
    return None


FAULTS = {
    "weight bit": lambda n: with_weight_bit(n, "identity", (1, 0, 0), 5),
    "threshold by one": lambda n: with_population(n, "n2", threshold=np.array(61)),
    "dropped bias": lambda n: with_population(n, "n2", bias=np.array(0)),
    "reset value": lambda n: with_population(n, "n2", reset=Subtract(np.array(61))),
    "readout weight": lambda n: with_weight_bit(n, "readout", (2, 7), 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_located(fault):
    network, inputs = small(np.random.default_rng(3))
    wrong = FAULTS[fault](network)
    result = equivalence.compare(network, {"cpu": on_cpu(network, inputs), "wrong": on_cpu(wrong, inputs)}, inputs)
    found = result.first_mismatch
    assert found is not None
    expected = first_by_loop(network, specified.run_all(network, inputs), specified.run_all(wrong, inputs))
    assert (found.population, found.timestep, found.neuron, found.sample) == expected
    right, bad = found.sides
    assert (right.target, bad.target) == ("cpu", "wrong")
    assert right.value == right.due != bad.value
    assert (right.a, right.v) == (bad.a, bad.v)
    if right.threshold is not None:
        assert (right.v > right.threshold) == bool(right.value)
    assert not result.equal
    assert "due is" in str(found)


def test_a_fault_of_the_emulators_products_is_blamed_on_the_emulator(monkeypatch):
    """What is due comes from the matrices: a fault where all products of the emulator are made does not touch it."""
    network = small_networks.network(
        [small_networks.population("input", (3,), "input"), small_networks.population("n", (2,), "spiking", 40)],
        [Projection("input", "n", (Linear("w", np.array([[3, -2, 1], [1, 1, 5]])),))],
        3,
    )
    inputs = np.array([[9, 7, 1], [-5, 3, 20]], np.int8)
    right = on_cpu(network, inputs)

    monkeypatch.setattr(Linear, "apply", lambda self, x, weight, bias=None: x @ (weight.T + 2))
    found = equivalence.compare(network, {"cpu": on_cpu(network, inputs), "right": right}, inputs).first_mismatch
    sides = {side.target: side for side in found.sides}
    assert sides["cpu"].value != sides["cpu"].due
    assert (
        sides["right"].value
        == sides["right"].due
        == specified.run(network, inputs[found.sample])["n"][(found.timestep, *found.neuron)]
    )


def test_equal_runs_are_equal():
    network, inputs = small(np.random.default_rng(3))
    result = equivalence.compare(network, {"one": on_cpu(network, inputs), "two": on_cpu(network, inputs)}, inputs)
    assert result.equal
    assert result.first_mismatch is None
    assert result.compared_spikes == 3 * 4 * 3 * 75
    assert [layer.name for layer in result.layers] == ["n1", "n2", "n3", "out"]
    assert all(layer.fired for layer in result.layers[:3])
    plain = result.as_dict()
    assert plain["equal"] is True
    assert plain["layers"][0]["agreement"] == 1.0


def test_what_cannot_be_compared_is_said():
    network, inputs = small(np.random.default_rng(3))
    with pytest.raises(InputError, match="two or more"):
        equivalence.check(network, ["cpu"], inputs)
    with pytest.raises(InputError, match="two or more"):
        equivalence.check(network, ["cpu", "cpu"], inputs)
    with pytest.raises(InputError, match="0 samples"):
        equivalence.check(network, ["cpu", "loihi"], inputs[:0])
    with pytest.raises(InputError, match="not of the same network"):
        equivalence.compare(network, {"a": on_cpu(network, inputs), "b": on_cpu(network, inputs[:1])}, inputs)


@given(integer_networks(delays=True, current=True, recurrent=True), st.booleans(), st.data())
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_a_spike_turned_round_is_the_first_mismatch_and_not_the_one_due(network, frames, data):
    """In networks with currents, cycles and delays, with everything that it may cause turned round as well."""
    inputs = images(network, 2, frames=frames)
    good = on_cpu(network, inputs)
    firing = [p for p in good.populations if p.kind != "readout"]
    chosen = data.draw(st.sampled_from(firing))
    step = data.draw(st.integers(0, network.info.timesteps - 1))
    packed = {name: values.copy() for name, values in good.packed.items()}
    packed[chosen.name][1, step, 0] ^= 1
    for p in firing:  # what it may cause: populations of later ranks, and those of its cycle in later steps
        rank, here = network.rank[p.name], network.rank[chosen.name]
        later = packed[p.name][1, 0 if rank > here else min(step + 1, network.info.timesteps) :]
        if rank > here or p.name in network.recurrent_with(chosen.name):
            later[:, 0] ^= 1
    bad = replace(good, packed=packed)
    found = equivalence.compare(network, {"good": good, "bad": bad}, inputs).first_mismatch
    at = (0,) * len(chosen.shape)
    assert (found.population, found.sample, found.timestep, found.neuron) == (chosen.name, 1, step, at)
    right, wrong = found.sides
    assert right.value == right.due
    assert wrong.value != wrong.due
    held = states(placed("cpu", network), inputs)[chosen.name]
    assert right.v == held.v[1, step][at]
    assert right.value == int(right.v > right.threshold)
