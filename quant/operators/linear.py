"""Matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

import nir
import numpy as np
import scipy.sparse
import torch.nn.functional as F
from torch import Tensor

from inflor.converter.primitives.fields import make_node
from inflor.quant.ir.types import IntArray, Shape
from inflor.quant.operators.arrays import Weights, largest, narrow
from inflor.quant.operators.base import Weighted
from inflor.quant.operators.interval import Interval


@dataclass(frozen=True, eq=False)
class Linear(Weighted):
    """`y = W x` over the last dimension.

    Attributes:
        weight: [out, in].
    """

    NODES: ClassVar = (nir.Linear, nir.Affine)
    shared: ClassVar[bool] = False

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], self.weight.shape[0])

    def matrix(self, shape: Shape) -> Any:
        rows = scipy.sparse.identity(prod(shape[:-1]), dtype=self.weight.dtype)
        matrix = scipy.sparse.kron(rows, scipy.sparse.csr_matrix(self.weight), format="csr")
        return matrix.astype(self.weight.dtype, copy=False)  # scipy makes an empty product a float one

    def apply(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        assert weight is not None
        return x @ weight.T if bias is None else F.linear(x, weight, bias)

    def adds_bias(self, shape: Shape) -> bool:
        return len(shape) == 1

    def gain(self, shape: Shape) -> int:
        return self.weight.shape[1] * largest(self.weight)

    def bounds(self, x: Interval, shape: Shape) -> Interval:
        x = x.with_zero()
        positive: IntArray = np.maximum(self.weight, 0)
        negative: IntArray = np.minimum(self.weight, 0)
        if len(shape) == 1:
            return Interval(positive @ x.low + negative @ x.high, positive @ x.high + negative @ x.low)
        low, high, ups, downs = x.low.min(), x.high.max(), positive.sum(1), negative.sum(1)
        least, most = ups * low + downs * high, ups * high + downs * low
        return Interval(np.full(shape[0], least.min()), np.full(shape[0], most.max()))

    def products(self, shape: Shape) -> int:
        return prod(self.output_shape(shape)) * shape[-1]

    def working_elements(self, shape: Shape) -> int:
        return prod(shape)

    def columns(self, x: Tensor, rng: np.random.Generator, count: int) -> Tensor:
        return x[:count].T

    def scaled_inputs(self, factor: Weights) -> Linear | None:
        if factor.ndim > 1 and factor.size > 1:  # channels are rows of the input, which share the weights
            return None
        return replace(self, weight=self.weight * factor.reshape(-1))

    def to_nir(self, shape: Shape, bias: IntArray | None = None) -> nir.NIRNode:
        weight = narrow(self.weight)
        if bias is None:
            return make_node(nir.Linear, {"weight": weight}, {})
        constant = np.broadcast_to(np.ravel(bias), weight.shape[0]).copy()
        return make_node(nir.Affine, {"weight": weight, "bias": narrow(constant)}, {})

    @classmethod
    def from_nir(cls, name: str, node: nir.NIRNode, shape: Shape) -> Linear | None:
        if len(shape) != 1 or node.weight.ndim != 2:
            return None
        return cls(name, np.asarray(node.weight, np.float64))
