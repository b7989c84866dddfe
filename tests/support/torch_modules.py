"""Torch modules for the tests of importing, and the comparison of what is made of one with what it computes itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from inflor.converter.modules.compare import ImportComparison, compare
from inflor.converter.modules.importing import Import, to_graph
from inflor.converter.train.neurons import NeuronConfig, Readout, SpikingNeuron

SRIF = NeuronConfig.preset("srif")


def lively(module: nn.Module, seed: int = 0, mean: float = 0.15) -> nn.Module:
    """The module with larger weights, and norms that have seen something, so that its neurons fire."""
    torch.manual_seed(seed)
    for part in nn.Module.modules(module):  # Rockpool has a `modules` of its own
        if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d):
            nn.init.normal_(part.weight, mean, 1.2 * part.weight[0].numel() ** -0.5)
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None:
            nn.init.normal_(part.running_mean, 0.1, 0.2)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
            if part.affine:
                nn.init.uniform_(part.weight, 0.8, 1.5)
                nn.init.normal_(part.bias, 0.2, 0.2)
    return module.eval()


def imported(
    module: nn.Module, shape: tuple[int, ...], steps: int | None, samples: int = 8, **more: Any
) -> tuple[Import, ImportComparison]:
    """Import a module and compare every population with its own spikes."""
    made = to_graph(module, shape, steps, **more)
    generator = torch.Generator().manual_seed(1)
    time = () if made.graph.info.encoding == "direct" else (made.graph.info.timesteps,)
    x = 1.5 * torch.rand(*time, samples, *shape, generator=generator)
    return made, compare(module, made, x, "random")


def assert_same(module: nn.Module, shape: tuple[int, ...], steps: int | None, **more: Any) -> Import:
    """Every spike of every population is the module's own, every prediction too, and there is something to see."""
    made, found = imported(module, shape, steps, **more)
    assert found.equal, found.as_dict()
    assert sum(population.ties for population in found.populations) == 0, found.as_dict()
    assert found.predictions == found.samples
    assert found.populations
    return made


class Over(nn.Module):
    """A network of layers without memory and our neurons, which take all steps at once: [T, B, ...]."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], **parts: nn.Module) -> None:
        super().__init__()
        self.rule = forward
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Any:
        return self.rule(self, x)


def neuron(**overrides: Any) -> SpikingNeuron:
    return SpikingNeuron(NeuronConfig.preset(overrides.pop("kind", "srif"), **overrides))


def readout() -> Readout:
    return Readout()
