"""Rockpool: LIFTorch (current-based) and LIFNeuronTorch; reset by subtraction, one spike in a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from peers import Case, Spikes

PACKAGES = ("rockpool", "nirtorch")
STEPS, BATCH = 60, 6


def _case(*layers: object) -> Case:
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules.torch.nir import to_nir

    net = Sequential(*layers)
    x = torch.randn(STEPS, BATCH, 12)
    graph = to_nir(net)
    net.reset_state()
    with torch.no_grad():
        _, _, record = net(x.transpose(0, 1), record=True)
    spikes = {name: record[f"{name}_output"].transpose(0, 1).numpy() > 0 for name in graph.nodes if "LIF" in name}
    return Case(graph, x, spikes)


def _dense() -> Case:
    from rockpool.nn.modules import LIFNeuronTorch, LIFTorch, LinearTorch

    torch.manual_seed(1)
    shared = {"dt": 1e-3, "max_spikes_per_dt": 1}
    return _case(
        LinearTorch((12, 20), has_bias=True),
        LIFTorch(20, tau_mem=0.005 + 0.01 * torch.rand(20), tau_syn=0.002 + 0.01 * torch.rand(20), **shared),
        LinearTorch((20, 10)),
        LIFNeuronTorch(10, tau_mem=0.005 + 0.02 * torch.rand(10), threshold=0.6 + torch.rand(10), **shared),
    )


EXPORTS: dict[str, Callable[[], Case]] = {"dense, subtract": _dense}


DT = 1e-3
CANNOT = {
    "dense, zero": "its loader fails on LIF, and knows no Flatten",
    "dense without leak, zero": "its loader knows no IF and no Flatten",
    "dense, subtract": "its loader knows no I, Threshold and Flatten",
    "convolutional, zero": "its loader knows no convolution",
    "convolutional, subtract": "its loader knows no convolution",
    "recurrent, zero": "its neurons decay exponentially and subtract the threshold, whatever v_reset is",
}


def load(path: Path, x: torch.Tensor, names: Sequence[str]) -> dict[str, Spikes]:
    from rockpool.nn.modules.torch.nir import from_nir

    net, kept = from_nir(path), {}
    for name in names:
        net.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: kept.update({name: out[0]}))
    with torch.no_grad():
        net(x.transpose(0, 1))
    return {name: spikes.transpose(0, 1).numpy() > 0 for name, spikes in kept.items()}
