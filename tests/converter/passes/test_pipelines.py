"""Reading a graph by a framework's conventions: the float executor against loops that step as the framework does.

The exporters' formulas and the steps are those that were found by running the frameworks (docs/nir.md); tests/peers
runs the frameworks themselves.
"""

from __future__ import annotations

import math

import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.frameworks import FRAMEWORKS
from inflor.converter.nir.graph import Graph, reset_of
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.passes.conventions import Conventions
from inflor.converter.passes.pipelines import validate_by
from inflor.converter.primitives.dynamics import dynamics
from inflor.converter.simulate.execute import run

N = 4
STEPS = 15


def graph_of(neuron: nir.NIRNode, recurrent: np.ndarray | None = None, info: ModelInfo | None = None) -> nir.NIRGraph:
    nodes = {"input": nir.Input(np.array([N])), "n": neuron, "output": nir.Output(None)}
    edges = [("input", "n"), ("n", "output")]
    if recurrent is not None:
        nodes["w"] = nir.Affine(recurrent, np.full(N, 0.125, np.float32))
        edges += [("n", "w"), ("w", "n")]
    graph = object.__new__(nir.NIRGraph)
    graph.nodes, graph.edges, graph.metadata = nodes, edges, {METADATA_KEY: info.to_json()} if info else {}
    return graph


def read(graph: nir.NIRGraph, **given: object) -> Graph:
    conventions = Conventions(**given)
    return validate_by(graph, "x.nir", conventions)


def full(value: float) -> np.ndarray:
    return np.full(N, value, np.float32)


def snntorch(kind, beta, alpha, threshold, recurrent):
    """Exporter: dt = 1e-4, tau = dt / (1 - beta), r = tau / dt, in float32."""
    dt, tau = np.float32(1e-4), np.float32(1e-4) / (1 - full(beta))
    if kind == "leaky":
        return graph_of(nir.LIF(tau, tau / dt, full(0), full(threshold), full(0)), recurrent)
    syn = dt / (1 - full(alpha))
    return graph_of(nir.CubaLIF(syn, tau, tau / dt, full(0), full(threshold), full(0), syn / dt), recurrent)


@settings(max_examples=60)
@given(
    kind=st.sampled_from(["leaky", "synaptic"]),
    reset=st.sampled_from(["subtract", "zero"]),
    beta=st.sampled_from([0.25, 0.5, 0.9, 1.0]),
    alpha=st.sampled_from([0.5, 0.75, 1.0]),
    recurrent=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_snntorch(kind, reset, beta, alpha, recurrent, seed):
    rng = np.random.default_rng(seed)
    weight = rng.uniform(-1, 1, (N, N)).astype(np.float32) if recurrent else None
    with np.errstate(divide="ignore"):
        made = snntorch(kind, beta, alpha, 1.0, weight)
    graph = read(made, framework="snntorch", reset=None if reset == "subtract" else reset)
    x = rng.normal(0.4, 0.8, (STEPS, 1, N)).astype(np.float32)
    spikes = run(graph, x, STEPS, dtype=torch.float64).spikes["n"][:, 0]
    u, v, fired = np.zeros(N), np.zeros(N), np.zeros(N, bool)
    for step in range(STEPS):
        a = x[step, 0] + (weight @ fired + 0.125 if recurrent else 0)
        u = a if kind == "leaky" else alpha * u + a
        if reset == "subtract":
            v = beta * v + u - fired
        elif kind == "leaky" and not recurrent:
            v = beta * np.where(fired, 0, v) + u
        else:
            v = np.where(fired, 0, beta * v + u)
        fired = v > 1
        assert np.array_equal(spikes[step], fired) or np.abs(v - 1).min() < 1e-4, step


def test_snntorch_without_memory_cannot_reset_later():
    made = snntorch("leaky", 0.0, 0.5, 1.0, None)
    with pytest.raises(InputError, match=r"x\.nir: node 'n' \(LIF\) keeps nothing"):
        read(made, framework="snntorch")


@settings(max_examples=40)
@given(
    kind=st.sampled_from(["LIF", "IF", "CubaLIF"]),
    reset=st.sampled_from(["subtract", "zero"]),
    leak=st.sampled_from([0.0, 0.25]),
    seed=st.integers(0, 1000),
)
def test_norse(kind, reset, leak, seed):
    """Time constants of 1 ms x a few, written 1000 times smaller; potentials start at v_leak; a unit current gain."""
    rng = np.random.default_rng(seed)
    tau = rng.choice([2.0, 4.0, 8.0], 2)
    mem, syn = (full(steps * 1e-6) for steps in tau)
    node = {
        "LIF": lambda: nir.LIF(mem, full(1), full(leak), full(1)),
        "IF": lambda: nir.IF(full(1), full(1)),
        "CubaLIF": lambda: nir.CubaLIF(syn, mem, full(1), full(leak), full(1)),
    }[kind]()
    x = rng.normal(0.6, 1.5, (STEPS, 1, N))
    graph = read(graph_of(node), framework="norse", reset=reset)
    spikes = run(graph, x, STEPS, dtype=torch.float64).spikes["n"][:, 0]
    u, v = np.zeros(N), np.full(N, 0.0 if kind == "IF" else leak)
    for step in range(STEPS):
        u = x[step, 0] + (u * (1 - 1 / tau[1]) if kind == "CubaLIF" else 0)
        v = v + (u if kind == "IF" else (leak - v + u) / tau[0])
        fired = v > 1
        assert np.array_equal(spikes[step], fired) or np.abs(v - 1).min() < 1e-4, step
        v = v - fired if reset == "subtract" else np.where(fired, 0, v)


@settings(max_examples=40)
@given(
    kind=st.sampled_from(["LIF", "LIF without decay_input", "IF", "CUBALIF"]),
    v_reset=st.sampled_from([0.0, -0.25, 0.5]),
    dt=st.sampled_from([None, 1e-3]),
    seed=st.integers(0, 1000),
)
def test_spikingjelly(kind, v_reset, dt, seed):
    """Fires at v >= threshold, which numbers in eighths do reach; potentials start at v_reset."""
    rng = np.random.default_rng(seed)
    step_of_file, tau = dt or 1e-4, 2.0
    if kind == "IF":
        node = nir.IF(full(1 / step_of_file), full(1), full(v_reset))
    elif kind == "CUBALIF":
        syn, mem = full(step_of_file / (1 - 0.5)), full(step_of_file / (1 - 0.75))
        one = np.float32(step_of_file)
        node = nir.CubaLIF(syn, mem, mem / one, full(0), full(1), full(v_reset), syn / one)
    else:
        r = full(tau if "without" in kind else 1)
        node = nir.LIF(full(tau * step_of_file), r, full(v_reset), full(1), full(v_reset))
    graph = read(graph_of(node), framework="spikingjelly", dt=dt)
    x = rng.integers(-8, 17, (STEPS, 1, N)) / 8
    spikes = run(graph, x, STEPS).spikes["n"][:, 0]
    u, v = np.zeros(N), np.full(N, v_reset)
    for step in range(STEPS):
        u = 0.5 * u + x[step, 0]
        if kind == "IF":
            v = v + x[step, 0]
        elif kind == "CUBALIF":
            v = 0.75 * v + u
        else:
            v = v - (v - v_reset) / tau + x[step, 0] / (1 if "without" in kind else tau)
        fired = v >= 1
        assert np.array_equal(spikes[step], fired), step
        v = np.where(fired, v_reset, v)


def test_sinabs():
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(0.3, 0.4, (STEPS, 1, N)))
    alpha = math.exp(-1 / 5)
    lif = read(graph_of(nir.LIF(full(5), full(1), full(0), full(0.5))), framework="sinabs")
    leak = read(graph_of(nir.LI(full(5), full(1), full(0))), framework="sinabs")
    iaf = read(graph_of(nir.IF(full(1), full(1))), framework="sinabs")
    spikes, potentials = run(lif, 3 * x, STEPS).spikes["n"][:, 0], run(leak, x, STEPS).potentials["n"][:, 0]
    integrated = run(iaf, np.round(x * 4) / 4, STEPS).spikes["n"][:, 0]
    v, w, k = np.zeros(N), np.zeros(N), np.zeros(N)
    for step in range(STEPS):
        v = alpha * v + (1 - alpha) * 3 * x[step, 0]
        assert np.array_equal(spikes[step], v >= 0.5), step
        v = v - 0.5 * (v >= 0.5)
        w = alpha * w + (1 - alpha) * x[step, 0]
        assert np.allclose(potentials[step], w, atol=1e-6)
        k = k + np.round(x[step, 0] * 4) / 4
        assert np.array_equal(integrated[step], k >= 1), step
        k = k - (k >= 1)
    assert spikes.any()
    assert integrated.any()


@pytest.mark.parametrize("dt", [None, 2e-3])
def test_rockpool(dt):
    """The step is recovered from r = tau / dt exp(-dt / tau); shapes come with batch and time."""
    rng = np.random.default_rng(1)
    step_of_file, mem, syn = 2e-3, 0.02, 0.01
    keep, keep_syn = math.exp(-step_of_file / mem), math.exp(-step_of_file / syn)
    x = np.abs(rng.normal(0.1, 0.2, (STEPS, 1, N)))
    r = full(mem / step_of_file * keep)

    def made(node: nir.NIRNode) -> Graph:
        graph = graph_of(node)
        graph.nodes["input"] = nir.Input(np.array([1, N]))
        graph.nodes["output"] = nir.Output(np.array([1, 1, N]))
        return read(graph, framework="rockpool", dt=dt)

    current = made(nir.CubaLIF(full(syn), full(mem), r, full(0), full(1)))
    assert current.info.dt == pytest.approx(step_of_file, rel=1e-5)
    assert current.input_shapes["n"] == (N,)
    spikes = run(current, x, STEPS).spikes["n"][:, 0]
    plain = run(made(nir.LIF(full(mem), r, full(0), full(1))), 3 * x, STEPS).spikes["n"][:, 0]
    filtered = made(nir.LI(full(syn), full(syn / step_of_file * keep_syn), full(0)))
    potentials = run(filtered, x, STEPS).potentials["n"][:, 0]
    u, v, w = np.zeros(N), np.zeros(N), np.zeros(N)
    for step in range(STEPS):
        u = keep_syn * (u + x[step, 0])
        assert np.allclose(potentials[step], u, atol=1e-5)
        v, w = keep * v + u, keep * w + 3 * x[step, 0]
        assert np.array_equal(spikes[step], v >= 1), step
        assert np.array_equal(plain[step], w >= 1), step
        v, w = v - (v >= 1), w - (w >= 1)
    assert spikes.any()
    assert plain.any()


def test_lava_dl_and_nengo():
    rng = np.random.default_rng(2)
    x = rng.normal(0.5, 0.7, (STEPS, 1, N))
    cuba = read(graph_of(nir.CubaLIF(full(4), full(2), full(1), full(0), full(1))), framework="lava-dl")
    lif = read(graph_of(nir.LIF(full(0.02), full(1), full(0), full(1))), framework="nengo")
    spikes, others = run(cuba, x, STEPS).spikes["n"][:, 0], run(lif, 20 * x, STEPS).spikes["n"][:, 0]
    u, v, w = np.zeros(N), np.zeros(N), np.zeros(N)
    for step in range(STEPS):
        u = 0.75 * u + x[step, 0]
        v, w = 0.5 * v + u, w + (20 * x[step, 0] - w) * -math.expm1(-1e-3 / 0.02)
        assert np.array_equal(spikes[step], v > 1), step
        assert np.array_equal(others[step], w > 1), step
        v, w = np.where(v > 1, 0, v), np.where(w > 1, 0, w)
    assert others.any()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_was_read_needs_no_option_again(framework, tmp_path):
    """Written and read back, and with the same option once more: the same numbers."""
    tau = full(5) if framework in ("sinabs", "lava-dl") else full(0.02) if framework == "nengo" else full(5e-4)
    r = tau / np.float32(1e-4) * np.exp(-np.float32(1e-4) / tau) if framework == "rockpool" else full(2)
    graph = read(graph_of(nir.LIF(tau, r, full(0), full(1), full(0)), np.eye(N)), framework=framework)
    path = tmp_path / "a.nir"
    nir_file.write(path, graph.nodes, graph.edges, graph.info, graph.metadata)
    for again in (nir_file.read(path), nir_file.read(path, Conventions(framework=framework))):
        assert again.info == graph.info
        assert again.info.framework == framework
        assert not again.info.says_timesteps
        ours, theirs = dynamics(graph, "n"), dynamics(again, "n")
        for name, value in vars(ours).items():
            assert np.array_equal(value, getattr(theirs, name)), name


def test_plain_options():
    made = graph_of(nir.LIF(full(0.02), full(1), full(0), full(1), full(0)))
    graph = read(made, dt=1e-3, integration="exponential", reset="subtract")
    assert (graph.info.dt, graph.info.integration, graph.info.known) == (1e-3, "exponential", True)
    assert reset_of(graph.nodes["n"])[0] == "subtract"
    assert np.allclose(dynamics(graph, "n").keep, math.exp(-0.05))
    assert made.nodes["n"].metadata == {}
    assert read(made).info.known is False
    assert reset_of(read(made, dt=0.01).nodes["n"])[0] == "zero"


def test_what_does_not_fit():
    short = graph_of(nir.LIF(full(1e-5), full(1), full(0), full(1), full(0)))
    with pytest.raises(InputError, match=r"x\.nir: node 'n' \(LIF\): tau is 1e-05, shorter"):
        read(short, framework="snntorch")
    with pytest.raises(InputError, match=r"x\.nir: node 'n' \(Delay\)"):
        read(graph_of(nir.Delay(full(0.5))), dt=1.0)
    with pytest.raises(InputError, match=r"x\.nir: node 'n' \(LI\) starts at its v_leak"):
        read(graph_of(nir.LI(full(1e-5), full(1), full(1))), framework="norse")
