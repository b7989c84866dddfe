"""Conv1d and Conv2d: a convolution with zero padding, over channels in groups, with a bias.

    y[o, p] = b[o] + sum over c, k of W[o, c, k] x[c', p stride + k dilation - padding]

k runs over the kernel, c over the input channels of o's group, of which the c-th is c'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import nir
from torch import Tensor
from torch.nn import functional

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.base import Layer, Primitive, register
from inflor.converter.primitives.fields import Check, Field, integers, optional, sizes, vector, weights
from inflor.converter.primitives.linear import check_biases
from inflor.converter.primitives.shapes import Pattern, windows
from inflor.converter.primitives.tensors import tensor


def _padding(count: int) -> Check:
    def check(value: Any, where: str) -> str | tuple[int, ...]:
        if isinstance(value, str):
            if value not in ("same", "valid"):
                raise InputError(f"{where} is {value[:80]!r}; it takes numbers, 'same' or 'valid'")
            return value
        return integers(value, where, 0, count)

    return check


def _groups(value: Any, where: str) -> int:
    return integers(value, where, 1, 1)[0]


def _fields(dimensions: int) -> dict[str, Field]:
    scalar = dimensions == 1
    return {
        "input_shape": Field(optional(sizes(dimensions, 1)), None, scalar=scalar),
        "weight": Field(weights(dimensions + 2), role="weights"),
        "stride": Field(sizes(dimensions, 1), scalar=scalar),
        "padding": Field(_padding(dimensions), scalar=scalar),
        "dilation": Field(sizes(dimensions, 1), scalar=scalar),
        "groups": Field(_groups),
        "bias": Field(vector),
    }


def _check(node: nir.NIRNode, where: str) -> None:
    check_biases(node, where)
    if node.weight.shape[0] % node.groups:
        raise InputError(f"{where}: its {node.groups} groups do not divide its {node.weight.shape[0]} output channels")
    if node.padding == "same" and set(node.stride) != {1}:
        raise InputError(f"{where}: padding 'same' has no meaning with stride {list(node.stride)}; give numbers")


def _accepts(node: nir.NIRNode) -> Pattern:
    spatial = node.input_shape or (None,) * (node.weight.ndim - 2)
    spatial = spatial if isinstance(spatial, tuple) else (spatial,)  # a settled Conv1d has a number
    return (node.weight.shape[1] * node.groups, *spatial)


def _settle(node: nir.NIRNode, shape: Shape, wanted: Sequence[Pattern | None], where: str) -> None:
    node.input_shape = shape[1:] if len(shape) > 2 else shape[1]


def _shape(node: nir.NIRNode, shape: Shape) -> Shape:
    if node.padding == "same":
        return (node.weight.shape[0], *shape[1:])
    padding = (0,) * len(node.stride) if node.padding == "valid" else node.padding
    return (node.weight.shape[0], *windows(shape[1:], node.weight.shape[2:], node.stride, padding, node.dilation))


def _padded(node: nir.NIRNode, shape: Shape) -> Shape:
    if node.padding == "valid":
        return shape
    if node.padding == "same":
        kernel = zip(shape[1:], node.weight.shape[2:], node.dilation, strict=True)
        return (shape[0], *(n + d * (k - 1) for n, k, d in kernel))
    return (shape[0], *(n + 2 * p for n, p in zip(shape[1:], node.padding, strict=True)))


def _layer(convolve: Callable[..., Tensor]) -> Callable[[nir.NIRNode, Tensor], Layer]:
    def layer(node: nir.NIRNode, like: Tensor) -> Layer:
        padding, sides = node.padding, []
        if padding == "same":
            # Where the total is odd, the end gets one more, as in torch (which warns about it).
            totals = [d * (k - 1) for k, d in zip(node.weight.shape[2:], node.dilation, strict=True)]
            sides = [side for total in reversed(totals) for side in (total // 2, total - total // 2)]
            padding = 0
        weight, bias = tensor(node.weight, like), tensor(node.bias, like)

        def apply(x: Tensor) -> Tensor:
            padded = functional.pad(x, sides) if sides else x
            return convolve(padded, weight, bias, node.stride, padding, node.dilation, node.groups)

        return apply

    return layer


for _class, _dimensions, _convolve in ((nir.Conv1d, 1, functional.conv1d), (nir.Conv2d, 2, functional.conv2d)):
    register(
        Primitive(
            node=_class,
            equation="y[o, p] = b[o] + sum W[o, c, k] x[c, p stride + k dilation - padding]",
            fields=_fields(_dimensions),
            check=_check,
            accepts=_accepts,
            settle=_settle,
            shape=_shape,
            padded=_padded,
            apply=_layer(_convolve),
        )
    )
