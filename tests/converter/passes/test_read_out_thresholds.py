"""A last neuron that cannot fire is read by its potential; others stay, and our own files too."""

from __future__ import annotations

import float_graphs as build
import nir
import numpy as np
import pytest
import torch

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph, assumptions
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.passes.conventions import reading_notes
from inflor.converter.simulate import execute

ONES = np.ones(3)


def network(last: nir.NIRNode, metadata: dict[str, str] | None = None) -> Graph:
    nodes = {
        "input": build.source((4,)),
        "w": nir.Linear(np.random.default_rng(0).normal(0, 1, (3, 4))),
        "n": last,
        "output": build.sink((3,)),
    }
    edges = [("input", "w"), ("w", "n"), ("n", "output")]
    return validate(nir.NIRGraph(nodes, edges, metadata=metadata or {}, type_check=False), "read.nir")


@pytest.mark.parametrize("threshold", [1e9, np.inf])
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda v: nir.IF(ONES, v, 0 * ONES), nir.I),
        (lambda v: nir.LIF(4 * ONES, 2 * ONES, 0.1 * ONES, v, 0 * ONES), nir.LI),
        (lambda v: nir.CubaLIF(3 * ONES, 4 * ONES, 2 * ONES, 0 * ONES, v, 0 * ONES, w_in=3 * ONES), nir.CubaLI),
    ],
)
def test_it_becomes_an_integrator_of_the_same_potential(make, kind, threshold: float) -> None:
    graph = network(make(threshold * ONES))
    assert isinstance(graph.nodes["n"], kind)
    assert assumptions(graph.metadata) == [
        f"n never fires, its threshold being {threshold:g}: its potential is the output."
    ]
    assert reading_notes(graph)[0].startswith("n never fires")
    x = torch.rand(6, 2, 4, dtype=torch.float64)
    due = network(make(1e8 * ONES))
    assert not isinstance(due.nodes["n"], kind)
    found = execute.run(graph, x, 6, dtype=torch.float64)
    weight = torch.from_numpy(graph.nodes["w"].weight)
    assert found.potentials["n"].shape == (6, 2, 3)
    if kind is nir.I:
        torch.testing.assert_close(found.potentials["n"], (x @ weight.T).cumsum(0))


def test_others_stay() -> None:
    some = np.array([1e9, 1.0, 1e9])
    assert isinstance(network(nir.IF(ONES, some, 0 * ONES)).nodes["n"], nir.IF)
    ours = {METADATA_KEY: ModelInfo().to_json()}
    assert isinstance(network(nir.IF(ONES, 1e9 * ONES, 0 * ONES), ours).nodes["n"], nir.IF)
    with pytest.raises(InputError, match="'v_threshold' holds values that are not finite"):
        network(nir.IF(ONES, np.array([np.inf, 1, 1]), 0 * ONES))
    nodes = {"input": build.source((3,)), "a": nir.IF(ONES, 1e9 * ONES, 0 * ONES), "b": build.fire((3,))}
    assert isinstance(build.graph_of({**nodes, "output": build.sink((3,))}).nodes["a"], nir.IF)
