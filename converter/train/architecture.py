"""A network as plain data, its layers wired and their shapes; and the torch module that gives it weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inflor.converter.errors import InputError
from inflor.converter.train.layer import INPUT, KINDS, Layer, Shape, is_whole
from inflor.converter.train.neurons import NeuronConfig

_RESERVED = nn.ModuleDict()


@dataclass(frozen=True)
class Architecture:
    """A feed-forward network as plain data.

    Attributes:
        name: of the network.
        input_shape: (C, H, W) or (F,), without batch.
        classes: the readout's size.
        layers: in the order of evaluation; the last, and no other, is a readout.

    Raises:
        InputError: the layers do not make such a network, or a shape does not fit; the message names the layer.
    """

    name: str
    input_shape: Shape
    classes: int
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        object.__setattr__(self, "layers", tuple(self.layers))
        if len(self.input_shape) not in (1, 3) or not all(is_whole(size, 1) for size in self.input_shape):
            raise InputError(
                f"{self.name}: input shape {self.input_shape} must be (channels, height, width) or (features,)"
            )
        if not is_whole(self.classes, 1):
            raise InputError(f"{self.name}: the number of classes must be a whole number above 0, not {self.classes!r}")
        self._check_wiring()
        shape = self.shapes()[self.readout]
        if shape != (self.classes,):
            raise InputError(
                f"{self.name}: layer {self.readout} has shape {shape}, but there are {self.classes} classes"
            )

    @property
    def readout(self) -> str:
        """The name of the readout layer."""
        return self.layers[-1].name

    def _check_wiring(self) -> None:
        if [layer.op for layer in self.layers].count("readout") != 1 or self.layers[-1].op != "readout":
            raise InputError(f"{self.name}: the last layer, and no other, must be a readout")
        readers = Counter(source for layer in self.layers for source in layer.inputs)
        weighted = {INPUT: False}
        for layer in self.layers:
            if hasattr(_RESERVED, layer.name):
                raise InputError(f"layer {layer.name}: torch reserves this name; choose another")
            if layer.name in weighted:
                raise InputError(f"layer {layer.name}: the name is taken twice")
            for source in layer.inputs:
                if source not in weighted:
                    raise InputError(f"layer {layer.name}: reads {source!r}, which does not stand before it")
            if not readers[layer.name] and layer.op != "readout":
                raise InputError(f"layer {layer.name}: nothing reads it; remove it or connect it")
            source = layer.inputs[0]
            if layer.op == "norm" and (not weighted[source] or readers[source] != 1):
                kinds = " or ".join(name for name, kind in KINDS.items() if kind.weighted)
                raise InputError(f"layer {layer.name}: a norm follows a {kinds} layer that feeds nothing else")
            weighted[layer.name] = layer.kind.weighted

    def shapes(self) -> dict[str, Shape]:
        """Compute the shape of every layer's output, without time and batch; "input" included.

        Raises:
            InputError: a layer does not fit its input, or its output would be empty; names both.
        """
        shapes: dict[str, Shape] = {INPUT: self.input_shape}
        for layer in self.layers:
            sources = [shapes[source] for source in layer.inputs]
            if any(shape != sources[0] for shape in sources):
                parts = ", ".join(f"{name} {shape}" for name, shape in zip(layer.inputs, sources, strict=True))
                raise InputError(f"layer {layer.name}: adds inputs of different shapes ({parts})")
            shapes[layer.name] = layer.output_shape(sources[0])
        return shapes


class SpikingNetwork(nn.Module):
    """A feed-forward spiking network: [B, *input_shape] or [T, B, *input_shape] -> logits [B, classes].

    The logits are the readout's final potential divided by T. A static image is the input current's source at every
    step (direct encoding); what stands before the first neuron is then computed once for all steps.

    Attributes:
        architecture: the network as plain data.
        neuron: the configuration of its neurons.
        timesteps: T.
        layers: by the name of each layer of the architecture, the module with its weights.

    Raises:
        InputError: timesteps below 1; in a call, an input of another shape.
    """

    def __init__(self, architecture: Architecture, neuron: NeuronConfig, timesteps: int) -> None:
        super().__init__()
        if isinstance(timesteps, bool) or not isinstance(timesteps, int) or timesteps < 1:
            raise InputError(f"timesteps {timesteps!r}: must be a whole number of at least 1")
        self.architecture, self.neuron, self.timesteps = architecture, neuron, timesteps
        shapes = architecture.shapes()
        self.layers = nn.ModuleDict(
            {layer.name: layer.kind.module(layer, shapes[layer.inputs[0]], neuron) for layer in architecture.layers}
        )

    def forward(self, x: Tensor) -> Tensor:
        readout = self.architecture.readout
        for name, value in self._evaluate(x):
            if name == readout:
                return value[-1] / self.timesteps
        raise AssertionError("an architecture ends in a readout")

    @torch.no_grad()
    def record(self, x: Tensor) -> dict[str, Tensor]:
        """Return, by the name of the layer, spikes of neurons and potentials of the readout.

        Returns:
            Spikes are bool [T, B, ...], potentials float32 [T, B, classes].
        """
        ops = {layer.name: layer.op for layer in self.architecture.layers}
        return {
            name: value.bool() if ops[name] == "neuron" else value
            for name, value in self._evaluate(x)
            if ops[name] in ("neuron", "readout")
        }

    def _evaluate(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield (name, output [T or 1, B, ...]) of every layer in order, and let go of each after its last reader."""
        values = {INPUT: self._with_time(x)}
        last_reader = {source: layer.name for layer in self.architecture.layers for source in layer.inputs}
        for layer in self.architecture.layers:
            value = values[layer.inputs[0]]
            for source in layer.inputs[1:]:
                value = value + values[source]
            for source in set(layer.inputs):
                if last_reader[source] == layer.name:
                    del values[source]
            value = layer.kind.apply(self.layers[layer.name], value, self.timesteps)
            values[layer.name] = value
            yield layer.name, value

    def _with_time(self, x: Tensor) -> Tensor:
        shape = self.architecture.input_shape
        if x.shape[1:] == shape:
            return x.unsqueeze(0)
        if x.shape[2:] == shape and x.dim() == len(shape) + 2:
            if len(x) != self.timesteps:
                raise InputError(f"the input has {len(x)} timesteps, but the network runs {self.timesteps}")
            return x
        raise InputError(f"the input's shape {tuple(x.shape)} is not (batch, {', '.join(map(str, shape))})")
