"""One layer of a trained network as plain data, and the kinds of layers that there are, each as one object."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from inflor.converter.errors import InputError
from inflor.converter.train.neurons import NeuronConfig, Readout, SpikingNeuron
from inflor.converter.train.tdbn import TDBatchNorm

Shape = tuple[int, ...]

INPUT = "input"
"""The name by which layers refer to the image."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LARGEST = 2**31
_REQUIRED = object()
_PAIRS = ("kernel", "stride", "padding", "dilation")


@dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes:
        name: lower case letters, digits and underscores.
        op: its kind, a key of `KINDS`.
        inputs: the layers that it reads, or "input".
        options: of its kind, complete after construction; kernel, stride, padding and dilation are (height, width).

    Raises:
        InputError: the name, kind, inputs or an option is not one of these; the message names the layer.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name) or self.name == INPUT:
            raise InputError(
                f"layer name {self.name!r}: use lower case letters, digits and underscores, and not 'input'"
            )
        if self.op not in KINDS:
            raise InputError(f"layer {self.name}: unknown kind {self.op!r}; known are {', '.join(KINDS)}")
        if not self.inputs or (len(self.inputs) > 1 and not self.kind.sums):
            raise InputError(f"layer {self.name}: {self.op} takes one input, not {len(self.inputs)}")
        object.__setattr__(self, "inputs", tuple(self.inputs))
        object.__setattr__(self, "options", self._complete(self.options))

    @property
    def kind(self) -> Kind:
        """What holds for every layer of its kind."""
        return KINDS[self.op]

    def _complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        known = self.kind.options
        if unknown := sorted(set(given) - set(known)):
            raise InputError(f"layer {self.name}: {self.op} has no option {unknown[0]!r}")
        options = {}
        for name, default in known.items():
            value = given.get(name, default)
            if value is _REQUIRED:
                raise InputError(f"layer {self.name}: {self.op} needs the option {name!r}")
            options[name] = value if value is None and default is None else self._checked(name, value)
        if self.op == "avgpool":
            options["stride"] = options["stride"] or options["kernel"]
        return options

    def _checked(self, name: str, value: Any) -> Any:
        if name == "bias" and isinstance(value, bool):
            return value
        if name == "alpha" and isinstance(value, float) and 0 < value < _LARGEST:
            return value
        least = 0 if name == "padding" else 1
        if name in _PAIRS:
            pair = (value, value) if is_whole(value, least) else value
            if isinstance(pair, tuple | list) and len(pair) == 2 and all(is_whole(side, least) for side in pair):
                return tuple(pair)
        elif name not in ("bias", "alpha") and is_whole(value, least):
            return value
        raise InputError(f"layer {self.name}: option {name} cannot be {value!r}")

    def output_shape(self, shape: Shape) -> Shape:
        """Compute the output's shape from one input's, both without time and batch.

        Raises:
            InputError: the layer does not fit the shape, or its output would be empty; names the layer and the shape.
        """
        return self.kind.shape(self, shape)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What holds for every layer of a kind.

    Attributes:
        options: every option with its default.
        shape: from a layer and its input's shape to its output's.
        module: from a layer, its input's shape and the neurons' configuration to the torch module with its weights.
        takes: what the module is called with: "samples" [T * B, ...], each step by itself; "steps" [T or 1, B, ...]; or
            "all steps" [T, B, ...].
        sums: whether a layer may read several others, whose outputs are added.
        weighted: whether a norm may follow, to be folded into the layer's weights on export.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    shape: Callable[[Layer, Shape], Shape]
    module: Callable[[Layer, Shape, NeuronConfig], nn.Module]
    takes: Literal["samples", "steps", "all steps"] = "samples"
    sums: bool = False
    weighted: bool = False

    def apply(self, module: nn.Module, x: Tensor, timesteps: int) -> Tensor:
        """Call the module with x [T or 1, B, ...]; the result is of that form, too."""
        if self.takes == "all steps":
            x = x.expand(timesteps, *x.shape[1:])
        if self.takes != "samples":
            result: Tensor = module(x)
            return result
        flat: Tensor = module(x.flatten(0, 1))
        return flat.reshape(*x.shape[:2], *flat.shape[1:])


def is_whole(value: Any, least: int) -> bool:
    """Tell whether `value` is an int, not a bool, of at least `least` and of a size that torch takes."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < _LARGEST


def _window(layer: Layer, shape: Shape) -> Shape:
    """Output height and width of a sliding window: floor((size + 2 padding - dilation (kernel-1) - 1) / stride) + 1."""
    if len(shape) != 3:
        raise InputError(
            f"layer {layer.name}: {layer.op} needs an image (channels, height, width), but gets shape {shape}"
        )
    dilation = layer.options.get("dilation", (1, 1))
    sizes = zip(
        shape[1:], layer.options["kernel"], layer.options["stride"], layer.options["padding"], dilation, strict=True
    )
    out = tuple((size + 2 * pad - dil * (kernel - 1) - 1) // stride + 1 for size, kernel, stride, pad, dil in sizes)
    if min(out) < 1:
        kernel = "x".join(map(str, layer.options["kernel"]))
        raise InputError(
            f"layer {layer.name}: the output of {layer.op} {kernel} on shape {shape} would be empty",
            mend="give larger images or a network with fewer stages",
        )
    return out


def _conv_shape(layer: Layer, shape: Shape) -> Shape:
    size = _window(layer, shape)
    out_channels, groups = layer.options["out_channels"], layer.options["groups"]
    if shape[0] % groups or out_channels % groups:
        raise InputError(f"layer {layer.name}: {groups} groups do not divide {shape[0]} and {out_channels} channels")
    return (out_channels, *size)


def _conv(layer: Layer, shape: Shape, _: NeuronConfig) -> nn.Module:
    names = ("out_channels", "kernel", "stride", "padding", "dilation", "groups", "bias")
    conv = nn.Conv2d(shape[0], *(layer.options[name] for name in names))
    nn.init.kaiming_uniform_(conv.weight, nonlinearity="relu")
    return conv


def _avgpool_shape(layer: Layer, shape: Shape) -> Shape:
    size = _window(layer, shape)
    if any(2 * pad > kernel for pad, kernel in zip(layer.options["padding"], layer.options["kernel"], strict=True)):
        raise InputError(f"layer {layer.name}: padding {layer.options['padding']} is more than half of the kernel")
    return (shape[0], *size)


def _linear_shape(layer: Layer, shape: Shape) -> Shape:
    if len(shape) != 1:
        raise InputError(
            f"layer {layer.name}: linear needs a flat input, but gets shape {shape}", mend="put a flatten before it"
        )
    return (layer.options["out_features"],)


def _same_shape(_: Layer, shape: Shape) -> Shape:
    return shape


KINDS: Mapping[str, Kind] = {
    "conv": Kind(
        options={
            "out_channels": _REQUIRED,
            "kernel": _REQUIRED,
            "stride": (1, 1),
            "padding": (0, 0),
            "dilation": (1, 1),
            "groups": 1,
            "bias": False,
        },
        shape=_conv_shape,
        module=_conv,
        weighted=True,
    ),
    "linear": Kind(
        options={"out_features": _REQUIRED, "bias": False},
        shape=_linear_shape,
        module=lambda layer, shape, _: nn.Linear(shape[0], layer.options["out_features"], bias=layer.options["bias"]),
        weighted=True,
    ),
    "norm": Kind(
        options={"alpha": 1.0},
        shape=_same_shape,
        module=lambda layer, shape, neuron: TDBatchNorm(
            shape[0], alpha=layer.options["alpha"], threshold=neuron.threshold
        ),
        takes="steps",
    ),
    "neuron": Kind(shape=_same_shape, module=lambda _, __, neuron: SpikingNeuron(neuron), takes="all steps", sums=True),
    "avgpool": Kind(
        options={"kernel": _REQUIRED, "stride": None, "padding": (0, 0)},  # stride None: as the kernel
        shape=_avgpool_shape,
        module=lambda layer, _, __: nn.AvgPool2d(*(layer.options[name] for name in ("kernel", "stride", "padding"))),
    ),
    "flatten": Kind(shape=lambda _, shape: (math.prod(shape),), module=lambda _, __, ___: nn.Flatten(1)),
    "readout": Kind(shape=_same_shape, module=lambda _, __, ___: Readout(), takes="all steps", sums=True),
}
