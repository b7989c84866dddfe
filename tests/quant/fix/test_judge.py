"""What quantization reports is measured in spikes, on samples that chose nothing."""

from __future__ import annotations

from dataclasses import replace

import float_graphs as build
import nir
import numpy as np
import pytest
import torch

from inflor.converter.nir.graph import Graph
from inflor.converter.simulate import execute
from inflor.quant.fix import judge as module
from inflor.quant.fix.judge import judge
from inflor.quant.fix.options import Options
from inflor.quant.fix.pipeline import quantize
from inflor.targets.running import run

STEPS = 12


@pytest.fixture(scope="module")
def graph() -> Graph:
    rng = np.random.default_rng(0)
    ones = np.ones(10)
    nodes = {
        "input": build.source((6,)),
        "w": nir.Affine(rng.normal(0.1, 0.5, (10, 6)), rng.normal(0.1, 0.2, 10)),
        "n": nir.LIF(4 * ones, 4 * ones, 0 * ones, ones, v_reset=0 * ones),
        "back": nir.Linear(rng.normal(0, 0.4, (10, 10))),
        "out": nir.Linear(rng.normal(0, 0.4, (3, 10))),
        "readout": nir.I(np.ones(3)),
        "output": build.sink((3,)),
    }
    edges = [
        ("input", "w"),
        ("w", "n"),
        ("n", "back"),
        ("back", "n"),
        ("n", "out"),
        ("out", "readout"),
        ("readout", "output"),
    ]
    made = build.graph_of(nodes, edges)
    return replace(made, info=replace(made.info, timesteps=STEPS, encoding="frames", says_timesteps=True))


def samples(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, STEPS, 6)).astype(np.float32)


def test_others_than_the_calibration_samples_are_judged(graph: Graph) -> None:
    x = samples(100)
    _, report = quantize(graph, x, np.arange(100) % 3, Options(samples=40))
    assert (report.samples, report.judged, report.held_out) == (40, 40, True)
    assert report.accuracy_float is not None
    _, report = quantize(graph, x, options=Options(samples=90))
    assert (report.samples, report.judged, report.held_out) == (90, 90, False)
    _, report = quantize(graph, x[:8], options=Options(samples=3))
    assert (report.samples, report.judged, report.held_out) == (3, 3, True)


@pytest.mark.parametrize("chunk", [1, 1 << 26])
def test_it_counts_what_runs_of_both_give(graph: Graph, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    network, _ = quantize(graph, samples(40), options=Options(bits=3))
    x = samples(12, 5)
    found = judge(graph, network, x, np.arange(12) % 3)
    due = execute.run(graph, torch.from_numpy(x).transpose(0, 1), STEPS)
    record = run(network, "cpu", x, keep_spikes=True)
    mine, theirs = record.spikes("n"), due.spikes["n"].transpose(0, 1).numpy()
    activity = found.activities["n"]
    assert activity.rate_float == pytest.approx(theirs.mean())
    assert activity.rate_integer == pytest.approx(mine.mean())
    assert activity.agreement == pytest.approx((mine == theirs).mean())
    differs = np.flatnonzero((mine != theirs).any((0, 2)))
    assert activity.first_diverging_step == (int(differs[0]) if len(differs) else None)
    rest = run(network, "cpu", np.zeros((1, STEPS, 6), np.float32), keep_spikes=True).spikes("n")
    assert activity.rest_integer == pytest.approx(rest.mean())
    assert found.accuracy_integer == pytest.approx((record.predictions == np.arange(12) % 3).mean())


def test_neurons_that_fall_silent_or_wake_are_counted(graph: Graph) -> None:
    network, _ = quantize(graph, samples(40))
    rule = network.by_name["n"].rule
    threshold = np.broadcast_to(rule.threshold, (10,)).copy()
    threshold[0], threshold[1] = 1 << 20, -1
    changed = tuple(p.with_rule(threshold=threshold) if p.name == "n" else p for p in network.populations)
    activity = judge(graph, replace(network, populations=changed), samples(12, 5), None).activities["n"]
    assert activity.silenced == 1
    assert activity.rest_integer > 0
