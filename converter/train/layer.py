"""One operation of a network as plain data: its options and the shape that it makes of its input's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from inflor.converter.errors import InputError

Shape = tuple[int, ...]
Op = Literal["conv", "linear", "norm", "neuron", "avgpool", "flatten", "readout"]

INPUT = "input"
"""The name by which nodes refer to the image."""
SUMMING = ("neuron", "readout")
"""The operations that take several inputs, and add them."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LARGEST = 2**31
_REQUIRED = object()
_OPTIONS: dict[str, dict[str, Any]] = {
    "conv": {
        "out_channels": _REQUIRED,
        "kernel": _REQUIRED,
        "stride": (1, 1),
        "padding": (0, 0),
        "dilation": (1, 1),
        "groups": 1,
        "bias": False,
    },
    "linear": {"out_features": _REQUIRED, "bias": False},
    "norm": {"alpha": 1.0},
    "neuron": {},
    "avgpool": {"kernel": _REQUIRED, "stride": None, "padding": (0, 0)},
    "flatten": {},
    "readout": {},
}
_PAIRS = ("kernel", "stride", "padding", "dilation")


@dataclass(frozen=True)
class Node:
    """One operation of a network.

    name: lower case letters, digits and underscores. inputs: the nodes it reads, or "input".
    options, complete after construction, pairs being (height, width):
        conv: out_channels, kernel, stride, padding, dilation, groups, bias;   linear: out_features, bias;
        norm: alpha (follows exactly one conv or linear);   avgpool: kernel, stride (default: the kernel), padding.

    Raises:
        InputError: the name, operation, inputs or an option is not one of these; the message names the node.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name) or self.name == INPUT:
            raise InputError(
                f"node name {self.name!r}: use lower case letters, digits and underscores, and not 'input'"
            )
        if self.op not in get_args(Op):
            raise InputError(f"node {self.name}: unknown operation {self.op!r}; known are {', '.join(get_args(Op))}")
        if not self.inputs or (len(self.inputs) > 1 and self.op not in SUMMING):
            raise InputError(f"node {self.name}: {self.op} takes one input, not {len(self.inputs)}")
        object.__setattr__(self, "inputs", tuple(self.inputs))
        object.__setattr__(self, "options", self._complete(self.options))

    def _complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        known = _OPTIONS[self.op]
        if unknown := sorted(set(given) - set(known)):
            raise InputError(f"node {self.name}: {self.op} has no option {unknown[0]!r}")
        options = {}
        for name, default in known.items():
            value = given.get(name, default)
            if value is _REQUIRED:
                raise InputError(f"node {self.name}: {self.op} needs the option {name!r}")
            options[name] = self._checked(name, value)
        if self.op == "avgpool":
            options["stride"] = options["stride"] or options["kernel"]
        return options

    def _checked(self, name: str, value: Any) -> Any:
        if name == "bias" and isinstance(value, bool):
            return value
        if name == "alpha" and isinstance(value, float) and 0 < value < _LARGEST:
            return value
        if name == "stride" and value is None and self.op == "avgpool":
            return value
        least = 0 if name == "padding" else 1
        if name in _PAIRS:
            pair = (value, value) if is_whole(value, least) else value
            if isinstance(pair, tuple | list) and len(pair) == 2 and all(is_whole(side, least) for side in pair):
                return tuple(pair)
        elif name not in ("bias", "alpha") and is_whole(value, least):
            return value
        raise InputError(f"node {self.name}: option {name} cannot be {value!r}")

    def output_shape(self, shape: Shape) -> Shape:
        """The output's shape for one input's shape, both without time and batch.

        Raises:
            InputError: the node does not fit the shape, or its output would be empty; names the node and the shape.
        """
        return _SHAPE_OF[self.op](self, shape)


def is_whole(value: Any, least: int) -> bool:
    """Whether `value` is an int, not a bool, of at least `least` and of a size that torch takes."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < _LARGEST


def _window(node: Node, shape: Shape) -> Shape:
    """Output height and width of a sliding window: floor((size + 2 padding - dilation (kernel-1) - 1) / stride) + 1."""
    if len(shape) != 3:
        raise InputError(
            f"node {node.name}: {node.op} needs an image (channels, height, width), but gets shape {shape}"
        )
    dilation = node.options.get("dilation", (1, 1))
    sizes = zip(
        shape[1:], node.options["kernel"], node.options["stride"], node.options["padding"], dilation, strict=True
    )
    out = tuple((size + 2 * pad - dil * (kernel - 1) - 1) // stride + 1 for size, kernel, stride, pad, dil in sizes)
    if min(out) < 1:
        kernel = "x".join(map(str, node.options["kernel"]))
        raise InputError(
            f"node {node.name}: the output of {node.op} {kernel} on shape {shape} would be empty; "
            "give larger images or a network with fewer stages"
        )
    return out


def _conv_shape(node: Node, shape: Shape) -> Shape:
    size = _window(node, shape)
    out_channels, groups = node.options["out_channels"], node.options["groups"]
    if shape[0] % groups or out_channels % groups:
        raise InputError(f"node {node.name}: {groups} groups do not divide {shape[0]} and {out_channels} channels")
    return (out_channels, *size)


def _avgpool_shape(node: Node, shape: Shape) -> Shape:
    size = _window(node, shape)
    if any(2 * pad > kernel for pad, kernel in zip(node.options["padding"], node.options["kernel"], strict=True)):
        raise InputError(f"node {node.name}: padding {node.options['padding']} is more than half of the kernel")
    return (shape[0], *size)


def _linear_shape(node: Node, shape: Shape) -> Shape:
    if len(shape) != 1:
        raise InputError(
            f"node {node.name}: linear needs a flat input, but gets shape {shape}; put a flatten before it"
        )
    return (node.options["out_features"],)


def _flatten_shape(node: Node, shape: Shape) -> Shape:
    total = 1
    for size in shape:
        total *= size
    return (total,)


def _same_shape(node: Node, shape: Shape) -> Shape:
    return shape


_SHAPE_OF: dict[str, Callable[[Node, Shape], Shape]] = {
    "conv": _conv_shape,
    "avgpool": _avgpool_shape,
    "linear": _linear_shape,
    "flatten": _flatten_shape,
    "norm": _same_shape,
    "neuron": _same_shape,
    "readout": _same_shape,
}
