"""Structure says which edges of a cycle wait a step: neither names nor the order of nodes and edges change a spike."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import float_graphs as build
import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import RECURRENT_KEY, Edge, Graph
from inflor.converter.nir.metadata import METADATA_KEY
from inflor.converter.nir.ordering import dominators, evaluation_order, reached_from, waiting_edges
from inflor.converter.nir.validate import validate
from inflor.converter.simulate import execute
from inflor.quant import file as integer_nir
from inflor.quant.fix.pipeline import quantize
from inflor.targets.running import run

STEPS = 8


def neuron(n: int, seed: int) -> nir.LIF:
    rng = np.random.default_rng(seed)
    ones = np.ones(n)
    return nir.LIF(tau=3 * ones, r=3 * ones, v_leak=0 * ones, v_threshold=rng.uniform(0.4, 1.2, n), v_reset=0 * ones)


def network(count: int, pairs: Sequence[tuple[int, int]], heard: Sequence[int], seed: int) -> dict:
    """Neurons n0.., each pair joined by a Linear node; the input leads to those heard, and the last to the output."""
    rng = np.random.default_rng(seed)
    nodes: dict[str, nir.NIRNode] = {"input": build.source((4,)), "output": build.sink((3,))}
    nodes |= {f"n{i}": neuron(3, seed + i) for i in range(count)}
    edges = [(f"n{count - 1}", "output")]
    for start, end in pairs:
        nodes[f"w{start}_{end}"] = nir.Linear(rng.normal(0.1, 0.8, (3, 3)))
        edges += [(f"n{start}", f"w{start}_{end}"), (f"w{start}_{end}", f"n{end}")]
    for i in heard:
        nodes[f"in{i}"] = nir.Linear(rng.normal(0.3, 0.5, (3, 4)))
        edges += [("input", f"in{i}"), (f"in{i}", f"n{i}")]
    return {"nodes": nodes, "edges": edges}


@st.composite
def networks(draw: st.DrawFn) -> dict:
    count = draw(st.integers(1, 5))
    every = [(a, b) for a in range(count) for b in range(count)]
    forward = [(i, i + 1) for i in range(count - 1)]
    pairs = sorted({*forward, *draw(st.lists(st.sampled_from(every), max_size=6))})
    heard = sorted({0, *draw(st.lists(st.integers(0, count - 1), max_size=3))})
    return network(count, pairs, heard, draw(st.integers(0, 100)))


def renamed(made: dict, seed: int) -> tuple[Graph, dict[str, str]]:
    """The same network with other names, its nodes and edges in another order."""
    rng = np.random.default_rng(seed)
    names = list(made["nodes"])
    new = dict(zip(names, [f"x{i}" for i in rng.permutation(len(names))], strict=True))
    nodes = {new[name]: made["nodes"][name] for name in rng.permutation(names)}
    edges = [(new[a], new[b]) for a, b in rng.permutation(made["edges"]).tolist()]
    return validate(nir.NIRGraph(nodes, edges, type_check=False), "renamed.nir"), new


def graph(made: dict) -> Graph:
    return validate(nir.NIRGraph(dict(made["nodes"]), list(made["edges"]), type_check=False), "drawn.nir")


@given(networks(), st.integers(0, 1000))
def test_names_and_order_change_no_spike_in_float(made: dict, seed: int) -> None:
    before, (after, new) = graph(made), renamed(made, seed)
    assert {(new[a], new[b]) for a, b in before.recurrent} == set(after.recurrent)
    x = torch.from_numpy(np.random.default_rng(seed).random((STEPS, 5, 4)))
    mine = execute.run(before, x, STEPS, dtype=torch.float64)
    theirs = execute.run(after, x, STEPS, dtype=torch.float64)
    for name in mine.spikes:
        assert torch.equal(mine.spikes[name], theirs.spikes[new[name]])


@given(networks(), st.integers(0, 1000))
@settings(max_examples=30)
def test_names_and_order_change_no_spike_in_integers(made: dict, seed: int) -> None:
    x = np.random.default_rng(seed).random((6, STEPS, 4)).astype(np.float32)
    info = replace(graph(made).info, timesteps=STEPS, encoding="frames", says_timesteps=True)
    integers, _ = quantize(replace(graph(made), info=info), x)
    with tempfile.TemporaryDirectory() as folder:
        integer_nir.write(Path(folder) / "n.int.nir", integers)
        written = nir_file.read(Path(folder) / "n.int.nir")
    again, new = renamed({"nodes": written.nodes, "edges": written.edges}, seed)
    closing = [[new[a], new[b]] for a, b in written.recurrent]
    metadata = {**written.metadata, METADATA_KEY: written.info.to_json(), RECURRENT_KEY: json.dumps(closing)}
    again = validate(nir.NIRGraph(again.nodes, list(again.edges), metadata=metadata, type_check=False), "again.nir")
    other = integer_nir.from_graph(again)
    for target in ("cpu", "spinnaker"):
        mine, theirs = (run(network, target, x, keep_spikes=True) for network in (integers, other))
        for population in integers.populations[1:]:
            assert np.array_equal(mine.spikes(population.name), theirs.spikes(new[population.name]))


def test_two_that_drive_each_other_both_wait() -> None:
    found = graph(network(2, [(0, 1), (1, 0)], [0, 1], 0))
    assert set(found.recurrent) == {("w0_1", "n1"), ("w1_0", "n0")}


def test_a_layer_that_feeds_back_waits_on_the_way_back_alone() -> None:
    found = graph(network(3, [(0, 0), (0, 1), (1, 2), (2, 0)], [0], 0))
    assert set(found.recurrent) == {("w0_0", "n0"), ("w2_0", "n0")}


def test_what_no_input_enters_twice_is_layered_within_a_cycle_of_two() -> None:
    """n1 and n2 drive each other, and n0 alone drives both: neither comes first. n3 behind them waits for nothing."""
    found = graph(network(4, [(0, 1), (0, 2), (1, 2), (2, 1), (2, 3)], [0], 0))
    assert set(found.recurrent) == {("w1_2", "n2"), ("w2_1", "n1")}


def test_metadata_say_otherwise() -> None:
    made = network(2, [(0, 1), (1, 0)], [0, 1], 0)
    metadata = {RECURRENT_KEY: json.dumps([["w1_0", "n0"]])}
    found = validate(nir.NIRGraph(made["nodes"], made["edges"], metadata=metadata, type_check=False), "said.nir")
    assert found.recurrent == (("w1_0", "n0"),)


def test_a_neuron_that_only_its_cycle_reaches_says_its_shape() -> None:
    made = network(3, [(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)], [0, 1], 0)
    assert set(graph(made).recurrent) >= {("w1_2", "n2"), ("w0_2", "n2")}
    made["nodes"]["n2"] = nir.LIF(*(np.array([1.0]) for _ in range(3)), v_threshold=np.array([1.0]))
    with pytest.raises(InputError, match=r"'n2'.*every edge to it closes a cycle"):
        graph(made)


@given(
    st.integers(2, 7).flatmap(lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=16))
)
def test_dominators_are_what_every_path_passes(pairs: list[Edge]) -> None:
    edges = [(f"a{a}", f"a{b}") for a, b in dict.fromkeys(pairs)]
    links = build_links(edges)
    nodes = sorted(reached_from(["a0"], links))
    inner = [(a, b) for a, b in edges if a in nodes and b in nodes]
    found = dominators(["a0"], nodes, inner)
    for of, node in itertools.product(nodes, nodes):
        without = {name: [end for end in ends if end != node] for name, ends in links.items()}
        passes = node == of or node == "a0" or of not in reached_from(["a0"], without)
        chain, at = set[str](), of
        while at is not None:
            chain.add(at)
            at = found[at]
        assert (node in chain) == passes
    waiting = waiting_edges(["a0"], nodes, inner, nodes)
    assert len(evaluation_order(nodes, [edge for edge in inner if edge not in waiting])) == len(nodes)


def build_links(edges: Sequence[Edge]) -> dict[str, list[str]]:
    links: dict[str, list[str]] = {"a0": []}
    for start, end in edges:
        links.setdefault(start, []).append(end)
        links.setdefault(end, [])
    return links
