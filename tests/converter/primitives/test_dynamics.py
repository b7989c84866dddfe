"""Each NIR neuron's numbers, against loops that integrate NIR's equations one neuron and one step at a time."""

from __future__ import annotations

import math
from dataclasses import replace

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.dynamics import Dynamics, dynamics

NEURONS = 3
STEPS = 12


def graph_of(node: nir.NIRNode, metadata: dict[str, object] | None = None, **info: object) -> Graph:
    node.metadata = metadata or {}
    nodes = {"input": nir.Input(np.array([NEURONS])), "n": node, "output": nir.Output(np.array([NEURONS]))}
    made = nir.NIRGraph(nodes, [("input", "n"), ("n", "output")], type_check=False)
    made.metadata = {METADATA_KEY: ModelInfo(**info).to_json()}
    return validate(made, "x.nir")


def stepped(step: Dynamics, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(spikes, v after the reset) [T, N], by the equations in the docstring of Dynamics."""
    u, v, blocked = np.zeros(NEURONS), np.zeros(NEURONS), np.zeros(NEURONS, bool)
    spikes, potentials = [], []
    for arriving in a:
        before = u
        u = step.current_gain * arriving + (0 if step.current_keep is None else step.current_keep * u)
        moved = step.keep * v + step.gain * (before if step.late_current else u) + step.drift
        v = np.where(blocked, v, moved) if step.refractory else moved
        fired = np.zeros(NEURONS, bool)
        if step.threshold is not None:
            fired = v > step.threshold if step.strict else v >= step.threshold
        if step.reset == "subtract":
            v = v - step.reset_value * fired
        elif step.reset == "zero":
            v = np.where(fired, step.v_reset, v)
        blocked = fired
        spikes.append(fired)
        potentials.append(v)
    return np.array(spikes), np.array(potentials)


@st.composite
def cases(draw):
    """A primitive with parameters of its own per neuron, a convention, and inputs."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from([nir.IF, nir.LIF, nir.CubaLIF, nir.I, nir.LI, nir.CubaLI]))
    dt = draw(st.sampled_from([1.0, 0.25, 1e-4]))
    fields = {"r": rng.uniform(0.5, 2, NEURONS)}
    if kind in (nir.IF, nir.I):
        fields["r"] /= dt
    else:
        names = ["tau"] if kind in (nir.LIF, nir.LI) else ["tau_syn", "tau_mem"]
        fields |= {name: dt * rng.uniform(1, 6, NEURONS) for name in names}
        fields["v_leak"] = rng.uniform(-0.5, 0.5, NEURONS)
    if kind in (nir.CubaLIF, nir.CubaLI):
        fields["w_in"] = rng.uniform(0.5, 2, NEURONS)
    metadata: dict[str, object] = {}
    if kind in (nir.IF, nir.LIF, nir.CubaLIF):
        fields |= {"v_threshold": rng.uniform(0.2, 0.8, NEURONS), "v_reset": rng.uniform(-0.3, 0.1, NEURONS)}
        if draw(st.booleans()):
            metadata["reset"] = "subtract"
            if draw(st.booleans()):
                metadata["reset_value"] = rng.uniform(0.3, 1.5, NEURONS)
        metadata["refractory"] = draw(st.booleans())
    if kind in (nir.CubaLIF, nir.CubaLI):
        metadata["late_current"] = draw(st.booleans())
    integration = draw(st.sampled_from(["euler", "exponential"]))
    return kind, fields, metadata, {"dt": dt, "integration": integration}, rng.normal(0.5, 1.5, (STEPS, NEURONS))


def by_hand(kind, p, metadata, dt, integration, inputs):
    """One neuron: the equations of NIR, each moved by one step of dt with what drives it held."""
    u = v = 0.0
    blocked = False
    spikes, potentials = [], []

    def towards(x, goal, tau):
        return x + dt * (goal - x) / tau if integration == "euler" else goal + (x - goal) * math.exp(-dt / tau)

    for a in inputs:
        before = u
        u = towards(u, p["w_in"] * a, p["tau_syn"]) if "tau_syn" in p else a
        driven = before if metadata.get("late_current") else u
        if not (blocked and metadata.get("refractory")):
            if kind in (nir.IF, nir.I):
                v = v + dt * p["r"] * driven
            else:
                v = towards(v, p["v_leak"] + p["r"] * driven, p["tau"] if "tau" in p else p["tau_mem"])
        blocked = "v_threshold" in p and v > p["v_threshold"]
        if blocked:
            if metadata.get("reset") == "subtract":
                v -= p["reset_value"]
            else:
                v = p["v_reset"]
        spikes.append(blocked)
        potentials.append(v)
    return spikes, potentials


@settings(max_examples=200)
@given(case=cases())
def test_every_primitive_and_convention(case):
    kind, fields, metadata, info, a = case
    spikes, potentials = stepped(dynamics(graph_of(kind(**fields), metadata, **info), "n"), a)
    for neuron in range(NEURONS):
        p = {name: values[neuron] for name, values in fields.items()}
        if "v_threshold" in p:
            p["reset_value"] = metadata.get("reset_value", fields["v_threshold"])[neuron]
        expected, v = by_hand(kind, p, metadata, info["dt"], info["integration"], a[:, neuron])
        assert np.allclose(potentials[:, neuron], v, atol=1e-9)
        assert np.array_equal(spikes[:, neuron], expected)


def test_kinds_and_shapes():
    one = np.ones(1)
    for node, kind in (
        (nir.IF(one, one, one), "if"),
        (nir.LIF(one, one, one, one, one), "lif"),
        (nir.CubaLIF(one, one, one, one, one, one), "cuba_lif"),
        (nir.I(one), "readout"),
        (nir.LI(one, one, one), "readout"),
        (nir.CubaLI(one, one, one, one), "readout"),
        (nir.Threshold(one), "threshold"),
    ):
        step = dynamics(graph_of(node), "n")
        assert primitive(node).kind == kind
        assert (step.threshold is None) == (kind == "readout")
        assert (step.current_keep is None) == (not isinstance(node, nir.CubaLIF | nir.CubaLI))
        for array in (step.current_gain, step.keep, step.gain, step.drift, step.reset_value, step.v_reset):
            assert array.shape == (NEURONS,)
            assert array.dtype == np.float64


def test_a_threshold_keeps_nothing():
    threshold = np.array([0.0, 1.0, -1.0])
    a = np.array([[0.0, 1.0, -1.0], [0.5, 1.5, -0.5], [-1.0, 0.0, -2.0]])
    spikes, _ = stepped(dynamics(graph_of(nir.Threshold(threshold)), "n"), a)
    assert np.array_equal(spikes, a > threshold)


def test_firing_at_the_threshold():
    """The form in which the export writes v >= threshold: the float32 just below it, and the threshold itself."""
    reached = np.array([0.5, 1.0, 0.3], np.float32)
    below = np.nextafter(reached, np.float32(-np.inf))
    for node in (nir.IF(np.ones(3), below, np.zeros(3)), nir.Threshold(below)):
        step = dynamics(graph_of(node, {"threshold": reached}), "n")
        assert not step.strict
        assert np.array_equal(step.threshold, reached)
    step = dynamics(graph_of(nir.IF(np.ones(3), reached, np.zeros(3)), {"threshold": reached}), "n")
    assert step.strict


def test_gains_of_one_survive_float32():
    """snnTorch writes tau = dt / (1 - beta) and r = tau / dt, rounded, where it means a gain of 1."""
    dt = 1e-4
    beta = np.linspace(0.05, 0.99, NEURONS)
    tau = (dt / (1 - beta)).astype(np.float32)
    node = nir.CubaLIF(tau, tau, tau / np.float32(dt), np.zeros(NEURONS), np.ones(NEURONS), w_in=tau / np.float32(dt))
    step = dynamics(graph_of(node, dt=dt), "n")
    assert np.array_equal(step.gain, np.ones(NEURONS))
    assert np.array_equal(step.current_gain, np.ones(NEURONS))
    assert np.allclose(step.keep, beta, atol=1e-6)


def test_time_constants_of_whole_steps_survive_float32():
    """SpikingJelly fires at v = threshold exactly, which a decay off by 1e-8 would miss."""
    for dt in (1e-4, 1e-3):
        tau = (dt * np.array([2.0, 3.0, 10.0])).astype(np.float32)
        ones = np.ones(NEURONS)
        step = dynamics(graph_of(nir.LI(tau, ones, 0 * ones), dt=dt), "n")
        assert np.array_equal(step.keep, 1 - 1 / np.array([2.0, 3.0, 10.0]))
        assert np.array_equal(
            dynamics(graph_of(nir.LI(tau * 1.01, ones, 0 * ones), dt=dt), "n").keep > step.keep, [True] * 3
        )


def test_a_step_longer_than_a_time_constant():
    ones = np.ones(NEURONS)
    for field, node in (
        ("tau", nir.LI(ones / 2, ones, ones)),
        ("tau_syn", nir.CubaLI(ones / 2, ones, ones, ones)),
        ("tau_mem", nir.CubaLI(ones, ones / 2, ones, ones)),
    ):
        with pytest.raises(InputError, match=rf"x\.nir: node 'n' \(\w+\): {field} is 0\.5, shorter.*`dt`"):
            dynamics(graph_of(node), "n")
        graph = graph_of(node)
        step = dynamics(replace(graph, info=replace(graph.info, integration="exponential")), "n")
        assert np.allclose(step.keep if field != "tau_syn" else step.current_keep, math.exp(-2))


def test_what_has_no_dynamics():
    with pytest.raises(InputError, match=r"x\.nir: node 'n' \(Scale\)"):
        dynamics(graph_of(nir.Scale(np.ones(NEURONS))), "n")


def test_damaged_conventions():
    ones = np.ones(NEURONS)
    for key, value in (("refractory", "yes"), ("refractory", 2), ("late_current", np.ones(3, bool))):
        with pytest.raises(InputError, match=f"node 'n'.*{key}"):
            graph_of(nir.IF(ones, ones, ones), {key: value})
    with pytest.raises(InputError, match="node 'n' \\(IF\\): metadata 'late_current' has no meaning"):
        graph_of(nir.IF(ones, ones, ones), {"late_current": True})
    with pytest.raises(InputError, match="node 'n' \\(I\\): metadata 'refractory' has no meaning"):
        graph_of(nir.I(ones), {"refractory": True})
    with pytest.raises(InputError, match="'threshold' has shape"):
        graph_of(nir.IF(ones, ones, ones), {"threshold": np.ones(4)})
    with pytest.raises(InputError, match="integration is 'rk4'"):
        ModelInfo(integration="rk4")


def test_numbers_beyond_float32():
    ones = np.ones(NEURONS)
    with pytest.raises(InputError, match=r"x\.nir: node 'n' \(IF\): a step of dt = 1e\+10.*beyond float32"):
        dynamics(graph_of(nir.IF(1e30 * ones, ones, ones), dt=1e10), "n")
    with pytest.raises(InputError, match=r"x\.nir: node 'n' \(IF\): field 'v_reset' holds values beyond float32"):
        graph_of(nir.IF(ones, ones, -1e39 * ones))


def test_arrays_of_one_value_take_no_memory():
    """A population of an image's size: 40 million neurons, each as the other."""
    shape = (10, 2000, 2000)
    one = np.ones(1)
    nodes = {"input": nir.Input(np.array(shape)), "n": nir.CubaLIF(*[2 * one] * 6), "output": nir.Output(None)}
    made = object.__new__(nir.NIRGraph)
    made.nodes, made.edges, made.metadata = nodes, [("input", "n"), ("n", "output")], {}
    step = dynamics(validate(made, "x.nir"), "n")
    assert all(not any(array.strides) for array in vars(step).values() if isinstance(array, np.ndarray))
    assert step.keep.shape == shape
