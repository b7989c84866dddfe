"""Cycles and delays in the float executor, against a run one element and one step at a time."""

from __future__ import annotations

import nir
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nir_by_hand import ByHand

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.ordering import components
from inflor.converter.nir.validate import validate
from inflor.converter.primitives.base import PRIMITIVES, primitive
from inflor.converter.simulate.execute import run

N = 3
STEPS = 7
BATCH = 2


def graph_of(nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]], **info: object) -> Graph:
    graph = object.__new__(nir.NIRGraph)
    graph.nodes, graph.edges, graph.metadata = nodes, edges, {METADATA_KEY: ModelInfo(**info).to_json()}
    return validate(graph, "x.nir")


def ends(**nodes: nir.NIRNode) -> dict[str, nir.NIRNode]:
    return {"input": nir.Input(np.array([N])), **nodes, "output": nir.Output(None)}


def lif(**fields: object) -> nir.LIF:
    one = np.ones(N)
    return nir.LIF(**({"tau": 2 * one, "r": 2 * one, "v_leak": 0 * one, "v_threshold": one} | fields))


def assert_as_by_hand(graph: Graph, x: np.ndarray) -> None:
    """Every spike of every node; potentials, outputs and summed inputs to float64's rounding. x: [T, B, N]."""
    names = [name for name in graph.nodes if name != "input"]
    result = run(graph, x, len(x), keep_inputs=names, dtype=torch.float64)
    assert set(result.spikes) == {name for name in names if primitive(graph.nodes[name]).fires}
    for sample in range(x.shape[1]):
        expected = ByHand(graph, {"input": x[:, sample]})
        for name in names:
            for step in range(len(x)):
                assert np.allclose(result.inputs[name][step, sample], expected.arriving(name, step), 1e-12, 1e-12)
                if name in result.spikes:
                    assert np.array_equal(result.spikes[name][step, sample], expected.value(name, step)), (name, step)
                for found in (result.potentials, result.outputs):
                    if name in found:
                        assert np.allclose(found[name][step, sample], expected.value(name, step), 1e-12, 1e-12), name


def eighths(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-16, 17, shape) / 8


def node_of(kind: type[nir.NIRNode], rng: np.random.Generator) -> nir.NIRNode:
    """With parameters such that sums over a few steps are exact in float64."""
    if kind is nir.Affine:
        return nir.Affine(eighths(rng, N, N), eighths(rng, N))
    if kind is nir.Scale:
        return nir.Scale(eighths(rng, N))
    if kind is nir.Threshold:
        return nir.Threshold(eighths(rng, N))
    if kind is nir.Delay:
        return nir.Delay(rng.integers(0, 4, N) / 2)
    fields = {name: rng.choice([1.0, 2.0, 4.0], N) for name in ("r", "tau", "tau_mem", "tau_syn", "w_in")}
    fields |= {name: eighths(rng, N) for name in ("v_leak", "v_reset")}
    fields["v_threshold"] = rng.integers(1, 9, N) / 8
    node = kind(**{name: value for name, value in fields.items() if name in kind.__dataclass_fields__})
    if "tau_syn" in kind.__dataclass_fields__:
        node.metadata["late_current"] = bool(rng.integers(2))
    if PRIMITIVES[kind].resets:
        node.metadata["refractory"] = bool(rng.integers(2))
        if rng.integers(2):
            node.metadata |= {"reset": "subtract", "reset_value": rng.integers(1, 9, N) / 8}
    return node


KINDS = (
    *(nir.IF, nir.LIF, nir.CubaLIF, nir.I, nir.LI, nir.CubaLI),
    *(nir.Affine, nir.Scale, nir.Threshold, nir.Delay),
)


@settings(max_examples=150)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_random_graphs(kinds, seed, data):
    """Any edges at all, cycles of every length among them, through every primitive that keeps a vector's shape."""
    rng = np.random.default_rng(seed)
    names = [f"n{i}" for i in range(len(kinds))]
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(names))
    edges = data.draw(st.lists(pairs, unique=True, max_size=8))
    edges += [("input", name) for name in names if name == "n0" or rng.integers(2)]
    edges += [(name, "output") for name in names if name == names[-1] or rng.integers(2)]
    made = {name: node_of(kind, rng) for name, kind in zip(names, kinds, strict=True)}
    try:
        graph = graph_of(ends(**made), edges, dt=0.5)
    except InputError as error:
        assume("not connected" not in str(error) and "cycle without a neuron" not in str(error))
        raise
    assert_as_by_hand(graph, eighths(rng, STEPS, BATCH, N))


def test_a_neuron_that_feeds_itself():
    graph = graph_of(ends(n=nir.IF(np.ones(N), np.full(N, 0.75))), [("input", "n"), ("n", "n"), ("n", "output")])
    assert graph.recurrent == (("n", "n"),)
    x = np.zeros((4, 1, N))
    x[0] = 1
    assert run(graph, x, 4).spikes["n"][:, 0, 0].tolist() == [True, True, True, True]
    x[0] = 0.5
    assert run(graph, x, 4).spikes["n"].sum() == 0


def test_a_recurrent_bias_acts_from_the_first_step():
    """Before the sample neurons are silent; a bias behind them is not nothing."""
    edges = [("input", "n"), ("n", "w"), ("w", "n"), ("n", "output")]
    graph = graph_of(ends(n=nir.IF(np.ones(N), np.ones(N)), w=nir.Affine(np.zeros((N, N)), np.full(N, 0.75))), edges)
    assert graph.recurrent == (("w", "n"),)
    assert run(graph, np.zeros((3, 1, N)), 3).spikes["n"][:, 0, 0].tolist() == [False, True, False]


def test_a_delay_on_a_cycle_adds_to_its_step():
    edges = [("input", "n"), ("n", "d"), ("d", "n"), ("n", "output")]
    graph = graph_of(ends(n=nir.IF(np.ones(N), np.full(N, 0.5)), d=nir.Delay(np.array([0.0, 1.0, 2.0]))), edges)
    x = np.zeros((7, 1, N))
    x[0] = 1
    spikes = run(graph, x, 7).spikes["n"][:, 0].int().T.tolist()
    assert spikes == [[1, 1, 1, 1, 1, 1, 1], [1, 0, 1, 0, 1, 0, 1], [1, 0, 0, 1, 0, 0, 1]]


def test_two_populations_that_drive_each_other():
    rng = np.random.default_rng(5)
    nodes = ends(a=lif(), ab=nir.Linear(eighths(rng, 4, N)), b=nir.IF(np.ones(4), np.ones(4)))
    nodes |= {"ba": nir.Affine(eighths(rng, N, 4), eighths(rng, N)), "aa": nir.Linear(eighths(rng, N, N))}
    edges = [("input", "a"), ("a", "ab"), ("ab", "b"), ("b", "ba"), ("ba", "a"), ("a", "aa"), ("aa", "a")]
    graph = graph_of(nodes, [*edges, ("b", "output")])
    assert set(graph.recurrent) == {("ba", "a"), ("aa", "a")}
    assert_as_by_hand(graph, eighths(rng, 12, 3, N))


def test_a_convolution_on_a_cycle():
    """One whose kernel is a single tap is a matrix over channels, which a loop over the steps shows."""
    rng = np.random.default_rng(0)
    weight, bias, shape = eighths(rng, 2, 2), eighths(rng, 2), (2, 4, 3)
    conv = nir.Conv2d(None, weight[:, :, None, None], 1, 0, 1, 1, bias)
    one = np.ones(shape)
    nodes = {"input": nir.Input(np.array(shape)), "n": nir.IF(one, one), "w": conv, "output": nir.Output(None)}
    graph = graph_of(nodes, [("input", "n"), ("n", "w"), ("w", "n"), ("n", "output")])
    x = eighths(rng, STEPS, 1, *shape)
    v, fired = np.zeros(shape), np.zeros(shape)
    for step, spikes in enumerate(run(graph, x, STEPS, dtype=torch.float64).spikes["n"][:, 0]):
        v = v + x[step, 0] + np.einsum("oc,chw->ohw", weight, fired) + bias[:, None, None]
        fired = (v > 1).astype(float)
        v = np.where(fired, 0, v)
        assert np.array_equal(spikes, fired), step


def test_the_same_in_float32_and_with_an_input_that_does_not_change():
    rng = np.random.default_rng(1)
    edges = [("input", "n"), ("n", "w"), ("w", "n"), ("n", "out"), ("out", "output")]
    graph = graph_of(ends(n=lif(), w=nir.Linear(eighths(rng, N, N)), out=nir.I(np.ones(N))), edges)
    x = eighths(rng, BATCH, N)
    still, moving = run(graph, x, 5), run(graph, np.stack([x] * 5), 5, dtype=torch.float64)
    assert torch.equal(still.spikes["n"], moving.spikes["n"])
    assert 0 < still.spikes["n"].float().mean() < 1
    assert torch.equal(still.potentials["out"].double(), moving.potentials["out"])
    assert torch.equal(still.logits["output"], still.potentials["out"][-1] / 5)
    assert list(run(graph, x, 5, keep=[]).spikes) == []


def test_delays_are_whole_steps():
    edges = [("input", "d"), ("d", "output")]
    graph = graph_of(ends(d=nir.Delay(np.float32([0, 1e-3, 3e-3]))), edges, dt=1e-3)
    x = np.arange(1, 16.0).reshape(5, 1, N)
    expected = np.zeros((5, N))
    for neuron, steps in enumerate((0, 1, 3)):
        expected[steps:, neuron] = x[: 5 - steps, 0, neuron]
    assert np.array_equal(run(graph, x, 5).outputs["output"][:, 0], expected)
    assert not run(graph, x[:1], 1).outputs["output"][:, 0, 1:].any()
    for delay, dt, message in ((0.5, 1.0, "0.5 steps"), (1e-3, 4e-4, "2.5 steps"), (1e9, 1.0, "at most")):
        wrong = graph_of(ends(d=nir.Delay(np.array([0.0, delay, 0.0]))), edges, dt=dt)
        with pytest.raises(InputError, match=rf"x\.nir: node 'd' \(Delay\).*{message}.*`dt`"):
            run(wrong, x, 5)


def test_components_stand_after_what_they_read():
    order = ("a1", "b", "a2", "c")
    assert components(order, [("a1", "b"), ("a1", "a2"), ("a2", "a1")]) == [("a1", "a2"), ("b",), ("c",)]
    assert components(order, [("b", "a2"), ("a1", "a2"), ("a2", "a1"), ("a2", "c")]) == [("b",), ("a1", "a2"), ("c",)]
    assert components(order, []) == [("a1",), ("b",), ("a2",), ("c",)]


def test_a_soft_reset_spelled_out():
    """An integrator, a threshold and a feedback edge of weight -reset_value fire as a neuron with soft reset does."""
    rng = np.random.default_rng(3)
    value, threshold = rng.integers(4, 12, N) / 8, rng.integers(2, 9, N) / 8
    soft = nir.IF(np.ones(N), threshold)
    soft.metadata = {"reset": "subtract", "reset_value": value}
    nodes = ends(soft=soft, i=nir.I(np.ones(N)), spell=nir.Threshold(threshold), back=nir.Scale(-value))
    edges = [("input", "soft"), ("soft", "output"), ("input", "i"), ("i", "spell"), ("spell", "back"), ("back", "i")]
    nodes["spelled"] = nir.Output(None)
    graph = graph_of(nodes, [*edges, ("spell", "spelled")])
    assert graph.recurrent == (("back", "i"),)
    outputs = run(graph, eighths(rng, 20, 4, N), 20).outputs
    assert 0.1 < outputs["output"].mean() < 0.9
    assert torch.equal(outputs["output"], outputs["spelled"])
