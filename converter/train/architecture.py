"""A network as plain data, its nodes wired and their shapes; and the torch module that gives it weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inflor.converter.errors import InputError
from inflor.converter.train.layer import INPUT, Node, Shape, is_whole
from inflor.converter.train.neurons import NeuronConfig, Readout, SpikingNeuron
from inflor.converter.train.tdbn import TDBatchNorm

__all__ = ["INPUT", "Architecture", "Node", "Shape", "SpikingNetwork"]


_RESERVED = nn.ModuleDict()


@dataclass(frozen=True)
class Architecture:
    """A feed-forward network as plain data: nodes in evaluation order, exactly one readout, which is the last.

    input_shape: (C, H, W) or (F,), without batch. classes: the readout's size.

    Raises:
        InputError: the nodes do not make such a network, or a shape does not fit; the message names the node.
    """

    name: str
    input_shape: Shape
    classes: int
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        object.__setattr__(self, "nodes", tuple(self.nodes))
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
                f"{self.name}: node {self.readout} has shape {shape}, but there are {self.classes} classes"
            )

    @property
    def readout(self) -> str:
        """The name of the readout node."""
        return self.nodes[-1].name

    def _check_wiring(self) -> None:
        if [node.op for node in self.nodes].count("readout") != 1 or self.nodes[-1].op != "readout":
            raise InputError(f"{self.name}: the last node, and no other, must be a readout")
        readers = Counter(source for node in self.nodes for source in node.inputs)
        earlier: dict[str, str] = {INPUT: INPUT}
        for node in self.nodes:
            if hasattr(_RESERVED, node.name):
                raise InputError(f"node {node.name}: torch reserves this name; choose another")
            if node.name in earlier:
                raise InputError(f"node {node.name}: the name is taken twice")
            for source in node.inputs:
                if source not in earlier:
                    raise InputError(f"node {node.name}: reads {source!r}, which does not stand before it")
            if not readers[node.name] and node.op != "readout":
                raise InputError(f"node {node.name}: nothing reads it; remove it or connect it")
            source = node.inputs[0]
            if node.op == "norm" and (earlier[source] not in ("conv", "linear") or readers[source] != 1):
                raise InputError(f"node {node.name}: a norm follows a conv or linear node that feeds nothing else")
            earlier[node.name] = node.op

    def shapes(self) -> dict[str, Shape]:
        """The shape of every node's output, without time and batch; "input" included.

        Raises:
            InputError: a node does not fit its input, or its output would be empty; names the node and its input shape.
        """
        shapes: dict[str, Shape] = {INPUT: self.input_shape}
        for node in self.nodes:
            sources = [shapes[source] for source in node.inputs]
            if any(shape != sources[0] for shape in sources):
                parts = ", ".join(f"{name} {shape}" for name, shape in zip(node.inputs, sources, strict=True))
                raise InputError(f"node {node.name}: adds inputs of different shapes ({parts})")
            shapes[node.name] = node.output_shape(sources[0])
        return shapes


class SpikingNetwork(nn.Module):
    """A feed-forward spiking network: [B, *input_shape] or [T, B, *input_shape] -> logits [B, classes].

    The logits are the readout's final potential divided by T. `layers` holds one module per node, by node name.
    A static image is the input current's source at every step (direct encoding); what stands before the first
    neuron is then computed once for all steps.

    Raises:
        InputError: timesteps below 1; in a call, an input of another shape.
    """

    def __init__(self, architecture: Architecture, neuron: NeuronConfig, timesteps: int) -> None:
        super().__init__()
        if isinstance(timesteps, bool) or not isinstance(timesteps, int) or timesteps < 1:
            raise InputError(f"timesteps {timesteps!r}: must be a whole number of at least 1")
        self.architecture, self.neuron, self.timesteps = architecture, neuron, timesteps
        shapes = architecture.shapes()
        self.layers = nn.ModuleDict({n.name: _module(n, shapes[n.inputs[0]], neuron) for n in architecture.nodes})

    def forward(self, x: Tensor) -> Tensor:
        readout = self.architecture.readout
        for name, value in self._evaluate(x):
            if name == readout:
                return value[-1] / self.timesteps
        raise AssertionError("an architecture ends in a readout")

    @torch.no_grad()
    def record(self, x: Tensor) -> dict[str, Tensor]:
        """By node name: bool spikes [T, B, ...] of every neuron, float potentials [T, B, classes] of the readout."""
        ops = {node.name: node.op for node in self.architecture.nodes}
        return {
            name: value.bool() if ops[name] == "neuron" else value
            for name, value in self._evaluate(x)
            if ops[name] in ("neuron", "readout")
        }

    def _evaluate(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield (name, output [T or 1, B, ...]) of every node in order, and let go of each after its last reader."""
        values = {INPUT: self._with_time(x)}
        last_reader = {source: node.name for node in self.architecture.nodes for source in node.inputs}
        for node in self.architecture.nodes:
            value = values[node.inputs[0]]
            for source in node.inputs[1:]:
                value = value + values[source]
            for source in set(node.inputs):
                if last_reader[source] == node.name:
                    del values[source]
            value = self._output(node, value)
            values[node.name] = value
            yield node.name, value

    def _output(self, node: Node, value: Tensor) -> Tensor:
        layer = self.layers[node.name]
        if node.op in ("neuron", "readout"):
            return layer(value.expand(self.timesteps, *value.shape[1:]))
        if node.op == "norm":
            return layer(value)
        flat: Tensor = layer(value.flatten(0, 1))
        return flat.reshape(*value.shape[:2], *flat.shape[1:])

    def _with_time(self, x: Tensor) -> Tensor:
        shape = self.architecture.input_shape
        if x.shape[1:] == shape:
            return x.unsqueeze(0)
        if x.shape[2:] == shape and x.dim() == len(shape) + 2:
            if len(x) != self.timesteps:
                raise InputError(f"the input has {len(x)} timesteps, but the network runs {self.timesteps}")
            return x
        raise InputError(f"the input's shape {tuple(x.shape)} is not (batch, {', '.join(map(str, shape))})")


def _module(node: Node, shape: Shape, neuron: NeuronConfig) -> nn.Module:
    options = node.options
    if node.op == "conv":
        conv = nn.Conv2d(
            shape[0],
            options["out_channels"],
            options["kernel"],
            options["stride"],
            options["padding"],
            options["dilation"],
            options["groups"],
            bias=options["bias"],
        )
        nn.init.kaiming_uniform_(conv.weight, nonlinearity="relu")
        return conv
    if node.op == "linear":
        return nn.Linear(shape[0], options["out_features"], bias=options["bias"])
    if node.op == "norm":
        return TDBatchNorm(shape[0], alpha=options["alpha"], threshold=neuron.threshold)
    if node.op == "avgpool":
        return nn.AvgPool2d(options["kernel"], options["stride"], options["padding"])
    if node.op == "flatten":
        return nn.Flatten(1)
    return SpikingNeuron(neuron) if node.op == "neuron" else Readout()
