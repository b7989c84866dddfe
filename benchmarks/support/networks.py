"""What the benchmarks measure: untrained networks of real architectures, in float and in integers, and on what."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.train import export
from inflor.converter.train.architecture import SpikingNetwork
from inflor.converter.train.networks import build
from inflor.converter.train.neurons import NeuronConfig
from inflor.converter.train.tdbn import TDBatchNorm
from inflor.quant.fix.options import Options
from inflor.quant.fix.pipeline import quantize
from inflor.quant.fix.report import QuantReport
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import registry, running


def processor() -> str:
    """The processor's name, as the kernel gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def random_images(samples: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Normal noise, the same at every call."""
    return torch.randn(samples, *shape, generator=torch.Generator().manual_seed(0))


def random_network(name: str, images: torch.Tensor, timesteps: int, channels: int | None = None) -> SpikingNetwork:
    """Random weights, tdBN statistics from eight images, and tdBN biases shifted until 10 to 15 % of neurons fire.

    images: [samples, channels, height, width]. channels: of the first layer; None for the network's own.
    """
    images = images[:8]
    torch.manual_seed(0)
    network = SpikingNetwork(build(name, tuple(images.shape[1:]), 10, channels), NeuronConfig.preset("srif"), timesteps)
    norms = [module for module in network.modules() if isinstance(module, TDBatchNorm)]
    low, high = -2.0, 1.0
    with torch.no_grad():
        network.train()
        for norm in norms:
            norm.momentum = 1.0
        network(images)
        network.eval()
        for _ in range(12):
            middle = (low + high) / 2
            for norm in norms:
                norm.bias.fill_(middle)
            spikes = network.record(images)
            firing = [s for s in spikes.values() if s.dtype == torch.bool]
            rate = sum(int(s.sum()) for s in firing) / sum(s.numel() for s in firing)
            if 0.115 < rate < 0.135:
                break
            low, high = (middle, high) if rate < 0.125 else (low, middle)
    return network


def exported(network: SpikingNetwork, images: torch.Tensor) -> tuple[Graph, IntegerNetwork, QuantReport]:
    """The network as a graph, and its integers at 8 bits, calibrated on eight images."""
    graph, _ = export.to_nir(network, ModelInfo(timesteps=network.timesteps))
    return graph, *quantize(graph, images[:8].numpy(), options=Options(samples=8))


def placed(target: str, network: IntegerNetwork, **options: Any) -> Any:
    """The target's plan of a network."""
    return running.place(registry.find(target), network, options)
