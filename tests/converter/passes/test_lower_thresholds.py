"""A potential that meets the threshold exactly fires."""

from __future__ import annotations

import nir
import numpy as np
import pytest
import torch
from primitive_examples import N, full, graph_of

from inflor.converter.passes.base import run_passes
from inflor.converter.passes.lower_thresholds import lower_thresholds
from inflor.converter.simulate.execute import run


@pytest.mark.parametrize("make", [lambda: nir.IF(full(1), full(0.5), full(0)), lambda: nir.Threshold(full(0.5))])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_fires_at_the_threshold_and_not_below(make, dtype):
    graph = graph_of(make(), (N,), dt=1.0)
    lowered = run_passes(graph, [lower_thresholds()])
    half = np.float32(0.5)
    x = np.array([np.nextafter(half, np.float32(0)), half, np.nextafter(half, np.float32(1)), 0], np.float32)
    assert run(graph, x[None], 1, dtype=dtype).spikes["n"][0, 0].tolist() == [False, False, True, False]
    assert run(lowered, x[None], 1, dtype=dtype).spikes["n"][0, 0].tolist() == [False, True, True, False]


def test_readers_that_fire_above_the_threshold_find_the_number_below():
    graph = run_passes(graph_of(nir.IF(full(1), full(0.5), full(0)), (N,)), [lower_thresholds()])
    node = graph.nodes["n"]
    assert np.array_equal(node.metadata["threshold"], full(0.5))
    assert np.array_equal(np.nextafter(node.v_threshold, np.float32(1)), full(0.5))
    assert node.v_threshold.dtype == np.float32


def test_what_says_its_threshold_itself_stays():
    node = nir.IF(full(1), full(0.5), full(0))
    node.metadata["threshold"] = full(0.75)
    for made in (node, nir.I(full(1)), nir.Scale(full(1))):
        graph = graph_of(made, (N,))
        assert run_passes(graph, [lower_thresholds()]).nodes["n"] is graph.nodes["n"]
