"""Histograms of membrane potentials, against loops written out."""

from __future__ import annotations

import itertools
import math
from typing import Any

import nir
import numpy as np
import pytest
import specified
import torch
from nir_by_hand import ByHand

from inflor.converter.nir.metadata import METADATA_KEY, RECTIFIED, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.simulate import execute
from inflor.converter.train import export
from inflor.converter.train.architecture import SpikingNetwork
from inflor.converter.train.networks import build
from inflor.converter.train.neurons import NeuronConfig
from inflor.quant.fix.options import Options
from inflor.quant.fix.pipeline import quantize
from inflor.targets.cpu.potentials import histograms

EDGES = np.round(np.arange(-60, 101) * 0.05, 2)


def _networks(kind: str):
    torch.manual_seed(0)
    network = SpikingNetwork(build("mlp", (1, 4, 4), 3, channels=8), NeuronConfig.preset(kind), timesteps=5).eval()
    about = {RECTIFIED: True} if network.neuron.mpr else {}
    graph, _ = export.to_nir(network, ModelInfo(timesteps=5, provenance=about))
    x = torch.rand(12, 1, 4, 4).numpy() * 2
    integers, _ = quantize(graph, x, options=Options(samples=12))
    return graph, integers, x


def phi(u: float) -> float:
    """The rectifier, as the paper has it."""
    if u < 0:
        return 1 - (1 - u) ** (1 / 3)
    if u > 1:
        return u ** (1 / 3)
    return math.tanh(3 * (u - 0.5)) / (2 * math.tanh(1.5)) + 0.5


@pytest.mark.parametrize("kind", ["srif", "if", "lif"])
def test_every_potential_is_counted_where_it_lies(kind: str) -> None:
    graph, integers, x = _networks(kind)
    found = {h.population: h for h in histograms(graph, integers, x, EDGES)}
    neurons = [name for name, node in graph.nodes.items() if type(node).__name__ in ("IF", "LIF")]
    assert list(found) == neurons
    real = execute.run(graph, torch.from_numpy(x), 5, currents=neurons, dtype=torch.float64)
    states = [specified.states(integers, image) for image in integers.quantize_input(x)]
    for name, histogram in found.items():
        node, population = graph.nodes[name], integers.by_name[name]
        theta = float(np.ravel(node.metadata.get("threshold", node.v_threshold))[0])
        before, fired = _float_potentials(node, real.currents[name].numpy())
        assert np.array_equal(fired, real.spikes[name].numpy())
        before = before / theta
        # Two values may lie so close to an edge that rounding decides.
        assert abs(histogram.before - np.histogram(before, EDGES)[0]).sum() <= 2
        assert histogram.beyond == pytest.approx(((before < EDGES[0]) | (before >= EDGES[-1])).mean(), abs=1e-6)
        unit = np.broadcast_to(population.scale, population.shape) / 2.0**population.rule.fraction_bits / theta
        v = np.stack([state[name][1] for state in states])  # [B, T, *shape]
        assert abs(histogram.integer - np.histogram(v * unit, EDGES)[0]).sum() <= 2
        error = np.sqrt(((np.moveaxis(v * unit, 0, 1) - before) ** 2).mean())
        assert histogram.error == pytest.approx(error, rel=1e-6)
        if kind == "srif":
            behind = np.vectorize(phi)(before / 2) * 2
            assert abs(histogram.rectified - np.histogram(behind, EDGES)[0]).sum() <= 2
            above = EDGES[:-1] >= 1
            beyond = int((before >= EDGES[-1]).sum()) - int((behind >= EDGES[-1]).sum())
            assert histogram.rectified[above].sum() == histogram.before[above].sum() + beyond
        else:
            assert histogram.rectified is None


def _float_potentials(node: Any, currents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Potentials before the reset and spikes [T, B, *shape], by NIR's equations, step by step."""
    keep, gain = (1.0, 1.0) if isinstance(node, nir.IF) else (1 - 1 / node.tau, node.r / node.tau)
    v, potentials, spikes = np.zeros(currents.shape[1:]), [], []
    for current in currents:
        v = keep * v + gain * current
        potentials.append(v)
        spikes.append(v > node.v_threshold)
        if node.metadata.get("reset") == "subtract":
            v = v - np.asarray(node.metadata["reset_value"]) * spikes[-1]
        else:
            v = np.where(spikes[-1], 0.0, v)
    return np.stack(potentials), np.stack(spikes)


@pytest.mark.parametrize("metadata", [{}, {"refractory": True}, {"reset": "subtract", "reset_value": np.full(4, 0.5)}])
def test_currents_cycles_and_the_step_after_a_spike_are_followed(metadata: dict[str, Any]) -> None:
    rng, one = np.random.default_rng(5), np.ones(4)
    nodes = {
        "input": nir.Input(np.array([4])),
        "in": nir.Affine(rng.normal(size=(4, 4)), rng.normal(size=4) / 4),
        "neuron": nir.CubaLIF(3 * one, 2 * one, one, 0.1 * one, 0.4 * one, w_in=one, metadata=metadata),
        "back": nir.Linear(rng.normal(size=(4, 4)) / 2),
        "out": nir.Linear(rng.normal(size=(2, 4))),
        "readout": nir.I(np.ones(2)),
        "output": nir.Output(None),
    }
    forward = ["input", "in", "neuron", "out", "readout", "output"]
    edges = [*itertools.pairwise(forward), ("neuron", "back"), ("back", "neuron")]
    graph = validate(nir.NIRGraph(nodes, edges, metadata={METADATA_KEY: ModelInfo(timesteps=9).to_json()}), "x.nir")
    x = rng.integers(-8, 9, (6, 4)) / np.float32(8)
    integers, _ = quantize(graph, x, options=Options(samples=6))
    (histogram,) = histograms(graph, integers, x, EDGES)
    runs = [ByHand(graph, {"input": np.repeat(sample[None], 9, axis=0)}) for sample in x]
    states = np.stack([[run.state("neuron", step)[2:] for step in range(9)] for run in runs])  # [B, T, spikes and v, 4]
    assert states[:, :, 0].any()
    assert abs(histogram.before - np.histogram(states[:, :, 1] / 0.4, EDGES)[0]).sum() <= 2
    assert histogram.error < 0.3  # of a threshold: a spike that differs leaves its mark
    assert histogram.same > 0.9


def test_frames_of_their_own_are_taken_step_by_step() -> None:
    graph, integers, x = _networks("srif")
    still = histograms(graph, integers, x, EDGES)
    moving = histograms(graph, integers, np.repeat(x[:, None], 5, axis=1), EDGES)
    for one, other in zip(still, moving, strict=True):
        assert np.array_equal(one.before, other.before)
        assert np.array_equal(one.integer, other.integer)
