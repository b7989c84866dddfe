"""Graphs inside graphs."""

from __future__ import annotations

import itertools
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.passes.flatten_graphs import MAX_DEPTH
from inflor.converter.simulate.execute import run

N = 3
ONE = np.ones(N)


def graph(nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]]) -> nir.NIRGraph:
    made = object.__new__(nir.NIRGraph)
    made.nodes, made.edges, made.metadata = nodes, edges, {}
    return made


def ends() -> dict[str, nir.NIRNode]:
    return {"input": nir.Input(np.array([N])), "output": nir.Output(None)}


def neuron() -> nir.IF:
    return nir.IF(ONE, ONE)


def recurrent(weight: np.ndarray) -> nir.NIRGraph:
    """What snnTorch and the NIR paper write for a recurrent layer."""
    edges = [("input", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "output")]
    return graph({**ends(), "lif": neuron(), "w": nir.Linear(weight)}, edges)


def refused(made: nir.NIRGraph, *parts: str) -> None:
    with pytest.raises(InputError) as caught:
        validate(made, "x.nir")
    message = str(caught.value)
    assert message.startswith("x.nir: "), message
    for part in parts:
        assert part in message, message


def test_an_inner_graph_is_opened():
    weight = np.arange(9.0).reshape(N, N)
    outer = {**ends(), "fc": nir.Linear(np.eye(N)), "rnn": recurrent(weight)}
    flat = validate(graph(outer, [("input", "fc"), ("fc", "rnn"), ("rnn", "output")]), "x.nir")
    assert list(flat.nodes) == ["input", "output", "fc", "rnn.lif", "rnn.w"]
    assert set(flat.edges) == {
        *(("input", "fc"), ("fc", "rnn.lif"), ("rnn.lif", "rnn.w"), ("rnn.w", "rnn.lif"), ("rnn.lif", "output")),
    }
    assert flat.recurrent == (("rnn.w", "rnn.lif"),)
    assert np.array_equal(flat.nodes["rnn.w"].weight, weight)
    assert list(outer["rnn"].nodes) == ["input", "output", "lif", "w"]


def nest(names: list[str], depth: int) -> nir.NIRGraph:
    """A chain of IF neurons, the last of which stand one graph deeper each."""
    inner: dict[str, nir.NIRNode] = dict(ends())
    inner[names[0]] = nest(names[1:], depth - 1) if depth else neuron()
    rest = [] if depth else names[1:]
    inner |= {name: neuron() for name in rest}
    chain = ["input", names[0], *rest, "output"]
    return graph(inner, list(itertools.pairwise(chain)))


@settings(max_examples=30)
@given(depth=st.integers(0, 5), seed=st.integers(0, 100))
def test_a_nested_graph_computes_what_the_flat_one_does(depth, seed):
    names = [f"n{i}" for i in range(6)]
    flat = validate(nest(names, depth), "x.nir")
    prefix = "".join(f"n{i}." for i in range(depth))
    assert [name for name in flat.nodes if "n" in name.split(".")[-1][0]] == [
        f"{prefix}{name}" for name in names[depth:]
    ]
    x = np.random.default_rng(seed).integers(0, 5, (9, 1, N)) / 2
    same = validate(nest(names[depth:], 0), "x.nir")
    assert torch.equal(run(flat, x, 9).outputs["output"], run(same, x, 9).outputs["output"])


def test_an_input_that_feeds_several_and_a_graph_that_hands_its_input_on():
    inner = graph(
        {**ends(), "a": neuron(), "b": neuron()}, [("input", "a"), ("input", "b"), ("a", "output"), ("b", "output")]
    )
    wire = graph(ends(), [("input", "output")])
    outer = {**ends(), "g": inner, "wire": wire, "x": neuron(), "y": neuron()}
    edges = [("input", "x"), ("input", "y"), ("x", "wire"), ("y", "wire"), ("wire", "g"), ("g", "output")]
    flat = validate(graph(outer, edges), "x.nir")
    crossed = {(source, target) for source in ("x", "y") for target in ("g.a", "g.b")}
    assert set(flat.edges) == crossed | {("input", "x"), ("input", "y"), ("g.a", "output"), ("g.b", "output")}


def test_an_edge_may_name_an_inner_node():
    edges = [("input", "rnn.lif"), ("rnn.lif", "output")]
    flat = validate(graph({**ends(), "rnn": recurrent(np.eye(N))}, edges), "x.nir")
    assert set(flat.edges) == {*edges, ("rnn.lif", "rnn.w"), ("rnn.w", "rnn.lif")}


def test_names_stay_unique():
    outer = {**ends(), "rnn.lif": neuron(), "rnn": recurrent(np.eye(N))}
    flat = validate(graph(outer, [("input", "rnn.lif"), ("rnn.lif", "rnn"), ("rnn", "output")]), "x.nir")
    assert set(flat.nodes) == {"input", "output", "rnn.lif", "rnn.lif_2", "rnn.w"}
    assert ("rnn.lif", "rnn.lif_2") in flat.edges


def test_inner_graphs_without_ends():
    chain = graph({"a": neuron(), "b": neuron()}, [("a", "b")])
    flat = validate(graph({**ends(), "g": chain}, [("input", "g"), ("g", "output")]), "x.nir")
    assert set(flat.edges) == {("input", "g.a"), ("g.a", "g.b"), ("g.b", "output")}
    loop = graph({"a": neuron(), "b": neuron()}, [("a", "b"), ("b", "a")])
    refused(graph({**ends(), "g": loop}, [("input", "g"), ("g", "output")]), "node 'g'", "one Input", "g.<node>")
    two = graph(
        {**ends(), "in2": nir.Input(np.array([N])), "a": neuron()}, [("input", "a"), ("in2", "a"), ("a", "output")]
    )
    refused(graph({**ends(), "g": two}, [("input", "g"), ("g", "output")]), "node 'g'", "one Input", "'input' -> 'g'")


def test_what_cannot_be_opened():
    deep = recurrent(np.eye(N))
    for _ in range(MAX_DEPTH + 1):
        deep = graph({**ends(), "g": deep}, [("input", "g"), ("g", "output")])
    refused(deep, "more than 16 graphs inside each other")
    wire = graph(ends(), [("input", "output")])
    looped = graph({**ends(), "wire": wire}, [("input", "wire"), ("wire", "wire"), ("wire", "output")])
    refused(looped, "cycle without a neuron", "'wire.input'")
    own = recurrent(np.eye(N))
    own.metadata = {METADATA_KEY: ModelInfo(dt=0.5).to_json()}
    refused(graph({**ends(), "g": own}, [("input", "g"), ("g", "output")]), "node 'g'", "conventions of its own")
    wrong = graph({**ends(), "a": neuron()}, [("input", "a"), ("a", "nope")])
    refused(graph({**ends(), "g": wrong}, [("input", "g"), ("g", "output")]), "'g.a' -> 'g.nope'", "no such node")


def test_a_graph_that_doubles_at_every_level_ends_early():
    many = graph({**ends(), "n": neuron()}, [("input", "n"), ("n", "output")])
    for _ in range(15):
        twice = {**ends(), **{f"g{i}": many for i in range(4)}}
        many = graph(twice, [edge for i in range(4) for edge in (("input", f"g{i}"), (f"g{i}", "output"))])
    refused(many, "nodes; a graph has 1 to 10000")


def put(group: h5py.Group, **fields: object) -> None:
    for name, value in fields.items():
        group.create_dataset(name, data=value)


def old_file(path: Path) -> Path:
    """As nir 0.1 and 0.2 wrote: no v_reset, no w_in, no input_shape, no metadata, fixed-length texts, order by name."""
    with h5py.File(path, "w") as file:
        root = file.create_group("node")
        put(root, type=b"NIRGraph")
        inside = root.create_group("nodes")
        put(inside.create_group("input"), type=b"Input", shape=[N])
        put(inside.create_group("output"), type=b"Output", shape=[N])
        put(
            inside.create_group("cuba"),
            type=b"CubaLIF",
            tau_syn=2 * ONE,
            tau_mem=2 * ONE,
            r=ONE,
            v_leak=0 * ONE,
            v_threshold=ONE,
        )
        inner = inside.create_group("rnn")
        put(
            inner,
            type=b"NIRGraph",
            edges=np.array([["input", "lif"], ["lif", "w"], ["w", "lif"], ["lif", "output"]], "S6"),
        )
        inner = inner.create_group("nodes")
        put(inner.create_group("input"), type=b"Input", shape=[N])
        put(inner.create_group("output"), type=b"Output", shape=[N])
        put(inner.create_group("lif"), type=b"LIF", tau=ONE, r=ONE, v_leak=0 * ONE, v_threshold=ONE / 2)
        put(inner.create_group("w"), type=b"Affine", weight=np.eye(N), bias=0 * ONE)
        put(root, edges=np.array([["input", "cuba"], ["cuba", "rnn"], ["rnn", "output"]], "S6"))
    return path


def test_an_old_file(tmp_path):
    read: Graph = nir_file.read(old_file(tmp_path / "old.nir"))
    assert set(read.nodes) == {"input", "output", "cuba", "rnn.lif", "rnn.w"}
    assert np.array_equal(read.nodes["cuba"].v_reset, [0, 0, 0])
    assert np.array_equal(read.nodes["cuba"].w_in, [1, 1, 1])
    assert read.recurrent == (("rnn.w", "rnn.lif"),)
    nir_file.write(tmp_path / "new.nir", read.nodes, read.edges, read.info)
    again = nir_file.read(tmp_path / "new.nir")
    assert again.edges == read.edges
    x = np.full((1, N), 3.0)
    assert torch.equal(run(read, x, 6).outputs["output"], run(again, x, 6).outputs["output"])
    assert run(read, x, 6).outputs["output"].any()
