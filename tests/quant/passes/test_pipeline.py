"""Fused chains against the float executor, which knows nothing of fusing."""

from __future__ import annotations

import itertools

import nir
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.validate import validate
from inflor.converter.primitives.fields import make_node
from inflor.converter.simulate import execute
from inflor.quant.operators import Scale, Weighted, apply_chain, weight_tensor
from inflor.quant.passes.fused import FusedGraph
from inflor.quant.passes.pipeline import fuse


def graph_of(nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]]) -> Graph:
    graph = nir.NIRGraph(nodes, edges, type_check=False)
    return validate(graph, "drawn.nir")


def conv(
    rng: np.random.Generator, inputs: int, outputs: int, kernel: int = 3, groups: int = 1, **fields: object
) -> nir.Conv2d:
    values = {
        "input_shape": None,
        "weight": rng.normal(size=(outputs, inputs // groups, kernel, kernel)),
        "stride": 1,
        "padding": 1,
        "dilation": 1,
        "groups": groups,
        "bias": rng.normal(size=outputs),
    }
    return make_node(nir.Conv2d, values | fields, {})


def integrate(shape: tuple[int, ...]) -> nir.I:
    return nir.I(r=np.ones(shape))


def current(fused: FusedGraph, target: str, x: dict[str, torch.Tensor]) -> torch.Tensor:
    total = torch.from_numpy(fused.bias[target])
    for q in fused.projections:
        if q.target == target:
            total = total + apply_chain(q.operators, x[q.source], weight_tensor(q.operators, torch.float64))
    return total


LINKS = ("conv", "grouped", "scale_channel", "scale_one", "avgpool", "sumpool", "padded")


@given(st.lists(st.sampled_from(LINKS), min_size=1, max_size=5), st.integers(0, 2**32 - 1), st.sampled_from((7, 8)))
@settings(max_examples=80, suppress_health_check=list(HealthCheck))
def test_any_chain_brings_the_same_current(links: list[str], seed: int, size: int) -> None:
    """Conv, scale and pool in any order, then a flatten and a matrix: at most one weighted operator is left."""
    rng = np.random.default_rng(seed)
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input(input_type={"input": np.array([4, size, size])})}
    height = size
    for index, link in enumerate(links):
        if link in ("avgpool", "sumpool", "padded") and height < 3:
            continue
        kind = nir.SumPool2d if link == "sumpool" else nir.AvgPool2d
        padding = int(link == "padded")
        made = {
            "conv": lambda: conv(rng, 4, 4),
            "grouped": lambda: conv(rng, 4, 4, kernel=1, groups=2, padding=0),
            "scale_channel": lambda h=height: nir.Scale(np.broadcast_to(rng.normal(size=(4, 1, 1)), (4, h, h)).copy()),
            "scale_one": lambda h=height: nir.Scale(np.full((4, h, h), rng.normal())),
        }.get(link, lambda k=kind, p=padding: k(np.array([2, 2]), np.array([2, 2]), np.array([p, p])))
        nodes[f"{link}_{index}"] = made()
        if link in ("avgpool", "sumpool", "padded"):
            height = (height + 2 * padding - 2) // 2 + 1
    nodes["flatten"] = nir.Flatten({"input": np.array([4, height, height])}, 0, -1)
    nodes["affine"] = nir.Affine(rng.normal(size=(3, 4 * height * height)), rng.normal(size=3))
    nodes |= {"readout": integrate((3,)), "output": nir.Output(output_type={"output": np.array([3])})}
    names = list(nodes)
    graph = graph_of(nodes, list(itertools.pairwise(names)))
    x = torch.from_numpy(rng.normal(size=(3, 4, size, size)))
    fused = fuse(graph)
    assert all(sum(isinstance(op, Weighted) for op in q.operators) == 1 for q in fused.projections)
    expected = execute.run(graph, x, 1, currents=["readout"], dtype=torch.float64).currents["readout"][0]
    torch.testing.assert_close(current(fused, "readout", {"input": x}), expected, rtol=1e-9, atol=1e-9)


def residual(rng: np.random.Generator) -> Graph:
    shape = (2, 5, 5)
    fire = {"r": np.ones(shape), "v_threshold": np.full(shape, 0.5), "v_reset": np.zeros(shape)}
    nodes = {
        "input": nir.Input(input_type={"input": np.array(shape)}),
        "conv1": conv(rng, 2, 2),
        "first": nir.IF(**fire),
        "conv2": conv(rng, 2, 2),
        "second": nir.IF(**fire),
        "flatten": nir.Flatten({"input": np.array(shape)}, 0, -1),
        "fc": nir.Affine(rng.normal(size=(3, 50)), rng.normal(size=3)),
        "readout": integrate((3,)),
        "output": nir.Output(output_type={"output": np.array([3])}),
    }
    edges = [("input", "conv1"), ("conv1", "first"), ("first", "conv2"), ("conv2", "second"), ("first", "second")]
    return graph_of(nodes, [*edges, ("second", "flatten"), ("flatten", "fc"), ("fc", "readout"), ("readout", "output")])


def test_an_identity_becomes_a_scale_of_one() -> None:
    fused = fuse(residual(np.random.default_rng(0)))
    identity = next(q for q in fused.projections if q.target == "second" and not q.nodes)
    (operator,) = identity.operators
    assert isinstance(operator, Scale)
    assert operator.weight.item() == 1.0


def test_a_bias_is_counted_once_where_two_paths_share_a_node() -> None:
    """Both neurons feed one convolution: two projections, one bias."""
    graph = residual(np.random.default_rng(1))
    nodes = dict(graph.nodes)
    edges = [*(e for e in graph.edges if e != ("first", "second")), ("first", "flatten")]
    shared = graph_of(nodes, edges)
    fused = fuse(shared)
    into = [q for q in fused.projections if q.target == "readout"]
    assert sorted(q.source for q in into) == ["first", "second"]
    np.testing.assert_allclose(fused.bias["readout"], nodes["fc"].bias)


def test_two_convolutions_without_a_neuron_are_refused_by_name() -> None:
    graph = residual(np.random.default_rng(2))
    nodes = {**graph.nodes, "extra": conv(np.random.default_rng(0), 2, 2)}
    edges = [e for e in graph.edges if e != ("conv2", "second")]
    doubled = graph_of(nodes, [*edges, ("conv2", "extra"), ("extra", "second")])
    with pytest.raises(InputError, match=r"drawn\.nir: first -> conv2 -> extra -> second.*between them"):
        fuse(doubled)
