"""Maxima become groups of input ports; what does not commute with them is refused by name."""

from __future__ import annotations

from typing import Any

import float_graphs as build
import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pooled import windows

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.fields import make_node
from inflor.converter.primitives.pool import max_pool, windows_of
from inflor.converter.primitives.windows import Windows
from inflor.converter.simulate import execute
from inflor.quant.operators import apply_chain, weight_tensor
from inflor.quant.passes.fused import FusedGraph
from inflor.quant.passes.merge_maxima import merge_maxima
from inflor.quant.passes.pipeline import fuse

RNG = np.random.default_rng(0)
SQUARE = Windows(kernel=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1))
SHAPE = (2, 6, 8)


def weights(*shape: int) -> np.ndarray:
    return RNG.integers(-8, 9, shape) / 8


def scale(values: Any, shape: tuple[int, ...]) -> nir.Scale:
    return make_node(nir.Scale, {"scale": np.broadcast_to(np.asarray(values, np.float64), shape)}, {})


def conv(bias: Any = None, padding: int = 1) -> nir.Conv2d:
    return build.conv(weights(3, 2, 3, 3), None if bias is None else np.asarray(bias, np.float64), padding=padding)


def flatten(shape: tuple[int, ...]) -> nir.Flatten:
    return build.flatten(shape)


def current(fused: FusedGraph, target: str, x: torch.Tensor) -> torch.Tensor:
    """What arrives at a population if all of its sources send `x`, by its chains, groups and bias."""
    shape = fused.graph.output_shapes[target]
    total = torch.from_numpy(np.array(fused.bias[target]))[None]
    maps: dict[str, Any] = {}
    for q in fused.projections:
        if q.target == target:
            made = apply_chain(q.operators, x, weight_tensor(q.operators, torch.float64))
            maps[q.group] = maps.get(q.group, 0) + made
    for group in fused.groups.get(target, ()):
        total = total + group.windows.maximum(maps.pop(group.name)).reshape(len(x), *shape)
    return total + maps.pop("", 0)


def agrees(graph: Graph, target: str = "lif") -> FusedGraph:
    """The graph, fused; what arrives at the target is what the float executor says."""
    fused = fuse(graph)
    x = torch.from_numpy(RNG.normal(size=(3, *graph.output_shapes["input"])))
    run = execute.run(graph, x, 1, currents=[target], dtype=torch.float64)
    torch.testing.assert_close(current(fused, target, x), run.currents[target][0], rtol=0, atol=1e-12)
    return fused


def test_what_stands_behind_a_maximum_goes_before_it() -> None:
    pooled = (3, 3, 4)
    half = np.array([0.5, 2.0, 0.25]).reshape(3, 1, 1)
    links = (conv([0.5, -1.0, 0.25]), max_pool(SQUARE), scale(half, pooled), flatten(pooled), scale(2.0, (36,)))
    fused = agrees(build.between(*links, shape=SHAPE, end=(36,)))
    (q,), (group,) = fused.projections, fused.groups["lif"]
    assert (q.group, group.name, group.shape) == ("link1", "link1", (3, 6, 8))
    assert [str(op) for op in q.operators] == ["conv 3x3 stride 1x1"]


def norm(factors: list[float]) -> nir.Conv2d:
    """What a batch normalization behind a pool is written as: a factor and a bias for each channel."""
    return build.conv(np.reshape(factors, (3, 1, 1, 1)), np.array([0.5, -2.0, 1.0]), groups=3)


def test_a_normalization_behind_a_maximum_goes_before_it() -> None:
    fused = agrees(
        build.between(conv([0.5, -1.0, 0.25]), max_pool(SQUARE), norm([0.5, 2, 0.25]), shape=SHAPE, end=POOLED)
    )
    assert [[str(op) for op in q.operators] for q in fused.projections] == [["conv 3x3 stride 1x1"]]
    with pytest.raises(InputError, match=r"'link2'.*scales the maximum of 'link1' by -2; only a factor above 0"):
        fuse(build.between(conv(), max_pool(SQUARE), norm([0.5, -2, 0.25]), shape=SHAPE, end=POOLED))


def test_sums_before_a_maximum_and_beside_it() -> None:
    """Two paths into one maximum, one beside it, an average pool before, and the input into a maximum of its own."""
    shape = (3, 3, 4)
    nodes = {
        "input": build.source(SHAPE),
        "a": conv([1.0, 2.0, 3.0]),
        "mean": build.pool(nir.AvgPool2d, 1),
        "b": conv(),
        "pool": max_pool(SQUARE),
        "beside": build.conv(weights(3, 2, 2, 2), np.array([-1.0, 0, 1]), stride=2),
        "image": max_pool(SQUARE),
        "c": build.conv(weights(3, 2, 1, 1)),
        "lif": build.fire(shape),
        "other": build.fire((2, 3, 4)),
        "output": build.sink(shape),
        "output2": build.sink((2, 3, 4)),
    }
    edges = [("input", "a"), ("input", "mean"), ("mean", "b"), ("a", "pool"), ("b", "pool"), ("pool", "lif")]
    edges += [("input", "beside"), ("beside", "lif"), ("input", "image"), ("image", "other")]
    edges += [("lif", "output"), ("other", "output2")]
    del nodes["c"]
    fused = agrees(build.graph_of(nodes, edges))
    assert sorted(q.group for q in fused.projections) == ["", "image", "pool", "pool"]
    agrees(build.graph_of(nodes, edges), "other")
    (image,) = (q for q in fused.projections if q.group == "image")
    assert image.weights == 0


def test_one_pool_before_two_populations() -> None:
    shape = (3, 3, 4)
    nodes = {"input": build.source(SHAPE), "conv": conv(), "pool": max_pool(SQUARE), "twice": scale(2.0, shape)}
    nodes |= {"lif": build.fire(shape), "lif2": build.fire(shape), "output": build.sink(shape)}
    edges = [("input", "conv"), ("conv", "pool"), ("pool", "lif"), ("pool", "lif2"), ("pool", "twice")]
    edges += [("twice", "lif2"), ("lif", "output"), ("lif2", "output")]
    fused = agrees(build.graph_of(nodes, edges), "lif2")
    assert [g.name for g in fused.groups["lif"]] == ["pool__lif"]
    assert [g.name for g in fused.groups["lif2"]] == ["pool__lif2", "pool__lif2_"]


POOLED = (3, 3, 4)
UNEVEN = np.ones(POOLED)
UNEVEN[0, 0, 0] = 2


@pytest.mark.parametrize(
    ("behind", "end", "message"),
    [
        (
            (build.conv(weights(2, 3, 1, 1)),),
            (2, 3, 4),
            r"'link1' \(SumPool2d\): its maximum goes through 'link2' \(Conv2d\)",
        ),
        ((build.pool(nir.SumPool2d, 1),), POOLED, r"goes through 'link2' \(SumPool2d\).*put a neuron between them"),
        ((scale(-1.0, POOLED),), POOLED, "'link2'.*scales the maximum of 'link1' by -1; only a factor above 0"),
        ((scale(0.0, POOLED),), POOLED, "by 0; only a factor above 0"),
        ((scale(UNEVEN, POOLED),), POOLED, "by different factors within a channel"),
        (
            (max_pool(Windows(kernel=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(2, 2))),),
            (3, 1, 1),
            "join the two",
        ),
    ],
)
def test_what_does_not_commute_is_refused(behind: tuple[nir.NIRNode, ...], end: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fuse(build.between(conv(), max_pool(SQUARE), *behind, shape=SHAPE, end=end))


def test_maxima_of_spikes_have_another_form() -> None:
    nodes = {"input": build.source(SHAPE), "first": build.fire(SHAPE), "pool": max_pool(SQUARE)}
    nodes |= {"conv": build.conv(weights(3, 2, 1, 1)), "lif": build.fire((3, 3, 4)), "output": build.sink((3, 3, 4))}
    with pytest.raises(InputError, match=r"'pool'.*for the maximum of spikes write a SumPool2d and a Threshold"):
        fuse(build.graph_of(nodes))


def test_biases_that_differ_within_a_window_are_refused() -> None:
    """A bias through a padded convolution is another at the border."""
    links = (conv([1.0, 2.0, 3.0]), build.conv(np.ones((3, 1, 3, 3)), padding=1, groups=3), max_pool(SQUARE))
    with pytest.raises(InputError, match=r"'link2' \(SumPool2d\): the biases that arrive differ within a window"):
        fuse(build.between(*links, shape=SHAPE, end=(3, 3, 4)))


@settings(max_examples=60)
@given(windows((6, 8)), st.data())
def test_a_maximum_of_maxima_is_one_where_windows_allow(first: Windows, data: st.DataObject) -> None:
    inner = first.pooled(SHAPE)
    second = data.draw(windows(inner[1:]))
    try:
        shape = second.pooled(inner)
        graph = build.between(max_pool(first), max_pool(second), shape=SHAPE, end=shape)
    except InputError:
        return  # it does not fit
    merged = merge_maxima(graph)
    x = torch.from_numpy(RNG.normal(-3, 1, size=(2, *SHAPE)))
    runs = [execute.run(g, x, 1, currents=["lif"], dtype=torch.float64).currents["lif"] for g in (graph, merged)]
    torch.testing.assert_close(*runs, rtol=0, atol=0)
    assert set(merged.nodes) in (set(graph.nodes), set(graph.nodes) - {"link0"})


def test_the_usual_pools_are_merged() -> None:
    graph = build.between(max_pool(SQUARE), max_pool(SQUARE), shape=(2, 8, 8), end=(2, 2, 2))
    merged = merge_maxima(graph)
    assert list(merged.nodes) == ["input", "link1", "lif", "output"]
    assert windows_of(merged.nodes["link1"]) == Windows(kernel=(4, 4), stride=(4, 4), padding=(0, 0), dilation=(1, 1))
    agrees(graph)


def test_maxima_of_sums_of_spikes_have_no_other_form() -> None:
    """They were told to be written as one of spikes, which is another network: a sum may be 2."""
    nodes = {"input": build.source(SHAPE), "a": build.fire(SHAPE), "b": build.fire(SHAPE), "pool": max_pool(SQUARE)}
    nodes |= {"conv": build.conv(weights(3, 2, 1, 1)), "lif": build.fire((3, 3, 4)), "output": build.sink((3, 3, 4))}
    edges = [("input", "a"), ("a", "b"), ("a", "pool"), ("b", "pool")]
    edges += [("pool", "conv"), ("conv", "lif"), ("lif", "output")]
    with pytest.raises(InputError, match=r"'pool'.*put a neuron between them"):
        fuse(build.graph_of(nodes, edges))
