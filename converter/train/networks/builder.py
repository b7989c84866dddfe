"""Small words for writing networks down: each adds layers to a list and returns the name of the last."""

from __future__ import annotations

import math
from typing import Any

from inflor.converter.train.architecture import Architecture
from inflor.converter.train.layer import INPUT, Layer, Shape

RESIDUAL_ALPHA = 1 / math.sqrt(2)
"""tdBN's alpha in each of the two branches that meet in a residual add, so that their sum keeps its variance."""


class Builder:
    """Collects the layers of one network; methods take the layer to read and return the last one added, by name."""

    def __init__(self, name: str, input_shape: Shape, classes: int) -> None:
        self.name, self.input_shape, self.classes = name, input_shape, classes
        self.layers: list[Layer] = []

    def add(self, name: str, op: str, *inputs: str, **options: Any) -> str:
        self.layers.append(Layer(name, op, inputs, options))
        return name

    def conv_norm(
        self, source: str, suffix: str, channels: int, kernel: int = 3, stride: int = 1, alpha: float = 1.0
    ) -> str:
        """conv<suffix> and norm<suffix>; padded so that stride 1 keeps the size."""
        conv = self.add(
            f"conv{suffix}", "conv", source, out_channels=channels, kernel=kernel, stride=stride, padding=kernel // 2
        )
        return self.add(f"norm{suffix}", "norm", conv, alpha=alpha)

    def conv_spike(self, source: str, suffix: str, channels: int, kernel: int = 3, stride: int = 1) -> str:
        """conv, norm and neuron<suffix>."""
        return self.add(f"neuron{suffix}", "neuron", self.conv_norm(source, suffix, channels, kernel, stride))

    def linear_spike(self, source: str, suffix: str, features: int) -> str:
        """fc, norm and neuron<suffix>."""
        linear = self.add(f"fc{suffix}", "linear", source, out_features=features)
        return self.add(f"neuron{suffix}", "neuron", self.add(f"norm{suffix}", "norm", linear))

    def pool(self, source: str, name: str, kernel: int, **options: int) -> str:
        """An average pool; its stride is the kernel unless given."""
        return self.add(name, "avgpool", source, kernel=kernel, **options)

    def halve(self, source: str, name: str) -> str:
        """An average pool of stride 2 whose output has the size that a 3x3 convolution of stride 2 gives."""
        odd = [size % 2 for size in self.shape_of(source)[1:]]
        return self.add(name, "avgpool", source, kernel=[2 + o for o in odd], stride=2, padding=odd)

    def global_pool(self, source: str) -> str:
        """Average over the whole image, then flatten: [C, H, W] -> [C]."""
        size = self.shape_of(source)[1:]
        return self.add("flatten", "flatten", self.add("global_pool", "avgpool", source, kernel=size))

    def shape_of(self, name: str) -> Shape:
        """The shape of a layer added before (or of "input")."""
        shapes = {INPUT: self.input_shape}
        for layer in self.layers:
            shapes[layer.name] = layer.output_shape(shapes[layer.inputs[0]])
        return shapes[name]

    def finish(self, source: str) -> Architecture:
        """Add the classifier and its readout, and check the whole."""
        self.add("readout", "readout", self.add("fc", "linear", source, out_features=self.classes, bias=True))
        return Architecture(self.name, self.input_shape, self.classes, tuple(self.layers))
