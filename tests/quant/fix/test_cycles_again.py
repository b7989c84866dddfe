"""A population on a cycle that is tried again with a coarser scale: its bias is not of the spikes of the try before."""

from __future__ import annotations

from dataclasses import replace

import nir
import numpy as np
import pytest
from float_graphs import graph_of, sink, source

from inflor.quant.fix import pipeline
from inflor.quant.fix.options import Options
from inflor.quant.fix.pipeline import quantize


@pytest.mark.parametrize("seed", range(3))
def test_a_corrected_bias_does_not_drive_a_slow_recurrent_population(seed: int, monkeypatch) -> None:
    """It did: each try added the current that the one before had lost; of 52 % accuracy of RSynaptic 30 % were left."""
    monkeypatch.setattr(pipeline, "STATE_LIMIT", 1 << 19)
    rng, n, steps = np.random.default_rng(seed), 40, 30
    fields = {
        "tau_syn": 10.0,
        "tau_mem": 5.0,
        "r": 5.0,
        "w_in": 10.0,
        "v_leak": 0.0,
        "v_threshold": 1.0,
        "v_reset": 0.0,
    }
    neurons = nir.CubaLIF(**{name: np.full(n, value) for name, value in fields.items()})
    nodes = {
        "input": source((12,)),
        "w": nir.Linear(rng.normal(0, 0.5, (n, 12)).astype(np.float32)),
        "n": neurons,
        "back": nir.Linear(rng.normal(-0.1, 0.3, (n, n)).astype(np.float32)),
        "output": sink((n,)),
    }
    graph = graph_of(nodes, [("input", "w"), ("w", "n"), ("n", "back"), ("back", "n"), ("n", "output")])
    graph = replace(graph, info=replace(graph.info, timesteps=steps, encoding="frames"))
    x = rng.random((40, steps, 12)).astype(np.float32)
    tries, missing = [], pipeline._Quantizer._missing_current

    def watched(self, population, unit):
        tries.append(population.name in self.integer_spikes)
        return missing(self, population, unit)

    monkeypatch.setattr(pipeline._Quantizer, "_missing_current", watched)
    layer = quantize(graph, x, options=Options())[1].layers[0]
    assert layer.narrowed
    assert len(tries) > 1
    assert not any(tries)
    assert layer.spike_rate_integer == pytest.approx(layer.spike_rate_float, rel=0.1)
