"""Batch and time in the shapes of Input and Output."""

from __future__ import annotations

import nir
import numpy as np
import pytest
from primitive_examples import full

from inflor.converter.nir.graph import nir_graph
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.drop_batch_sizes import drop_batch_sizes
from inflor.converter.primitives.fields import make_node


def made(shape: object, inner: nir.NIRNode) -> nir.NIRGraph:
    nodes = {
        "input": make_node(nir.Input, {"input_type": {"input": shape}}),
        "n": inner,
        "output": make_node(nir.Output, {"output_type": {"output": shape}}),
    }
    return nir_graph(nodes, [("input", "n"), ("n", "output")])


def shapes(graph: nir.NIRGraph) -> list[list[int]]:
    ends = (graph.nodes["input"].input_type["input"], graph.nodes["output"].output_type["output"])
    return [np.asarray(end).tolist() for end in ends]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ([1, 6], [6]),
        ([1, 1, 6], [6]),
        ([6], [6]),
        ([1], [1]),
        ([1, 2, 5, 4], [2, 5, 4]),
        ([1, 1, 5, 4], [1, 5, 4]),
        ([2, 6], [2, 6]),
        ([2, 5, 4], [2, 5, 4]),
    ],
)
def test_leading_sizes_of_1_go(written, meant):
    neuron = nir.IF(full(1), full(1))
    graph = made(np.array(written), made(np.array(written), neuron))
    after = run_passes(graph, [drop_batch_sizes()])
    assert shapes(after) == shapes(after.nodes["n"]) == [meant, meant]
    assert after.nodes["n"].nodes["n"] is neuron
    assert shapes(graph) == [written, written]


@pytest.mark.parametrize("shape", [None, "text", np.array([1.0, 6.0]), np.array([[1, 6]])])
def test_what_is_no_shape_is_left_to_the_checks(shape):
    after = run_passes(made(shape, nir.Scale(full(1))), [drop_batch_sizes()])
    assert after.nodes["input"].input_type["input"] is shape
