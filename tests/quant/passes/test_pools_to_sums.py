"""Average pools as sums and scales: the same numbers, and still a NIR graph."""

from __future__ import annotations

from pathlib import Path

import float_graphs as build
import nir
import numpy as np
import torch

from inflor.converter.nir import file as nir_file
from inflor.converter.simulate import execute
from inflor.quant.passes.pools_to_sums import MEAN_OF, pools_to_sums

SHAPE = (2, 6, 6)


def test_a_mean_is_a_sum_and_a_factor(tmp_path: Path) -> None:
    graph = build.between(build.pool(nir.AvgPool2d, 3, 1), shape=SHAPE, end=(2, 2, 2))
    made = pools_to_sums(graph)
    assert [type(made.nodes[n]).__name__ for n in made.order] == ["Input", "SumPool2d", "Scale", "IF", "Output"]
    assert made.nodes["link0_mean"].metadata == {MEAN_OF: "link0"}
    assert (made.nodes["link0_mean"].scale == 1 / 9).all()
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(4, *SHAPE)))
    runs = [execute.run(g, x, 1, currents=["lif"], dtype=torch.float64).currents["lif"] for g in (graph, made)]
    torch.testing.assert_close(*runs, rtol=1e-12, atol=1e-12)
    nir_file.write(tmp_path / "made.nir", made.nodes, made.edges, made.info, made.metadata)
    again = nir_file.read(tmp_path / "made.nir")
    assert again.order == made.order
    assert pools_to_sums(again).nodes.keys() == made.nodes.keys()


def test_names_and_the_edges_of_a_cycle_follow() -> None:
    nodes = {
        "input": build.source(SHAPE),
        "a": build.fire(SHAPE),
        "pool": build.pool(nir.AvgPool2d, 1),
        "pool_mean": build.pool(nir.AvgPool2d, 1),
        "output": build.sink(SHAPE),
    }
    edges = [("input", "a"), ("a", "pool"), ("pool", "a"), ("a", "pool_mean"), ("pool_mean", "output")]
    graph = build.graph_of(nodes, edges)
    assert graph.recurrent == (("pool", "a"),)
    made = pools_to_sums(graph)
    assert set(made.nodes) == {*nodes, "pool_mean_", "pool_mean_mean"}
    assert made.recurrent == (("pool_mean_", "a"),)
    assert set(made.edges) == {
        *(("input", "a"), ("a", "pool"), ("pool", "pool_mean_"), ("pool_mean_", "a"), ("a", "pool_mean")),
        *(("pool_mean", "pool_mean_mean"), ("pool_mean_mean", "output")),
    }
