"""Paths become projections; what would be too many or too large is refused before it is made."""

from __future__ import annotations

import tracemalloc

import float_graphs as build
import nir
import numpy as np
import pytest

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.quant.operators import Conv, Scale, SumPool
from inflor.quant.passes import limits
from inflor.quant.passes.chains_to_projections import chains_to_projections
from inflor.quant.passes.pipeline import fuse
from inflor.quant.passes.pools_to_sums import MEAN_OF, pools_to_sums


def diamonds(layers: int, size: int, tail: int = 0) -> Graph:
    """2**layers paths from a to b; with a size, each of them is a matrix of size x size."""
    nodes: dict[str, nir.NIRNode] = {"input": build.source((size,)), "a": build.fire((size,))}
    edges, before, width = [("input", "a")], ["a"], size
    for layer in range(layers):
        rows = 1 if width == size else size
        for side in "xy":
            nodes[f"{side}{layer}"] = nir.Linear(np.ones((rows, width), np.float32))
            edges += [(name, f"{side}{layer}") for name in before]
        before, width = [f"x{layer}", f"y{layer}"], rows
    for i in range(tail):
        nodes[f"t{i}"] = nir.Scale(np.ones(width, np.float32))
        edges += [(name, f"t{i}") for name in before]
        before = [f"t{i}"]
    nodes |= {"b": build.fire((width,)), "output": build.sink((width,))}
    return build.graph_of(nodes, [*edges, *((name, "b") for name in before), ("b", "output")])


def test_a_path_is_a_chain_with_a_factor() -> None:
    links = (build.pool(nir.AvgPool2d, 2), build.conv(np.ones((3, 2, 1, 1))), nir.Scale(np.full((3, 2, 2), 2.0)))
    graph = pools_to_sums(build.between(*links, shape=(2, 4, 4), end=(3, 2, 2)))
    (q,) = chains_to_projections(graph).projections
    assert (q.source, q.target, q.factor, q.weights) == ("input", "lif", 0.25, 2)
    assert [type(op) for op in q.operators] == [SumPool, Conv, Scale]
    assert q.nodes == ("link0", "link0_mean", "link1", "link2")


def test_a_scale_that_only_says_to_be_a_mean_is_a_scale() -> None:
    node = nir.Scale(np.array([1.0, 2.0]))
    node.metadata = {MEAN_OF: "x"}
    (q,) = chains_to_projections(build.between(node, shape=(2,))).projections
    assert q.factor == 1
    assert [type(op) for op in q.operators] == [Scale]


def test_paths_share_the_weights_of_a_node() -> None:
    paths = [q for q in chains_to_projections(diamonds(2, 4)).projections if q.target == "b"]
    assert len(paths) == 4
    assert len({id(op.weight) for q in paths for op in q.operators}) == 4


def test_many_paths_are_refused_by_the_node_that_they_lead_to() -> None:
    with pytest.raises(InputError, match=r"drawn\.nir: node 'b': .*more than 10000 paths"):
        fuse(diamonds(14, 1))


def test_long_paths_are_refused_before_they_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few enough, but with one long tail in common, which each of them would list."""
    monkeypatch.setattr(limits, "MAX_STEPS", 1 << 14)
    with pytest.raises(InputError, match=r"drawn\.nir: node 'b': .*nodes on them"):
        fuse(diamonds(8, 1, tail=100))


def test_matrices_are_added_up_before_they_are_made() -> None:
    """256 paths of 512 x 512 each, 537 MB, of a graph of 16 thousand weights."""
    graph = diamonds(8, 512)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"drawn\.nir: node 'b': .*have more than \d+ entries"):
            fuse(graph)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_potential_that_goes_on_is_refused() -> None:
    nodes = {"input": build.source((2,)), "i": nir.I(r=np.ones(2)), "w": nir.Linear(np.eye(2))}
    graph = build.graph_of({**nodes, "lif": build.fire((2,)), "output": build.sink((2,))})
    with pytest.raises(InputError, match=r"node 'i' \(I\): its potential goes on to 'lif'"):
        fuse(graph)
