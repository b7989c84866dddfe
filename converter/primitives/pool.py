"""SumPool2d and AvgPool2d: sum and mean over windows of each channel, with zero padding.

    y[c, p] = sum over k of x[c, p stride + k - padding]            the mean divides it by the size of the kernel

Zeros of the padding count in the mean. NIR has no maximum: a SumPool2d whose metadata say `combine: "max"` is one,

    y[c, p] = max over k of x[c, p stride + k dilation - padding]

in which the padding never wins. Its metadata `dilation` (two numbers) and `ceil_mode` (true or false) are as in torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import numpy as np
from torch import Tensor
from torch.nn import functional

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.base import Layer, Primitive, register
from inflor.converter.primitives.fields import Field, integers, make_node, short, sizes
from inflor.converter.primitives.windows import Windows

COMBINE, DILATION, CEIL_MODE = "combine", "dilation", "ceil_mode"
"""Metadata of a pool."""
_FIELDS = {"kernel_size": Field(sizes(2, 1)), "stride": Field(sizes(2, 1)), "padding": Field(sizes(2, 0))}
ONES = (1, 1)


def is_max_pool(node: nir.NIRNode) -> bool:
    """Whether a node takes the maximum over its windows."""
    return isinstance(node, nir.SumPool2d) and node.metadata.get(COMBINE) == "max"


def windows_of(node: nir.NIRNode) -> Windows:
    """The windows of a checked pool."""
    return Windows(
        kernel=node.kernel_size,
        stride=node.stride,
        padding=node.padding,
        dilation=node.metadata.get(DILATION, ONES),
        ceil_mode=node.metadata.get(CEIL_MODE, False),
    )


def max_pool(windows: Windows, **metadata: Any) -> nir.NIRNode:
    """The node that takes the maximum over these windows, in the form of a checked one."""
    values = {"kernel_size": windows.kernel, "stride": windows.stride, "padding": windows.padding}
    metadata[COMBINE] = "max"
    if windows.dilation != ONES:
        metadata[DILATION] = windows.dilation
    if windows.ceil_mode:
        metadata[CEIL_MODE] = True
    return make_node(nir.SumPool2d, values, metadata)


def _check(node: nir.NIRNode, where: str) -> None:
    """Refuse metadata that no pool has, and bring those of a maximum into their normal form."""
    combine = node.metadata.get(COMBINE)
    if combine is not None and not isinstance(node, nir.SumPool2d):
        raise InputError(f"{where}: metadata {COMBINE!r} has no meaning here; write a SumPool2d with it")
    if combine is not None and not (isinstance(combine, str) and combine in ("sum", "max")):
        raise InputError(f"{where}: metadata {COMBINE!r} is {short(combine)}; it is 'sum' or 'max'")
    for name in (DILATION, CEIL_MODE):
        if name in node.metadata and combine != "max":
            raise InputError(f"{where}: metadata {name!r} has a meaning beside `combine: 'max'` only; remove it")
    if DILATION in node.metadata:
        node.metadata[DILATION] = integers(node.metadata[DILATION], f"{where}: metadata {DILATION!r}", 1, 2)
    if CEIL_MODE in node.metadata:
        value = np.asarray(node.metadata[CEIL_MODE])
        if value.shape or value.dtype.kind not in "biu" or value not in (0, 1):
            raise InputError(f"{where}: metadata {CEIL_MODE!r} is {short(value)}; it is true or false")
        node.metadata[CEIL_MODE] = bool(value)


def _settle(node: nir.NIRNode, shape: Shape, wanted: object, where: str) -> None:
    if is_max_pool(node) and min(windows_of(node).pooled(shape)) > 0 and not windows_of(node).hold_something(shape):
        raise InputError(
            f"{where}: a window over its input of shape {list(shape)} holds nothing but padding, which has no maximum; "
            "give it less padding"
        )


def _shape(node: nir.NIRNode, shape: Shape) -> Shape:
    return windows_of(node).pooled(shape)


def _padded(node: nir.NIRNode, shape: Shape) -> Shape:
    return (shape[0], *(n + 2 * p for n, p in zip(shape[1:], node.padding, strict=True)))


def _layer(divisor: int | None) -> Callable[[nir.NIRNode, Tensor], Layer]:
    def layer(node: nir.NIRNode, like: Tensor) -> Layer:
        if is_max_pool(node):
            return windows_of(node).maximum
        height, width = node.padding

        def apply(x: Tensor) -> Tensor:
            # padded here: torch refuses a padding above half of the kernel
            padded = functional.pad(x, (width, width, height, height)) if height or width else x
            return functional.avg_pool2d(padded, node.kernel_size, node.stride, divisor_override=divisor)

        return apply

    return layer


_SUM = "y[c, p] = sum x[c, p stride + k - padding]"
for _class, _equation, _divisor in (
    (nir.SumPool2d, f'{_SUM}; the maximum with metadata `combine: "max"`', 1),
    (nir.AvgPool2d, f"{_SUM} / size of the kernel", None),
):
    register(
        Primitive(
            node=_class,
            equation=_equation,
            fields=_FIELDS,
            check=_check,
            accepts=lambda node: (None, None, None),
            settle=_settle,
            shape=_shape,
            padded=_padded,
            apply=_layer(_divisor),
        )
    )
