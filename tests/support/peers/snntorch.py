"""snnTorch: Leaky, Synaptic, RLeaky, RSynaptic; reset by subtraction and to zero, a step later as is its default."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import nir
import torch
from torch import nn

from peers import Case, Spikes, recorded, stepped

PACKAGES = ("snntorch", "nirtorch")
STEPS, BATCH = 60, 6


def _case(layers: list[nn.Module], shape: tuple[int, ...], reset: str) -> Case:
    from snntorch.export_nir import export_to_nir

    net = nn.Sequential(*layers)
    x = torch.randn(STEPS, BATCH, *shape)
    graph = export_to_nir(net, x[0, :1], ignore_dims=[0])
    neurons = {}
    for index, layer in enumerate(layers):
        if hasattr(layer, "reset_mem"):
            layer.reset_mem()
            neurons[f"{index}.lif" if f"{index}.lif" in graph.nodes else str(index)] = layer
    spikes = recorded(net, neurons, lambda t: net(x[t]), STEPS)
    return Case(graph, x, spikes, {} if reset == "subtract" else {"reset": reset})


def _parameters(shape: tuple[int, ...], reset: str) -> dict[str, Any]:
    """Its exporter wants every parameter at full shape."""
    return {
        "beta": 0.5 + 0.45 * torch.rand(shape),
        "threshold": 0.5 + torch.rand(shape),
        "reset_mechanism": reset,
        "init_hidden": True,
    }


def _dense(reset: str) -> Case:
    import snntorch as snn

    torch.manual_seed(1)
    return _case(
        [
            nn.Linear(12, 20),
            snn.Leaky(**_parameters((20,), reset)),
            nn.Linear(20, 16, bias=False),
            snn.Synaptic(alpha=0.3 + 0.5 * torch.rand(16), **_parameters((16,), reset)),
        ],
        (12,),
        reset,
    )


def _convolutional(reset: str) -> Case:
    import snntorch as snn

    torch.manual_seed(2)
    return _case(
        [
            nn.Conv2d(2, 4, 3, padding=1, bias=False),
            snn.Leaky(**_parameters((4, 8, 6), reset)),
            nn.AvgPool2d(2),
            nn.Conv2d(4, 3, 2, stride=(2, 1)),
            snn.Synaptic(alpha=0.3 + 0.5 * torch.rand(3, 2, 2), **_parameters((3, 2, 2), reset)),
            nn.Flatten(),
            nn.Linear(12, 5),
            snn.Leaky(**_parameters((5,), reset)),
        ],
        (2, 8, 6),
        reset,
    )


def _recurrent(reset: str) -> Case:
    import snntorch as snn

    torch.manual_seed(3)
    shared = {"reset_mechanism": reset, "init_hidden": True}
    return _case(
        [
            nn.Linear(10, 16),
            snn.RSynaptic(alpha=0.6, beta=0.8, linear_features=16, **shared),
            nn.Linear(16, 12),
            snn.RLeaky(beta=0.7, linear_features=12, threshold=0.8, **shared),
            nn.Linear(12, 6),
            snn.RLeaky(beta=0.9, V=torch.randn(6), all_to_all=False, **shared),
        ],
        (10,),
        reset,
    )


EXPORTS: dict[str, Callable[[], Case]] = {
    f"{kind}, {reset}": partial(make, reset)
    for kind, make in (("dense", _dense), ("convolutional", _convolutional), ("recurrent", _recurrent))
    for reset in ("subtract", "zero")
}


DT = 1e-4
CANNOT = {
    "dense without leak, zero": "its loader makes IF a Leaky with beta = 0.9, and refuses r other than 1",
    "dense, subtract": "its loader knows no I and no Threshold, which the portable soft reset is made of",
    "convolutional, subtract": "its loader knows no I and no Threshold, which the portable soft reset is made of",
    "recurrent, zero": "its loader leads the input of a recurrent layer through the recurrent weights",
}


def load(path: Path, x: torch.Tensor, names: Sequence[str]) -> dict[str, Spikes]:
    from snntorch.import_nir import import_from_nir

    with contextlib.redirect_stdout(io.StringIO()):
        net = import_from_nir(nir.read(path))

    def restart() -> None:
        for layer in net.modules():
            if hasattr(layer, "reset_mem"):
                layer.reset_mem()

    return stepped(net, x, names, restart)
