"""Sum over windows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import nir
import numpy as np
import torch.nn.functional as F
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.converter.primitives.fields import make_node
from inflor.converter.primitives.pool import is_max_pool
from inflor.quant.ir.types import IntArray, Shape
from inflor.quant.operators.base import Operator
from inflor.quant.operators.conv import Conv, torch_padding
from inflor.quant.operators.interval import Interval


@dataclass(frozen=True)
class SumPool(Operator):
    """Sum over windows of each channel. Windows that do not fit are dropped.

    Attributes:
        kernel: window, one entry per spatial dimension.
        stride: one entry per spatial dimension.
        padding: zeros at both ends, one entry per spatial dimension.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    NODES: ClassVar = (nir.SumPool2d,)

    def output_shape(self, shape: Shape) -> Shape:
        spatial = tuple(
            (n + 2 * p - k) // s + 1
            for n, k, s, p in zip(shape[1:], self.kernel, self.stride, self.padding, strict=True)
        )
        return (shape[0], *spatial)

    def matrix(self, shape: Shape) -> Any:
        return self.as_convolution(shape).matrix(shape)

    def apply(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        x = F.pad(x, torch_padding(tuple((p, p) for p in self.padding))) if any(self.padding) else x
        if x.dtype.is_floating_point and len(self.kernel) == 2:
            return F.avg_pool2d(x, self.kernel, self.stride, divisor_override=1)
        sizes = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], self.kernel, self.stride, strict=True)]
        total: Tensor | None = None
        for offset in itertools.product(*map(range, self.kernel)):
            places = zip(offset, sizes, self.stride, strict=True)
            window: tuple[Any, ...] = (..., *(slice(o, o + (n - 1) * s + 1, s) for o, n, s in places))
            total = x[window].clone() if total is None else total.add_(x[window])
        assert total is not None
        return total

    def gain(self, shape: Shape) -> int:
        return prod(self.kernel)

    def bounds(self, x: Interval, shape: Shape) -> Interval:
        x, size = x.with_zero(), prod(self.kernel)
        return Interval(x.low * size, x.high * size)

    def products(self, shape: Shape) -> int:
        return prod(self.output_shape(shape)) * prod(self.kernel)

    def channels(self, shape: Shape) -> IntArray:
        return np.arange(shape[0])

    def as_convolution(self, shape: Shape) -> Conv:
        ones = (1,) * len(self.kernel)
        weight = np.ones((shape[0], 1, *self.kernel), np.int64)
        return Conv(self.name, weight, self.stride, tuple((p, p) for p in self.padding), ones, shape[0])

    def to_nir(self, shape: Shape, bias: IntArray | None = None) -> nir.NIRNode:
        if len(self.kernel) != 2:
            raise InputError("NIR has no sum pool of one dimension", node=self.name, mend="spell it as a convolution")
        sizes = {"kernel_size": self.kernel, "stride": self.stride, "padding": self.padding}
        return make_node(nir.SumPool2d, {k: np.array(v) for k, v in sizes.items()}, {})

    @classmethod
    def from_nir(cls, name: str, node: nir.NIRNode, shape: Shape) -> SumPool | None:
        if is_max_pool(node):
            return None
        return cls(name, node.kernel_size, node.stride, node.padding)

    def __str__(self) -> str:
        return f"sum {'x'.join(map(str, self.kernel))} stride {'x'.join(map(str, self.stride))}"
