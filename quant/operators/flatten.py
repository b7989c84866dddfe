"""Change of shape."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import nir
import numpy as np
import scipy.sparse
from torch import Tensor

from inflor.converter.primitives.fields import make_node
from inflor.quant.ir.types import IntArray, Shape
from inflor.quant.operators.base import Operator
from inflor.quant.operators.interval import Interval


@dataclass(frozen=True)
class Flatten(Operator):
    """Joins the dimensions start..end (inclusive, without batch) into one, in row-major order."""

    start: int
    end: int

    NODES: ClassVar = (nir.Flatten,)
    reshapes: ClassVar[bool] = True

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[: self.start], prod(shape[self.start : self.end + 1]), *shape[self.end + 1 :])

    def matrix(self, shape: Shape) -> Any:
        return scipy.sparse.identity(prod(shape), dtype=np.int64, format="csr")

    def apply(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        return x.flatten(self.start + 1, self.end + 1)

    def gain(self, shape: Shape) -> int:
        return 1

    def bounds(self, x: Interval, shape: Shape) -> Interval:
        channels = self.channels(shape)
        return Interval(x.low[channels], x.high[channels])

    def products(self, shape: Shape) -> int:
        return 0

    def working_elements(self, shape: Shape) -> int:
        return prod(shape)

    def channels(self, shape: Shape) -> IntArray:
        inner = prod(shape[1 : self.end + 1]) if self.start == 0 else 1
        return np.repeat(np.arange(shape[0]), inner)

    def to_nir(self, shape: Shape, bias: IntArray | None = None) -> nir.NIRNode:
        fields = {"input_type": {"input": np.array(shape)}, "start_dim": self.start, "end_dim": self.end}
        return make_node(nir.Flatten, fields, {})

    @classmethod
    def from_nir(cls, name: str, node: nir.NIRNode, shape: Shape) -> Flatten:
        return cls(name, node.start_dim, node.end_dim)
