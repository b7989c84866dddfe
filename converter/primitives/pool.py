"""SumPool2d and AvgPool2d: sum and mean over windows of each channel, with zero padding.

    y[c, p] = sum over k of x[c, p stride + k - padding]            the mean divides it by the size of the kernel

Zeros of the padding count in the mean.
"""

from __future__ import annotations

from collections.abc import Callable

import nir
from torch import Tensor
from torch.nn import functional

from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.base import Layer, Primitive, register
from inflor.converter.primitives.fields import Field, sizes
from inflor.converter.primitives.shapes import windows

_FIELDS = {"kernel_size": Field(sizes(2, 1)), "stride": Field(sizes(2, 1)), "padding": Field(sizes(2, 0))}


def _shape(node: nir.NIRNode, shape: Shape) -> Shape:
    return (shape[0], *windows(shape[1:], node.kernel_size, node.stride, node.padding, (1, 1)))


def _padded(node: nir.NIRNode, shape: Shape) -> Shape:
    return (shape[0], *(n + 2 * p for n, p in zip(shape[1:], node.padding, strict=True)))


def _layer(divisor: int | None) -> Callable[[nir.NIRNode, Tensor], Layer]:
    def layer(node: nir.NIRNode, like: Tensor) -> Layer:
        height, width = node.padding

        def apply(x: Tensor) -> Tensor:
            # padded here: torch refuses a padding above half of the kernel
            padded = functional.pad(x, (width, width, height, height)) if height or width else x
            return functional.avg_pool2d(padded, node.kernel_size, node.stride, divisor_override=divisor)

        return apply

    return layer


for _class, _equation, _divisor in (
    (nir.SumPool2d, "y[c, p] = sum x[c, p stride + k - padding]", 1),
    (nir.AvgPool2d, "y[c, p] = sum x[c, p stride + k - padding] / size of the kernel", None),
):
    register(
        Primitive(
            node=_class,
            equation=_equation,
            fields=_FIELDS,
            accepts=lambda node: (None, None, None),
            shape=_shape,
            padded=_padded,
            apply=_layer(_divisor),
        )
    )
