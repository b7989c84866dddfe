"""What rounding lost is made up for, and nothing fires that is silent in float; constants below a unit are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import float_graphs as build
import nir
import numpy as np
import pytest

from inflor.converter.nir.graph import Graph
from inflor.quant.fix import biases
from inflor.quant.fix.neurons import read_neuron
from inflor.quant.fix.options import Options
from inflor.quant.fix.pipeline import quantize
from inflor.targets.equivalence.compare import check
from inflor.targets.running import run

STEPS = 60


def over_time(nodes: dict[str, nir.NIRNode]) -> Graph:
    graph = build.graph_of(nodes)
    return replace(graph, info=replace(graph.info, timesteps=STEPS, encoding="frames", says_timesteps=True))


def events(rate: float, width: int, samples: int = 16, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((samples, STEPS, width)) < rate).astype(np.float32)


def without_biases(neuron: Any, seed: int = 0) -> Graph:
    rng = np.random.default_rng(seed)
    nodes = {"input": build.source((32,)), "fc1": nir.Linear(rng.normal(0.05, 0.3, (24, 32))), "n1": neuron(24)}
    nodes |= {"fc2": nir.Linear(rng.normal(0.05, 0.3, (4, 24))), "n2": neuron(4), "output": build.sink((4,))}
    return over_time(nodes)


def integrate(n: int) -> nir.IF:
    return nir.IF(r=np.ones(n), v_threshold=np.ones(n), v_reset=np.zeros(n))


def leak(n: int) -> nir.LIF:
    return nir.LIF(*(v * np.ones(n) for v in (20.0, 20.0, 0.0, 1.0)), v_reset=np.zeros(n))


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("neuron", [integrate, leak])
def test_a_network_without_biases_is_silent_on_silence(neuron: Any, bits: int) -> None:
    """It was a pacemaker: 1,968 spikes at 4 bits. Its rates are met all the same, by how its weights are rounded."""
    network, report = quantize(without_biases(neuron), events(0.3, 32), options=Options(bits=bits))
    silent = run(network, "cpu", np.zeros((2, STEPS, 32), np.float32), keep_spikes=True)
    for layer in report.layers:
        assert not silent.spikes(layer.population).any()
        assert layer.rest_rate_integer == layer.rest_rate_float == 0
        assert layer.spike_rate_integer == pytest.approx(layer.spike_rate_float, rel=0.02 if bits == 8 else 0.15)


def test_a_neuron_that_drifts_in_float_may_be_corrected() -> None:
    graph = over_time(
        {
            "input": build.source((32,)),
            "fc": nir.Affine(np.random.default_rng(0).normal(0.05, 0.3, (24, 32)), np.full(24, 0.1)),
            "n": integrate(24),
            "output": build.sink((24,)),
        }
    )
    network, report = quantize(graph, events(0.3, 32), options=Options(bits=3))
    (layer,) = report.layers
    assert layer.rest_rate_float > 0.05
    assert layer.spike_rate_integer == pytest.approx(layer.spike_rate_float, rel=0.05)
    assert layer.rest_rate_integer == pytest.approx(layer.rest_rate_float, abs=1.5 / STEPS)
    plain = quantize(graph, events(0.3, 32), options=Options(bits=3, correct_bias=False))[0]
    assert (network.by_name["n"].rule.bias != plain.by_name["n"].rule.bias).any()


def test_a_correction_stays_below_what_fires_and_is_as_free_down_as_up() -> None:
    neuron = read_neuron(without_biases(leak), "n2")
    silent = biases.largest_silent(neuron, STEPS)
    assert silent == pytest.approx(1 / 20 / (1 - (19 / 20) ** STEPS) / 1, rel=1e-9)
    unit, missing = np.full(4, 1e-3), np.array([1.0, -1.0, 0.01, -0.01])
    found = biases.corrected(neuron, np.zeros(4), missing, STEPS, unit)
    room = silent[0] - 1e-3
    assert found == pytest.approx([room, -room, 0.01, -0.01])
    assert not biases.corrected(read_neuron(without_biases(integrate), "n2"), np.zeros(4), missing, STEPS, unit).any()


def test_the_largest_silent_input_of_a_synaptic_current() -> None:
    ones = np.ones(1)
    cuba = nir.CubaLIF(5 * ones, 8 * ones, 8 * ones, 0.2 * ones, ones, 0 * ones, w_in=5 * ones)
    graph = over_time(
        {"input": build.source((1,)), "fc": nir.Linear(np.ones((1, 1))), "n": cuba, "output": build.sink((1,))}
    )
    neuron = read_neuron(graph, "n")
    largest = biases.largest_silent(neuron, STEPS)

    def peak(constant: float) -> float:
        u = v = 0.0
        most = -np.inf
        for _ in range(STEPS):
            u = (1 - neuron.current_decay[0]) * u + constant
            v = (1 - neuron.decay[0]) * v + u + neuron.drift[0]
            most = max(most, v)
        return most

    assert peak(largest[0]) == pytest.approx(neuron.threshold[0])


def test_a_pacemaker_beside_a_strong_weight_keeps_its_pace() -> None:
    """Its leak potential is a third of a unit a step: rounded away, it fell silent. Now the rest is a drift."""
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 6, (8, 16))
    weight[0] = 0
    weight[0, 15] = 400
    leaking = np.where(np.arange(8) == 0, 1.3, 0.0)
    neurons = nir.LIF(np.full(8, 20.0), np.ones(8), leaking, np.ones(8), v_reset=np.zeros(8))
    graph = over_time(
        {"input": build.source((16,)), "fc": nir.Linear(weight), "n": neurons, "output": build.sink((8,))}
    )
    x = events(0.1, 16)
    x[:, :, 15] = 0
    x[0, 50, 15] = 1
    network, report = quantize(graph, x)
    rule = network.by_name["n"].rule
    assert np.ravel(rule.drift)[0]
    record = run(network, "cpu", np.zeros((1, STEPS, 16), np.float32), keep_spikes=True)
    v, due = 0.0, 0
    for _ in range(STEPS):
        v += (1.3 - v) / 20
        if v > 1:
            v, due = 0.0, due + 1
    assert record.spikes("n")[0, :, 0].sum() == due > 0
    assert report.layers[0].silenced == 0
    same = check(network, ["cpu", "loihi", "spinnaker"], network.quantize_input(x[:2]))
    assert same.equal


def test_integrators_keep_a_bias_below_a_unit() -> None:
    """An IF with a bias far below its strongest weight's unit fires every hundred steps, not never."""
    weight = np.zeros((2, 3))
    weight[:, 0] = 10000.0
    nodes = {"input": build.source((3,)), "fc": nir.Affine(weight, np.array([0.053, 0.0])), "n": integrate(2)}
    graph = over_time({**nodes, "output": build.sink((2,))})
    x = events(0.02, 3)
    network, report = quantize(graph, x)
    record = run(network, "cpu", np.zeros((1, STEPS, 3), np.float32), keep_spikes=True)
    assert record.spikes("n")[0].sum(0).tolist() == [STEPS // 20, 0]
    assert report.layers[0].rest_rate_integer == pytest.approx(report.layers[0].rest_rate_float, abs=0.01)
    assert check(network, ["cpu", "loihi", "spinnaker"], network.quantize_input(x[:2])).equal
