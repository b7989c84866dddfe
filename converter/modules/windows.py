"""How maximum pools and paddings are written, for which NIR has no primitive.

A maximum of spikes is OR, a sum above one half; one of currents a sum that says that it is a maximum. A padding is a
part of the convolution behind it.

spikes      SumPool2d, Threshold 0.5                        exact: the maximum of 0 and 1
currents    SumPool2d with metadata combine "max"           NIR has no primitive for it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nir
import numpy as np

from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.fields import make_node

Nodes = list[tuple[str, nir.NIRNode]]
"""Name and node, each fed by the one before."""


def of_spikes(name: str, options: Mapping[str, Any], shape: Shape, pooled: Shape) -> Nodes:
    """Nodes that give 1 where any spike falls into the window. shape, pooled: [C, H, W] before and after."""
    kernel, stride, padding, dilation = (options[k] for k in ("kernel_size", "stride", "padding", "dilation"))
    missing = _missing(shape, pooled, options)
    fire = (name, make_node(nir.Threshold, {"threshold": np.full(pooled, 0.5, np.float32)}))
    if not any(missing) and set(dilation) == {1}:
        fields = {"kernel_size": np.array(kernel), "stride": np.array(stride), "padding": np.array(padding)}
        return [(f"{name}.sum", make_node(nir.SumPool2d, fields)), fire]
    ones = np.ones((shape[0], 1, *kernel), np.float32)  # what the last windows of ceil_mode lack is padded
    return [(f"{name}.sum", _depthwise(ones, (0, missing[0], 0, missing[1]), options, shape)), fire]


def of_currents(name: str, options: Mapping[str, Any]) -> Nodes:
    """The node that pools by maximum."""
    fields = {key: np.array(options[key]) for key in ("kernel_size", "stride", "padding")}
    metadata: dict[str, Any] = {"combine": "max"}
    if set(options["dilation"]) != {1}:
        metadata["dilation"] = np.array(options["dilation"])
    if options["ceil_mode"]:
        metadata["ceil_mode"] = True
    return [(name, make_node(nir.SumPool2d, fields, metadata))]


def pad(shape: Shape, sides: tuple[int, ...]) -> nir.NIRNode:
    """Zeros around an image, as a convolution of its own for every channel.

    Args:
        shape: [C, H, W].
        sides: top, bottom, left, right.
    """
    one = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
    return _depthwise(np.ones((shape[0], 1, 1, 1), np.float32), sides, one, shape)


def with_padding(weight: Any, sides: Any, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A convolution that pads by itself what stood before it; NIR pads both sides alike.

    What a side gets too much, zeros of the kernel on that side leave out.

    Args:
        weight: [out, in, kernel height, kernel width].
        sides: of the padding before it: top, bottom, left, right.
        options: of the convolution.

    Returns:
        Weight and options of the one convolution.
    """
    (top, bottom, left, right), (above, beside) = sides, options["padding"]
    padding = (max(top, bottom) + above, max(left, right) + beside)
    front = (max(bottom - top, 0), max(right - left, 0))
    behind = (max(top - bottom, 0), max(left - right, 0))
    if not any((*front, *behind)):
        return weight, {**options, "padding": padding}
    sizes = [d * (k - 1) + 1 for d, k in zip(options["dilation"], weight.shape[2:], strict=True)]
    wider = np.zeros(
        (*weight.shape[:2], *(a + n + b for a, n, b in zip(front, sizes, behind, strict=True))), np.float32
    )
    rows, columns = (slice(a, a + n, d) for a, n, d in zip(front, sizes, options["dilation"], strict=True))
    wider[:, :, rows, columns] = weight
    return wider, {**options, "padding": padding, "dilation": (1, 1)}


def _depthwise(weight: Any, sides: tuple[int, ...], options: Mapping[str, Any], shape: Shape) -> nir.NIRNode:
    """A convolution of every channel for itself, of an image of this shape that is padded on these sides."""
    weight, changed = with_padding(weight, sides, options)
    sizes = {key: changed[key] for key in ("stride", "padding", "dilation")}
    fields = {"input_shape": tuple(shape[1:]), "weight": weight, "bias": np.zeros(shape[0], np.float32)}
    return make_node(nir.Conv2d, {**fields, **sizes, "groups": shape[0]})


def _missing(shape: Shape, pooled: Shape, options: Mapping[str, Any]) -> tuple[int, int]:
    """How many rows and columns the last window of ceil_mode lacks."""
    keys = ("kernel_size", "stride", "padding", "dilation")
    needed = [
        max((m - 1) * s + d * (k - 1) + 1 - (n + 2 * p), 0)
        for n, m, k, s, p, d in zip(shape[1:], pooled[1:], *(options[key] for key in keys), strict=True)
    ]
    return (needed[0], needed[1])
