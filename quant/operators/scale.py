"""Factor per neuron."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

import nir
import numpy as np
import scipy.sparse
from torch import Tensor

from inflor.converter.primitives.fields import make_node
from inflor.quant.ir.types import IntArray, Shape
from inflor.quant.operators.arrays import Weights, largest, least_shape, narrow
from inflor.quant.operators.base import Operator, Weighted
from inflor.quant.operators.conv import Conv
from inflor.quant.operators.interval import Interval


@dataclass(frozen=True, eq=False)
class Scale(Weighted):
    """`y = m * x`, elementwise: one synapse per neuron, and the integer form of a residual identity.

    Attributes:
        weight: broadcastable against the input, e.g. [C, 1, 1].
    """

    NODES: ClassVar = (nir.Scale,)
    elementwise: ClassVar[bool] = True

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def matrix(self, shape: Shape) -> Any:
        factors = np.broadcast_to(self.weight, shape).ravel()
        return scipy.sparse.diags(factors, dtype=self.weight.dtype, format="csr")

    def apply(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        assert weight is not None
        return x * weight

    def gain(self, shape: Shape) -> int:
        return largest(self.weight)

    def bounds(self, x: Interval, shape: Shape) -> Interval:
        x = x.with_zero()
        flat = np.broadcast_to(self.weight, shape).reshape(shape[0], -1)
        least, most = flat.min(1), flat.max(1)
        return Interval(
            np.minimum(most * x.low, least * x.high).clip(max=0), np.maximum(most * x.high, least * x.low).clip(min=0)
        )

    def products(self, shape: Shape) -> int:
        return prod(shape)

    def working_elements(self, shape: Shape) -> int:
        return prod(shape)

    @classmethod
    def of(cls, operator: Operator) -> Scale | None:
        """The factors of the channels, where an operator does nothing but multiply by them; else None."""
        if isinstance(operator, Scale):
            return operator
        if not isinstance(operator, Conv) or operator.groups != len(operator.weight) or operator.weight[0].size != 1:
            return None
        if set(operator.stride) != {1} or any(map(any, operator.padding)):
            return None
        return cls(operator.name, operator.weight[:, 0])

    def as_convolution(self, shape: Shape) -> Conv | None:
        """A depthwise convolution of 1 x 1, where the factor is the same all over a channel."""
        dimensions = len(shape) - 1
        full = np.broadcast_to(self.weight, shape).reshape(shape[0], -1)
        if (full != full[:, :1]).any():
            return None
        weight = full[:, :1].reshape(shape[0], *(1,) * (dimensions + 1))
        ones = (1,) * dimensions
        return Conv(self.name, weight, ones, ((0, 0),) * dimensions, ones, shape[0])

    def columns(self, x: Tensor, rng: np.random.Generator, count: int) -> Tensor:
        """All inputs of each channel, [C, N * positions]."""
        return x.transpose(0, 1).flatten(1)

    def rows(self, shape: Shape) -> IntArray:
        return np.arange(shape[0])

    def scaled_inputs(self, factor: Weights) -> Scale:
        return replace(self, weight=self.weight * factor)

    def to_nir(self, shape: Shape, bias: IntArray | None = None) -> nir.NIRNode:
        return make_node(nir.Scale, {"scale": np.broadcast_to(narrow(self.weight), shape).copy()}, {})

    @classmethod
    def from_nir(cls, name: str, node: nir.NIRNode, shape: Shape) -> Scale:
        return cls(name, least_shape(np.asarray(node.scale, np.float64)).copy())
