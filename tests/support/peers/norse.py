"""Norse: LIFCell (current-based), LIFBoxCell, IAFCell; its exporter knows no pooling, no flattening, no recurrence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import nir
import torch
from torch import nn

from peers import Case, Spikes, recorded, stepped

PACKAGES = ("norse", "nirtorch")
STEPS, BATCH = 60, 6


def _case(layers: list[nn.Module], shape: tuple[int, ...]) -> Case:
    import norse.torch as norse

    net = norse.SequentialState(*layers)
    x = torch.randn(STEPS, BATCH, *shape)
    graph = norse.to_nir(net, torch.zeros(shape))  # a sample with a batch would be written into the Input's shape
    graph.infer_types()  # else nir cannot write a convolution
    state = [None]

    def step(t: int) -> None:
        _, state[0] = net(x[t], state[0])

    neurons = {str(index): layer for index, layer in enumerate(layers) if hasattr(layer, "p")}
    return Case(graph, x, recorded(net, neurons, step, STEPS))


def _lif(shape: tuple[int, ...], v_leak: float = 0.0) -> nn.Module:
    import norse.torch as norse
    from norse.torch.functional.lif import LIFParameters

    return norse.LIFCell(
        LIFParameters(
            tau_syn_inv=150 + 200 * torch.rand(shape),
            tau_mem_inv=80 + 100 * torch.rand(shape),
            v_leak=torch.full(shape, v_leak),
            v_th=0.1 + 0.2 * torch.rand(shape),
        )
    )


def _box(shape: tuple[int, ...], v_leak: float = 0.0) -> nn.Module:
    import norse.torch as norse
    from norse.torch.functional.lif_box import LIFBoxParameters

    return norse.LIFBoxCell(
        LIFBoxParameters(
            tau_mem_inv=100 + 300 * torch.rand(shape),
            v_leak=torch.full(shape, v_leak),
            v_th=0.05 + 0.1 * torch.rand(shape),
        )
    )


def _dense() -> Case:
    import norse.torch as norse
    from norse.torch.functional.iaf import IAFParameters

    torch.manual_seed(1)
    threshold = torch.full((10,), 0.5)
    iaf = norse.IAFCell(IAFParameters(v_th=threshold, v_reset=torch.zeros(10)))
    layers = [nn.Linear(12, 20), _lif((20,)), nn.Linear(20, 16, bias=False), _box((16,)), nn.Linear(16, 10), iaf]
    return _case(layers, (12,))


def _leaking() -> Case:
    torch.manual_seed(2)
    return _case([nn.Linear(12, 20), _lif((20,), 0.07), nn.Linear(20, 8), _box((8,), -0.03)], (12,))


def _convolutional() -> Case:
    torch.manual_seed(3)
    return _case(
        [nn.Conv2d(2, 4, 3, padding=1), _lif((4, 8, 6)), nn.Conv2d(4, 3, 3, stride=2), _box((3, 3, 2))], (2, 8, 6)
    )


EXPORTS: dict[str, Callable[[], Case]] = {
    "dense, zero": _dense,
    "dense with a leak potential, zero": _leaking,
    "convolutional, zero": _convolutional,
}


DT = 1e-3
CANNOT = {
    "dense, subtract": "its loader knows no I and no Threshold, which the portable soft reset is made of",
    "convolutional, zero": "its loader knows no AvgPool2d",
    "convolutional, subtract": "its loader knows no AvgPool2d, I and Threshold",
}


def load(path: Path, x: torch.Tensor, names: Sequence[str]) -> dict[str, Spikes]:
    import norse.torch as norse

    net = norse.from_nir(nir.read(path), ignore_warnings=True, dt=DT)
    return stepped(net, x, names, lambda: None)
