"""Biases at the neurons that they end in."""

from __future__ import annotations

from dataclasses import replace

import float_graphs as build
import nir
import numpy as np
import pytest

from inflor.converter.errors import InputError
from inflor.quant.passes.carry_biases import carry_biases
from inflor.quant.passes.chains_to_projections import chains_to_projections

RNG = np.random.default_rng(0)


def test_a_bias_goes_through_what_follows_it() -> None:
    weight, bias, after = RNG.normal(size=(2, 1, 1, 1)), RNG.normal(size=2), RNG.normal(size=(3, 8))
    links = (
        build.conv(weight, bias),
        build.pool(nir.SumPool2d, 2),
        build.flatten((2, 2, 2)),
        nir.Affine(after, np.ones(3)),
    )
    fused = carry_biases(chains_to_projections(build.between(*links, shape=(1, 4, 4), end=(3,))))
    np.testing.assert_allclose(fused.bias["lif"], after @ np.repeat(4 * bias, 4) + 1)
    assert not fused.bias["input"].any()


def test_paths_that_meet_add_their_biases() -> None:
    nodes = {
        "input": build.source((2,)),
        "a": nir.Affine(np.eye(2), np.array([1.0, 2.0])),
        "b": nir.Affine(np.eye(2), np.array([10.0, 20.0])),
        "lif": build.fire((2,)),
        "output": build.sink((2,)),
    }
    edges = [("input", "a"), ("input", "b"), ("a", "lif"), ("b", "lif"), ("lif", "output")]
    fused = carry_biases(chains_to_projections(build.graph_of(nodes, edges)))
    assert fused.bias["lif"].tolist() == [11, 22]


def test_a_bias_before_a_delay_is_refused() -> None:
    graph = build.between(nir.Affine(np.eye(2), np.ones(2)), nir.Delay(np.ones(2)), shape=(2,))
    with pytest.raises(InputError, match="node 'link1': a bias before a Delay"):
        carry_biases(chains_to_projections(graph))


def test_a_bias_that_float64_rounds_is_refused_in_an_integer_network() -> None:
    """2**52 + 1 summed over four places."""
    links = (build.conv(np.ones((1, 1, 1, 1)), np.array([2.0**52 + 1])), build.pool(nir.SumPool2d, 2))
    graph = build.between(*links, shape=(1, 2, 2), end=(1, 1, 1))
    assert carry_biases(chains_to_projections(graph)).bias["lif"].item() == 2.0**54 + 4
    integers = replace(graph, info=replace(graph.info, stage="integer"))
    with pytest.raises(InputError, match="node 'link1': its bias, or one carried to it, is too large"):
        carry_biases(chains_to_projections(integers))
