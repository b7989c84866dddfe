"""Integrators that only Outputs read: what is left out is the sum of the output over the steps."""

from __future__ import annotations

import nir
import numpy as np
import pytest
import torch
from float_graphs import graph_of, sink, source
from primitive_examples import N, eighths, full

from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.drop_sums import drop_sums, notes
from inflor.converter.simulate.execute import run


def made(readout: nir.NIRNode, **more: nir.NIRNode) -> Graph:
    neuron = nir.IF(full(1), full(0.5), full(0))
    return graph_of(
        {"input": source((N,)), "lif": neuron, "fc": nir.Linear(eighths(N, N)), "readout": readout, **more}
        | {"output": sink((N,))}
    )


def test_the_sum_of_the_output_is_the_potential():
    graph = made(nir.I(full(1)))
    after = run_passes(graph, [drop_sums()])
    assert list(after.nodes) == ["input", "lif", "fc", "output"]
    assert after.edges == (("input", "lif"), ("lif", "fc"), ("fc", "output"))
    assert after.info is graph.info
    assert list(graph.nodes)[3] == "readout"
    x = torch.randn(9, 2, N, generator=torch.Generator().manual_seed(0))
    before, left = run(graph, x, 9), run(after, x, 9)
    assert torch.equal(before.potentials["readout"][-1], left.outputs["output"].sum(0))
    assert before.potentials["readout"].any()
    assert notes(graph) == ["The readout readout is left out: the output, summed over the steps, is its potential."]


def test_an_integrator_before_two_outputs_and_a_sum_of_two():
    nodes = {"input": source((N,)), "a": nir.Linear(eighths(N, N)), "b": nir.Scale(full(0.5)), "i": nir.I(full(1))}
    edges = [("input", "a"), ("input", "b"), ("a", "i"), ("b", "i"), ("i", "one"), ("i", "two")]
    graph = graph_of({**nodes, "one": sink((N,)), "two": sink((N,))}, edges)
    after = run_passes(graph, [drop_sums()])
    expected = {("a", "one"), ("a", "two"), ("b", "one"), ("b", "two"), ("input", "a"), ("input", "b")}
    assert set(after.edges) == expected
    x = np.random.default_rng(0).integers(-8, 9, (5, 2, N)) / 8
    before, left = run(graph, x, 5), run(after, x, 5)
    for name in ("one", "two"):
        assert torch.equal(before.outputs[name][-1], left.outputs[name].sum(0))


@pytest.mark.parametrize(
    ("readout", "more"),
    [
        (nir.LI(full(2), full(2), full(0)), {}),  # leaks
        (nir.I(full(2)), {}),  # scales
        (nir.CubaLI(full(1), full(1), full(1), full(0), full(1)), {}),
        (nir.I(full(1)), {"scale": nir.Scale(full(1))}),  # something else reads it
        (nir.IF(full(1), full(1), full(0)), {}),
    ],
)
def test_what_is_no_sum_stays(readout, more):
    graph = made(readout, **more)
    assert run_passes(graph, [drop_sums()]) is graph
    assert notes(graph) == []
