"""SpikingJelly: IF, LIF, parametric LIF and current-based LIF; its exporter refuses the soft reset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import nir
import torch
from torch import nn

from peers import Case, Spikes, recorded

PACKAGES = ("spikingjelly", "nirtorch", "loguru", "matplotlib")
STEPS, BATCH = 60, 6


def _case(layers: list[nn.Module], shape: tuple[int, ...]) -> Case:
    from spikingjelly.activation_based import base, functional, nir_exchange

    net = nn.Sequential(*layers).eval()
    x = torch.randn(STEPS, BATCH, *shape)
    graph = nir_exchange.export_to_nir(net, x[0])
    functional.reset_net(net)
    neurons = {f"_{index}": layer for index, layer in enumerate(layers) if isinstance(layer, base.MemoryModule)}
    return Case(graph, x, recorded(net, neurons, lambda t: net(x[t]), STEPS))


def _dense() -> Case:
    from spikingjelly.activation_based import layer, neuron

    torch.manual_seed(1)
    return _case(
        [
            layer.Linear(12, 20, bias=False),
            neuron.IFNode(v_threshold=0.7),
            layer.Linear(20, 16),
            neuron.LIFNode(tau=3.0, v_threshold=-0.05, v_reset=-0.2),
            layer.Linear(16, 12),
            neuron.LIFNode(tau=1.7, decay_input=False, v_threshold=0.3, v_reset=0.1),
        ],
        (12,),
    )


def _current_based() -> Case:
    from spikingjelly.activation_based import layer, neuron

    torch.manual_seed(2)
    return _case(
        [
            layer.Linear(12, 16),
            neuron.CUBALIFNode(c_decay=0.6, v_decay=0.8, v_threshold=1.1),
            layer.Linear(16, 10),
            neuron.CUBALIFNode(c_decay=0.3, v_decay=0.9, v_threshold=0.9, v_reset=-0.3),
        ],
        (12,),
    )


def _convolutional() -> Case:
    from spikingjelly.activation_based import layer, neuron

    torch.manual_seed(3)
    return _case(
        [
            layer.Conv2d(2, 4, 3, padding="same", bias=False),
            neuron.LIFNode(tau=2.0, v_threshold=0.4),
            layer.AvgPool2d(2, padding=1),
            layer.Conv2d(4, 3, 3, stride=2, padding=1),
            neuron.ParametricLIFNode(init_tau=1.5, v_threshold=0.2),
            layer.Flatten(),
            layer.Linear(27, 5),
            neuron.IFNode(),
        ],
        (2, 8, 9),
    )


EXPORTS: dict[str, Callable[[], Case]] = {
    "dense, zero": _dense,
    "current-based, zero": _current_based,
    "convolutional, zero": _convolutional,
}


DT = 1e-4
CANNOT = {
    "dense, subtract": "its loader knows no I and no Threshold, which the portable soft reset is made of",
    "convolutional, subtract": "its loader knows no I and no Threshold, which the portable soft reset is made of",
}


def load(path: Path, x: torch.Tensor, names: Sequence[str]) -> dict[str, Spikes]:
    from spikingjelly.activation_based import nir_exchange

    net, state = nir_exchange.import_from_nir(nir.read(path), dt=DT), [None]

    def step(t: int) -> None:
        _, state[0] = net(x[t], state[0])

    return recorded(net, {name: net.get_submodule(name) for name in names}, step, len(x))
