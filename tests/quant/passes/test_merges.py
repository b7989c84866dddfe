"""The passes that merge operators leave the matrix of every chain what it was."""

from __future__ import annotations

import float_graphs as build
import nir
import numpy as np
import pytest

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.quant.operators import Conv, Flatten, Linear, Scale, SumPool
from inflor.quant.passes import merge_linear as linear_module
from inflor.quant.passes.chains_to_projections import chains_to_projections
from inflor.quant.passes.fold_means import fold_means
from inflor.quant.passes.fused import FusedGraph
from inflor.quant.passes.mark_identities import mark_identities
from inflor.quant.passes.merge_convolutions import merge_convolutions
from inflor.quant.passes.merge_linear import merge_linear
from inflor.quant.passes.merge_scales import merge_scales
from inflor.quant.passes.name_operators import name_operators
from inflor.quant.passes.pools_to_sums import pools_to_sums
from inflor.quant.passes.scale_source import scale_source

RNG = np.random.default_rng(0)
SHAPE = (2, 4, 4)


def chains(graph: Graph) -> FusedGraph:
    return chains_to_projections(pools_to_sums(graph))


def channels(values: np.ndarray, shape: tuple[int, ...]) -> nir.Scale:
    return nir.Scale(np.broadcast_to(values.reshape(-1, 1, 1), shape).copy())


def kinds(fused: FusedGraph) -> list[list[type]]:
    return [[type(op) for op in q.operators] for q in fused.projections]


def matrices(fused: FusedGraph) -> list[np.ndarray]:
    return [q.factor * build.matrix_of(q.operators, fused.graph.output_shapes[q.source]) for q in fused.projections]


def test_scales_go_into_the_convolution_between_them() -> None:
    links = (
        channels(RNG.normal(size=2), SHAPE),
        build.pool(nir.SumPool2d, 2),
        build.conv(RNG.normal(size=(4, 1, 1, 1)), groups=2),
        channels(RNG.normal(size=4), (4, 2, 2)),
    )
    before = chains(build.between(*links, shape=SHAPE, end=(4, 2, 2)))
    after = merge_scales(before)
    assert kinds(after) == [[SumPool, Conv]]
    np.testing.assert_allclose(matrices(after), matrices(before), rtol=1e-12)


def test_a_scale_per_neuron_passes_a_flatten() -> None:
    links = (nir.Scale(RNG.normal(size=SHAPE)), build.flatten(SHAPE), nir.Linear(RNG.normal(size=(3, 32))))
    before = chains(build.between(*links, shape=SHAPE, end=(3,)))
    after = merge_scales(before)
    assert kinds(after) == [[Flatten, Linear]]
    np.testing.assert_allclose(matrices(after), matrices(before), rtol=1e-12)


def test_a_scale_that_stays_alone_goes_to_its_target() -> None:
    before = chains(build.between(nir.Scale(RNG.normal(size=SHAPE)), build.flatten(SHAPE), shape=SHAPE, end=(32,)))
    after = merge_scales(before)
    assert kinds(after) == [[Flatten, Scale]]
    np.testing.assert_allclose(matrices(after), matrices(before), rtol=1e-12)


def two_matrices() -> FusedGraph:
    links = (build.conv(RNG.normal(size=(3, 2, 3, 3))), build.flatten((3, 2, 2)), nir.Linear(RNG.normal(size=(5, 12))))
    return chains(build.between(*links, shape=SHAPE, end=(5,)))


@pytest.mark.parametrize("passing", [1 << 27, 100])
def test_two_weighted_operators_become_their_product(monkeypatch: pytest.MonkeyPatch, passing: int) -> None:
    monkeypatch.setattr(linear_module, "MAX_PASSING", passing)  # all unit vectors at once, or a few at a time
    before = two_matrices()
    after = merge_linear(before)
    assert kinds(after) == [[Flatten, Linear]]
    np.testing.assert_allclose(matrices(after), matrices(before), rtol=1e-12)


@pytest.mark.parametrize("limit", ["MAX_MATRIX", "MAX_WORK"])
def test_a_product_too_large_is_refused_by_its_path(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(linear_module, limit, 100)
    with pytest.raises(InputError, match=r"drawn\.nir: input -> link0 -> link1 -> link2 -> lif: two weighted"):
        merge_linear(two_matrices())


def depthwise(channels: int, kernel: int, **options: int) -> nir.Conv2d:
    return build.conv(RNG.normal(size=(channels, 1, kernel, kernel)), groups=channels, **options)


def pointwise(out: int, inner: int) -> nir.Conv2d:
    return build.conv(RNG.normal(size=(out, inner, 1, 1)))


@pytest.mark.parametrize(
    ("links", "end", "kernel"),
    [
        ((depthwise(2, 3, padding=1), pointwise(4, 2)), (4, 4, 4), (4, 2, 3, 3)),
        ((pointwise(4, 2), depthwise(4, 3, padding=1)), (4, 4, 4), (4, 2, 3, 3)),
        ((pointwise(4, 2), depthwise(4, 3, padding=1), pointwise(3, 4)), (3, 4, 4), (3, 2, 3, 3)),
        (
            (build.conv(RNG.normal(size=(4, 2, 2, 2)), stride=2), build.conv(RNG.normal(size=(3, 4, 2, 2)))),
            (3, 1, 1),
            (3, 2, 4, 4),
        ),
        ((build.conv(RNG.normal(size=(4, 1, 2, 2)), groups=2), depthwise(4, 2)), (4, 2, 2), (4, 1, 3, 3)),
        ((pointwise(4, 2), build.pool(nir.SumPool2d, 2), pointwise(3, 4)), (3, 2, 2), (3, 2, 2, 2)),
        ((build.conv(RNG.normal(size=(4, 2, 1, 1)), stride=2), pointwise(3, 4)), (3, 2, 2), (3, 2, 1, 1)),
    ],
)
def test_convolutions_in_a_row_become_one(
    links: tuple[nir.NIRNode, ...], end: tuple[int, ...], kernel: tuple[int, ...]
) -> None:
    before = chains(build.between(*links, shape=SHAPE, end=end))
    after = merge_linear(merge_convolutions(before))
    (q,) = after.projections
    assert kinds(after) == [[Conv]]
    assert q.operators[0].weight.shape == kernel
    np.testing.assert_allclose(matrices(after), matrices(before), rtol=1e-9, atol=1e-12)


def test_a_padded_convolution_behind_a_wide_one_is_refused_by_its_path() -> None:
    links = (build.conv(RNG.normal(size=(4, 2, 3, 3)), padding=1), build.conv(RNG.normal(size=(3, 4, 3, 3)), padding=1))
    before = chains(build.between(*links, shape=SHAPE, end=(3, 4, 4)))
    assert kinds(merge_convolutions(before)) == [[Conv, Conv]]
    with pytest.raises(InputError, match="two weighted nodes without a neuron between them"):
        merge_linear(merge_convolutions(before))


def test_a_convolution_that_only_scales_goes_into_the_one_beside_it() -> None:
    """As a batch normalization behind an average pool does, and one that other layers read beside it."""
    links = (build.conv(RNG.normal(size=(4, 2, 3, 3)), padding=1), build.pool(nir.AvgPool2d, 2), depthwise(4, 1))
    before = chains(build.between(*links, shape=SHAPE, end=(4, 2, 2)))
    after = merge_scales(before)
    assert kinds(after) == [[Conv, SumPool]]
    np.testing.assert_allclose(matrices(after), matrices(before), rtol=1e-12)


def test_a_path_without_weights_becomes_an_identity() -> None:
    before = chains(build.between(build.pool(nir.AvgPool2d, 2), shape=SHAPE, end=(2, 2, 2)))
    after = fold_means(mark_identities(merge_linear(merge_scales(before))))
    (q,) = after.projections
    assert kinds(after) == [[SumPool, Scale]]
    assert (q.operators[-1].name, q.operators[-1].weight.item(), q.weights, q.factor) == ("input_to_lif", 0.25, 0, 1.0)
    np.testing.assert_allclose(matrices(after), matrices(before), rtol=1e-12)


def test_means_and_units_go_into_weights() -> None:
    links = (build.pool(nir.AvgPool2d, 2), build.conv(RNG.normal(size=(4, 2, 1, 1))))
    before = chains(build.between(*links, shape=SHAPE, end=(4, 2, 2)))
    after = fold_means(before)
    assert [q.factor for q in after.projections] == [1.0]
    np.testing.assert_allclose(matrices(after), matrices(before), rtol=1e-12)
    np.testing.assert_allclose(matrices(scale_source(after, "input", 3.0)), 3 * np.array(matrices(before)), rtol=1e-12)
    assert matrices(scale_source(after, "lif", 3.0))[0].tolist() == matrices(after)[0].tolist()


def test_a_node_that_feeds_two_neurons_becomes_two_operators() -> None:
    nodes = {"input": build.source((2,)), "w": nir.Linear(np.eye(2)), "a": build.fire((2,)), "b": build.fire((2,))}
    edges = [("input", "w"), ("w", "a"), ("w", "b"), ("a", "b"), ("b", "output")]
    named = name_operators(mark_identities(chains(build.graph_of({**nodes, "output": build.sink((2,))}, edges))))
    assert [op.name for q in named.projections for op in q.operators] == ["w__a", "w__b", "a_to_b"]
