"""A projection's chain of operators, applied from left to right, of which at most one has weights."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.quant.ir.types import Shape
from inflor.quant.operators.base import Operator, Weighted
from inflor.quant.operators.interval import Interval

Operators = tuple[Operator, ...]
LARGEST_SUM = 1 << 62
"""Sums of this magnitude and above are refused: they might leave int64."""
FAR_TOO_LARGE = "look for weights, windows or exponents that are far too large"


def output_shape(operators: Operators, shape: Shape) -> Shape:
    """Shape that a chain makes of `shape` (no batch dimension)."""
    for operator in operators:
        shape = operator.output_shape(shape)
    return shape


def weighted(operators: Operators) -> Weighted | None:
    """The one operator of a chain that has weights, or None."""
    return next((op for op in operators if isinstance(op, Weighted)), None)


def split_chain(operators: Operators) -> tuple[Operators, Weighted, Operators]:
    """A chain as what stands before, the operator with weights, and what stands after."""
    index = next(i for i, op in enumerate(operators) if isinstance(op, Weighted))
    operator = operators[index]
    assert isinstance(operator, Weighted)
    return operators[:index], operator, operators[index + 1 :]


def apply_chain(operators: Operators, x: Tensor, weight: Tensor | None) -> Tensor:
    """Apply a chain to `x` [N, *shape], in the dtype of `x`.

    In float32 and float64 the result is exact for integers as long as every partial sum stays within 2**24 and 2**53
    (`inflor.quant.ir.ranges` proves it).

    Args:
        weight: the weights of its one weighted operator, from `weight_tensor`.
    """
    for operator in operators:
        x = operator.apply(x, weight if isinstance(operator, Weighted) else None)
    return x


def weight_tensor(operators: Operators, dtype: torch.dtype, device: str = "cpu") -> Tensor | None:
    """The chain's weights as a tensor, or None where it has none."""
    operator = weighted(operators)
    return None if operator is None else torch.as_tensor(operator.weight).to(device=device, dtype=dtype)


def unrolled(operators: Operators, shape: Shape) -> Any:
    """The chain as one matrix, exactly: scipy CSR, int64 [out, in], without zeros or duplicates.

    Args:
        shape: the source's, without batch; both sides are in row-major order.

    Raises:
        InputError: its numbers are too large for int64.
    """
    total, gain = None, 1
    for operator in operators:
        gain *= operator.gain(shape)
        if gain >= LARGEST_SUM:
            raise InputError("its sums of weights need more than 62 bits", node=operator.name, mend=FAR_TOO_LARGE)
        matrix, shape = operator.matrix(shape), operator.output_shape(shape)
        total = matrix if total is None else (matrix @ total).tocsr()
    if total is None:
        total = scipy.sparse.identity(prod(shape), dtype=np.int64, format="csr")
    total.sum_duplicates()
    total.eliminate_zeros()
    return total.astype(np.int64, copy=False)  # scipy makes an empty product a float one


def bounds(operators: Operators, x: Interval, shape: Shape) -> Interval:
    """What a chain over `shape` can give for inputs within `x`.

    No partial sum of an operator exceeds its gain times the largest magnitude that enters it. These are Python integers
    and cannot wrap, so below `LARGEST_SUM` the int64 arithmetic of the bounds does not wrap either.

    Raises:
        InputError: a sum may leave int64; names the operator's node.
    """
    for operator in operators:
        if operator.gain(shape) * x.peak >= LARGEST_SUM:
            raise InputError("its sums may need more than 62 bits", node=operator.name, mend=FAR_TOO_LARGE)
        x, shape = operator.bounds(x, shape), operator.output_shape(shape)
    return x
