"""A network of one's own: odd sizes, unequal strides, a residual, and a leaky neuron; through the same path.

A network is a list of nodes. Several inputs of a neuron are summed: that is the residual add.

    python examples/own_network.py [FOLDER]
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

import inflor
from inflor.converter.train.architecture import Architecture
from inflor.converter.train.layer import Layer
from inflor.converter.train.networks import NETWORKS
from inflor.converter.train.neurons import NeuronConfig

BRANCH = 1 / math.sqrt(2)  # tdBN's alpha of each of two branches that meet


def crossroads(input_shape: tuple[int, ...], classes: int, channels: int = 6) -> Architecture:
    """A wide kernel, a block of two convolutions beside its identity, a pool of 2x3, a classifier."""
    layers = (
        Layer("conv1", "conv", ("input",), {"out_channels": channels, "kernel": (3, 5), "padding": (1, 2)}),
        Layer("norm1", "norm", ("conv1",)),
        Layer("stem", "neuron", ("norm1",)),
        Layer("conv2", "conv", ("stem",), {"out_channels": channels, "kernel": 3, "padding": 1, "groups": 2}),
        Layer("norm2", "norm", ("conv2",)),
        Layer("hidden", "neuron", ("norm2",)),
        Layer("conv3", "conv", ("hidden",), {"out_channels": channels, "kernel": 3, "padding": 2, "dilation": 2}),
        Layer("norm3", "norm", ("conv3",), {"alpha": BRANCH}),
        Layer("meeting", "neuron", ("norm3", "stem")),
        Layer("pool", "avgpool", ("meeting",), {"kernel": (2, 3), "stride": (2, 3)}),
        Layer("flatten", "flatten", ("pool",)),
        Layer("fc", "linear", ("flatten",), {"out_features": classes, "bias": True}),
        Layer("readout", "readout", ("fc",)),
    )
    return Architecture("crossroads", input_shape, classes, layers)


def stripes(samples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images [N, 1, 9, 11] of horizontal, vertical or diagonal stripes, and which of the three."""
    y = rng.integers(0, 3, samples)
    row, column = np.mgrid[:9, :11]
    phase = rng.integers(0, 4, samples)[:, None, None]
    along = np.stack([row, column, row + column])[y]
    x = ((along + phase) % 4 < 2) + rng.normal(0, 1.0, (samples, 9, 11))
    return x[:, None].astype(np.float32), y


folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/own_network")
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)
(x_train, y_train), (x_test, y_test) = stripes(1200, rng), stripes(400, rng)
data = folder / "stripes.npz"
np.savez(
    data,
    x_train=x_train,
    y_train=y_train,
    x_test=x_test,
    y_test=y_test,
    class_names=np.array(["horizontal", "vertical", "diagonal"]),
)

NETWORKS["crossroads"] = crossroads
for neuron in (NeuronConfig.preset("srif"), NeuronConfig.preset("lif", tau=1.5)):
    out = folder / neuron.kind
    trained = inflor.train(data, "crossroads", out=out, neuron=neuron, epochs=8, batch_size=64, timesteps=3, seed=0)
    graph = inflor.convert(trained.model_path, out / "model.nir").graph
    quantized = inflor.quantize(graph, calibrate=data, out=out / "model.int.nir")
    before, after = inflor.run(graph, dataset=data), inflor.run(quantized.network, dataset=data)
    print(f"{neuron.kind}: accuracy {before.accuracy:.4f} in float, {after.accuracy:.4f} in integers")
    for population in after.populations:
        if population.name in after.counts:
            rate = after.counts[population.name].mean() / (after.timesteps * population.size)
            print(f"  {population.name:<8} {population.shape} fires at {rate:.3f} per neuron and step")
