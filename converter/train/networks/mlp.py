"""A multi-layer perceptron."""

from __future__ import annotations

from inflor.converter.train.architecture import Architecture
from inflor.converter.train.layer import INPUT, Shape
from inflor.converter.train.networks.builder import Builder


def mlp(input_shape: Shape, classes: int, channels: int = 128, *, hidden_layers: int = 2) -> Architecture:
    """`hidden_layers` fully connected spiking layers of `channels` neurons each; images are flattened."""
    net = Builder("mlp", input_shape, classes)
    source = net.add("flatten", "flatten", INPUT) if len(input_shape) == 3 else INPUT
    for layer in range(1, hidden_layers + 1):
        source = net.linear_spike(source, str(layer), channels)
    return net.finish(source)
