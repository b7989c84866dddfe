"""Sinabs: LIF and IAF; one spike in a step, reset by subtraction, which its exporter does not write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import nir
import torch
from torch import nn

from peers import Case, Spikes, recorded

PACKAGES = ("sinabs", "nirtorch", "matplotlib", "pbr")
STEPS, BATCH = 60, 6


def _case(layers: list[nn.Module], shape: tuple[int, ...]) -> Case:
    import sinabs.layers as sl
    from sinabs.nir import to_nir

    net = nn.Sequential(*layers)
    x = torch.randn(STEPS, BATCH, *shape)
    kept = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            kept[name] = output.unflatten(0, (BATCH, STEPS)).transpose(0, 1).numpy() > 0

        return hook

    with torch.no_grad():
        graph = to_nir(net, x.transpose(0, 1).flatten(0, 1))
        graph.infer_types()  # else nir cannot write a convolution
        for index, layer in enumerate(layers):
            if isinstance(layer, sl.StatefulLayer):
                layer.reset_states()
                layer.register_forward_hook(keep(str(index)))
        net(x.transpose(0, 1).flatten(0, 1))
    return Case(graph, x, kept)


def _neuron(kind: str, shape: tuple[int, ...], threshold: float) -> nn.Module:
    import sinabs.layers as sl
    from sinabs.activation import SingleSpike

    options = {"spike_threshold": torch.full(shape, threshold), "spike_fn": SingleSpike, "batch_size": BATCH}
    if kind == "iaf":
        return sl.IAFSqueeze(**options)
    return sl.LIFSqueeze(tau_mem=2 + 10 * torch.rand(shape), **options)


def _dense() -> Case:
    torch.manual_seed(1)
    layers = [nn.Linear(12, 20), _neuron("lif", (20,), 0.2), nn.Linear(20, 16, bias=False), _neuron("iaf", (16,), 1.0)]
    return _case(layers, (12,))


def _convolutional() -> Case:
    import sinabs.layers as sl

    torch.manual_seed(2)
    return _case(
        [
            nn.Conv2d(2, 4, 3, padding=1, bias=False),
            _neuron("iaf", (4, 8, 6), 1.5),
            sl.SumPool2d(2),
            nn.Conv2d(4, 3, 2),
            _neuron("lif", (3, 3, 2), 0.1),
            nn.Flatten(),
            nn.Linear(18, 5),
            _neuron("iaf", (5,), 0.8),
        ],
        (2, 8, 6),
    )


EXPORTS: dict[str, Callable[[], Case]] = {"dense, subtract": _dense, "convolutional, subtract": _convolutional}


DT = 1.0
CANNOT = {
    "dense, zero": "its LIF decays exponentially, takes its input whole and subtracts the threshold, not v_reset",
    "dense without leak, zero": "its IF subtracts the threshold, fires several times a step and stops at -v_threshold",
    "dense, subtract": "its loader knows no I and no Threshold, which the portable soft reset is made of",
    "convolutional, zero": "its loader fails on a LIF of several dimensions and knows no AvgPool2d",
    "convolutional, subtract": "its loader knows no AvgPool2d, I and Threshold",
    "recurrent, zero": "its loader knows no CubaLIF",
}


def load(path: Path, x: torch.Tensor, names: Sequence[str]) -> dict[str, Spikes]:
    from sinabs.nir import from_nir

    net = from_nir(nir.read(path), batch_size=x.shape[1])
    neurons = {name: net.get_submodule(name) for name in names}
    spikes = recorded(net, neurons, lambda _: net(x.transpose(0, 1).flatten(0, 1)), 1)
    return {name: s[0].reshape(x.shape[1], len(x), *s.shape[2:]).swapaxes(0, 1) for name, s in spikes.items()}
