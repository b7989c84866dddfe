"""What a linear operator of a projection is. A new one is a file in this folder and a line in its `__init__`.

`matrix` is the definition: `out = matrix(shape) @ in`, both in row-major order. All else has a default that follows
from it, and an operator overrides a default where it can do the same faster. One test holds every registered operator
to its matrix (`tests/quant/operators/test_contract.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import nir
import numpy as np
import torch
from torch import Tensor

from inflor.quant.ir.types import IntArray, Shape
from inflor.quant.operators.arrays import Weights, channels_first, largest
from inflor.quant.operators.interval import Interval

if TYPE_CHECKING:
    from inflor.quant.operators.conv import Conv


@dataclass(frozen=True, eq=False)
class Operator(ABC):
    """A linear map of activations of one shape to activations of another, without batch and time.

    Attributes:
        name: of the NIR node that it stands for.
        NODES: the NIR classes that `from_nir` may read.
        reshapes: whether the matrix is the identity for every shape.
    """

    name: str
    NODES: ClassVar[tuple[type[nir.NIRNode], ...]] = ()
    reshapes: ClassVar[bool] = False

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Shape that it makes of `shape`."""

    @abstractmethod
    def matrix(self, shape: Shape) -> Any:
        """The definition: scipy CSR [out, in], `out = matrix @ in` in row-major order of both shapes.

        Its dtype is that of the weights: int64 in an integer network and where there are none.
        """

    @abstractmethod
    def to_nir(self, shape: Shape, bias: IntArray | None = None) -> nir.NIRNode:
        """The NIR node that computes the same over `shape`, and adds `bias` [rows of weights] where `adds_bias`.

        Raises:
            InputError: NIR has no node for it.
        """

    @classmethod
    @abstractmethod
    def from_nir(cls, name: str, node: nir.NIRNode, shape: Shape) -> Operator | None:
        """The operator that a node of a validated graph is over `shape`, or None where the node is another's.

        Weights are float64; a bias is left out.
        """

    def apply(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """The operator on a batch, exact in integers and where no partial sum leaves a float's exact integers.

        Args:
            x: [N, *shape].
            weight: of the operator's weights, in the dtype and on the device of `x`.
            bias: one value per row of the weights, added to the result; only where `adds_bias`.

        Returns:
            [N, *output shape], in the dtype of `x`.
        """
        shape = tuple(x.shape[1:])
        return _product(_matrix(self, shape), x, self.output_shape(shape))

    def adds_bias(self, shape: Shape) -> bool:
        """Whether `apply` and `to_nir` take a bias, one value for each channel of their output `shape`."""
        return False

    def gain(self, shape: Shape) -> int:
        """A bound of the sum of magnitudes in any row of the matrix: no partial sum exceeds it times the largest input.

        A Python integer, which cannot wrap.
        """
        matrix = self.matrix(shape)
        return int(np.diff(matrix.indptr).max(initial=0)) * largest(matrix.data)

    def bounds(self, x: Interval, shape: Shape) -> Interval:
        """What the output can be, channel by channel, for every input within `x`.

        Args:
            x: of the input's channels; `gain(shape)` times its peak is below 2**62, so that nothing here wraps.
        """
        matrix, inner = self.matrix(shape), prod(shape[1:])
        low, high = (np.repeat(end, inner) for end in (x.low, x.high))
        positive, negative = matrix.maximum(0), matrix.minimum(0)
        least, most = positive @ low + negative @ high, positive @ high + negative @ low
        channels = self.output_shape(shape)[0]
        return Interval(least.reshape(channels, -1).min(1), most.reshape(channels, -1).max(1))

    def products(self, shape: Shape) -> int:
        """Multiplications, or additions where there are no weights, of one pass; those with padding and zeros too."""
        return int(self.matrix(shape).nnz)

    def working_elements(self, shape: Shape) -> int:
        """Elements of a sample that `apply` holds beside its output: the input, and what it makes on the way."""
        return 2 * prod(shape)

    def channels(self, shape: Shape) -> IntArray | None:
        """The channel of the input that each channel of the output is made of, [output channels].

        None where a channel is made of several.
        """
        out = self.output_shape(shape)
        row, column = self.matrix(shape).nonzero()
        made, of = row // prod(out[1:]), column // prod(shape[1:])
        source = np.zeros(out[0], np.int64)
        source[made] = of
        return source if (source[made] == of).all() else None

    def as_convolution(self, shape: Shape) -> Conv | None:
        """The same map over `shape` as a convolution, or None where it is none."""
        return None

    def __str__(self) -> str:
        return type(self).__name__.lower()


@dataclass(frozen=True, eq=False)
class Weighted(Operator):
    """An operator with weights, of which a projection has one.

    How its weights can be rounded is a part of it. Each row, `weight[r]`, makes an output channel of its own.

    Attributes:
        weight: [rows, ...]; int64, the mantissa, or float64 while a network is being quantized.
        elementwise: whether each neuron has its own weight alone, `out = weight * in`. `weight` broadcasts against the
            input, and its rows are the channels.
        shared: whether each weight meets several inputs of one sample.
    """

    weight: Weights
    elementwise: ClassVar[bool] = False
    shared: ClassVar[bool] = True

    @property
    def blocks(self) -> int:
        """Blocks of consecutive rows that see different inputs."""
        return 1

    def apply(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        assert weight is not None
        shape = tuple(x.shape[1:])
        held = replace(self, weight=weight.cpu().numpy())
        return _product(held.matrix(shape), x, self.output_shape(shape))

    def products(self, shape: Shape) -> int:
        return int(replace(self, weight=np.ones_like(self.weight)).matrix(shape).nnz)

    @abstractmethod
    def columns(self, x: Tensor, rng: np.random.Generator, count: int) -> Tensor:
        """Inputs that the rows meet, drawn at random: [blocks * inputs of a row, count].

        Row r makes `weight[r].ravel() @ column`, of its block's part of a column.

        Args:
            x: [N, *shape].
            count: how many to draw; fewer where there are no more.
        """

    def rows(self, shape: Shape) -> IntArray:
        """The row of the weights that makes each channel of the output over `shape`."""
        return np.arange(len(self.weight))

    def scaled_inputs(self, factor: Weights) -> Weighted | None:
        """The operator after `x * factor` as one operator, or None where its weights cannot say it.

        Args:
            factor: [] or [input channels, 1, ...].
        """
        return None

    def scaled_rows(self, factor: Weights) -> Weighted:
        """The operator before `x * factor` as one operator.

        Args:
            factor: [] or [rows, 1, ...].
        """
        return replace(self, weight=self.weight * channels_first(factor, max(self.weight.ndim, 1)))


@lru_cache(maxsize=32)
def _matrix(operator: Operator, shape: Shape) -> Any:
    return operator.matrix(shape)


def _product(matrix: Any, x: Tensor, shape: Shape) -> Tensor:
    flat = x.reshape(len(x), -1).cpu().numpy()
    out = np.ascontiguousarray((matrix.astype(flat.dtype) @ flat.T).T)
    return torch.from_numpy(out).to(x.device).reshape(len(x), *shape)
