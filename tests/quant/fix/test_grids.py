"""Weights that others trained on a grid keep their levels exactly, each channel at its own step."""

from __future__ import annotations

from dataclasses import replace

import float_graphs as build
import nir
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inflor.converter.nir.graph import Graph
from inflor.converter.simulate import execute
from inflor.quant.fix.grids import grid_steps, group_steps
from inflor.quant.fix.options import Options
from inflor.quant.fix.pipeline import quantize
from inflor.quant.operators import weighted
from inflor.targets.running import run

STEPS = 40


@given(st.integers(1, 127), st.integers(0, 1000), st.floats(1e-6, 1e6))
def test_the_step_of_a_row_is_found(levels: int, seed: int, step: float) -> None:
    rng = np.random.default_rng(seed)
    row = rng.integers(-levels, levels + 1, 200)
    row[:2] = levels, 1
    weight = (row * np.float32(step)).astype(np.float32).astype(np.float64)[None]
    assert grid_steps(weight, 127) == pytest.approx([float(np.float32(step))], rel=1e-5)
    if levels > 1:
        assert np.isnan(grid_steps(weight, levels - 1))


def test_what_stands_on_none() -> None:
    rows = np.array([np.linspace(-1, 1, 300) ** 3, np.zeros(300), np.linspace(-1, 1, 300) ** 5])
    assert np.isnan(grid_steps(rows, 127)).tolist() == [True, False, True]
    steps = group_steps(np.array([[0.5, 1.0], [0.25, 0.75], [0.3, 0.1]]), np.array([0, 0, 1]), 2, 7)
    assert steps == pytest.approx([0.25, 0.1])
    assert np.isnan(group_steps(np.array([[0.5, 1.0], [0.3, 0.7]]), np.array([0, 0]), 1, 3)).all()


def trained(bits: int, steps: np.ndarray, seed: int = 0) -> Graph:
    """IF neurons behind weights of so many bits times a step for each channel."""
    rng, top = np.random.default_rng(seed), 2 ** (bits - 1) - 1
    first, second = rng.integers(-top, top + 1, (24, 20)), rng.integers(-top, top + 1, (6, 24))

    def fire(n: int) -> nir.IF:
        return nir.IF(np.ones(n), steps[:n] * top * 1.3, v_reset=np.zeros(n))

    nodes = {
        "input": build.source((20,)),
        "a": nir.Linear((first * steps[:24, None]).astype(np.float32)),
        "n1": fire(24),
    }
    nodes |= {"b": nir.Linear((second * steps[:6, None]).astype(np.float32)), "n2": fire(6), "output": build.sink((6,))}
    graph = build.graph_of(nodes)
    return replace(graph, info=replace(graph.info, timesteps=STEPS, encoding="frames", says_timesteps=True))


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("one_step", [True, False])
def test_trained_levels_are_kept_to_the_spike(bits: int, one_step: bool) -> None:
    steps = np.full(24, 0.125) if one_step else np.random.default_rng(1).uniform(0.05, 0.3, 24)
    graph = trained(bits, steps)
    x = (np.random.default_rng(2).random((12, STEPS, 20)) < 0.3).astype(np.float32)
    network, report = quantize(graph, x, options=Options(bits=bits))
    due = execute.run(graph, torch.from_numpy(x).transpose(0, 1), STEPS, dtype=torch.float64).spikes
    found = run(network, "cpu", x, keep_spikes=True)
    for q, node in zip(network.projections, "ab", strict=True):
        levels = np.rint(graph.nodes[node].weight / steps[: len(graph.nodes[node].weight), None])
        assert np.array_equal(weighted(q.operators).weight, levels * (q.operators[0].weight.max() / levels.max()))
    for layer in report.layers:
        assert layer.trained_levels == 2 ** (bits - 1) - 1
        assert layer.weight_snr_db is None or layer.weight_snr_db > 50  # the threshold is no multiple of the step
        assert np.array_equal(found.spikes(layer.population), due[layer.population].transpose(0, 1).numpy())


def test_fewer_bits_than_theirs_are_told() -> None:
    x = (np.random.default_rng(2).random((12, STEPS, 20)) < 0.3).astype(np.float32)
    _, report = quantize(trained(4, np.full(24, 0.125)), x, options=Options(bits=3))
    assert [layer.trained_levels for layer in report.layers] == [7, 7]
    assert all(layer.weight_snr_db < 20 for layer in report.layers)


def test_a_fan_in_beside_which_a_weight_is_nothing() -> None:
    """1,500 weights of 1 into a threshold of 30,000: no register is too narrow, and all were rounded to 0."""
    nodes = {"input": build.source((1500,)), "w": nir.Linear(np.ones((3, 1500), np.float32))}
    nodes |= {"n": nir.IF(np.ones(3), np.full(3, 30000.0), v_reset=np.zeros(3)), "output": build.sink((3,))}
    graph = build.graph_of(nodes)
    graph = replace(graph, info=replace(graph.info, timesteps=60, encoding="frames", says_timesteps=True))
    x = np.ones((3, 60, 1500), np.float32)
    network, report = quantize(graph, x)
    assert report.layers[0].weight_snr_db is None
    due = execute.run(graph, torch.from_numpy(x).transpose(0, 1), 60, dtype=torch.float64).spikes["n"]
    assert run(network, "cpu", x, keep_spikes=True).spikes("n").sum() == int(due.sum()) > 0
