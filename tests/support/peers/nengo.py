"""Nengo has no NIR of its own: its LIF, stepped by hand, beside the graph that says the same."""

from __future__ import annotations

from collections.abc import Callable

import nir
import numpy as np
import torch

from peers import Case

PACKAGES = ("nengo",)
STEPS, BATCH = 60, 6


def _dense() -> Case:
    import nengo

    rng = np.random.default_rng(0)
    weight, bias = rng.normal(0, 1, (20, 12)), rng.normal(0.5, 1, 20)
    x = rng.normal(size=(STEPS, BATCH, 12))
    neuron = nengo.LIF(tau_rc=0.02, tau_ref=0.0, min_voltage=-1e9)
    state = {"voltage": np.zeros((BATCH, 20)), "refractory_time": np.zeros((BATCH, 20))}
    output, fired = np.zeros((BATCH, 20)), []
    for t in range(STEPS):
        neuron.step(1e-3, 3 * (x[t] @ weight.T + bias), output, **state)
        fired.append(output > 0)
    one = np.ones(20)
    nodes = {
        "input": nir.Input(np.array([12])),
        "connection": nir.Affine(weight, bias),
        "ensemble": nir.LIF(0.02 * one, 3 * one, 0 * one, one, 0 * one),
        "output": nir.Output(np.array([20])),
    }
    graph = nir.NIRGraph(nodes, list(zip(nodes, list(nodes)[1:], strict=False)))
    return Case(graph, torch.from_numpy(x).float(), {"ensemble": np.stack(fired)})


EXPORTS: dict[str, Callable[[], Case]] = {"dense, zero": _dense}
