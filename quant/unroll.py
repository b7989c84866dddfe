"""A projection's chain of operators as one sparse matrix, exactly: what a chip without convolutions stores."""

from __future__ import annotations

import math
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
import scipy.sparse

from inflor.quant.operators import Conv, Flatten, Linear, Operator, Scale, Shape, SumPool


def unrolled(operators: tuple[Operator, ...], shape: Shape) -> Any:
    """The chain as scipy CSR, int64 [out, in], in row-major order of both shapes, without zeros or duplicates.

    shape: the source's, without batch.
    """
    total = None
    for operator in operators:
        matrix = _unrolled(operator, shape)
        total = matrix if total is None else (matrix @ total).tocsr()
        shape = operator.output_shape(shape)
    if total is None:
        total = scipy.sparse.identity(math.prod(shape), dtype=np.int64, format="csr")
    total.sum_duplicates()
    total.eliminate_zeros()
    return total.astype(np.int64, copy=False)  # scipy makes an empty product a float one


def as_convolution(operator: Conv | Scale | SumPool, shape: Shape) -> Conv | None:
    """One operator as a convolution, or None where it is none."""
    channels, dimensions = shape[0], len(shape) - 1
    ones = (1,) * dimensions
    if isinstance(operator, Conv):
        return operator
    if isinstance(operator, SumPool):
        weight = np.ones((channels, 1, *operator.kernel), np.int64)
        return Conv("", weight, operator.stride, tuple((p, p) for p in operator.padding), ones, channels)
    full = np.broadcast_to(operator.weight, shape).reshape(channels, -1)
    if (full != full[:, :1]).any():
        return None
    weight = full[:, :1].reshape(channels, *(1,) * (dimensions + 1))
    return Conv("", weight, ones, ((0, 0),) * dimensions, ones, channels)


def _unrolled(operator: Operator, shape: Shape) -> Any:
    size = math.prod(shape)
    if isinstance(operator, Flatten):
        return scipy.sparse.identity(size, dtype=np.int64, format="csr")
    if isinstance(operator, Scale):
        return scipy.sparse.diags(np.broadcast_to(operator.weight, shape).ravel(), dtype=np.int64, format="csr")
    if isinstance(operator, Linear):
        rows = scipy.sparse.identity(math.prod(shape[:-1]), dtype=np.int64)
        return scipy.sparse.kron(rows, scipy.sparse.csr_matrix(operator.weight), format="csr")
    conv = as_convolution(operator, shape)
    assert conv is not None
    return _unrolled_convolution(conv, shape)


def _unrolled_convolution(conv: Conv, shape: Shape) -> Any:
    out_shape, dims = conv.output_shape(shape), len(shape) - 1
    out_channels, inner = conv.weight.shape[:2]
    source = (np.arange(out_channels) // (out_channels // conv.groups))[:, None] * inner + np.arange(inner)  # [O, I]
    target = np.broadcast_to(np.arange(out_channels)[:, None], source.shape)
    places = np.indices(out_shape[1:]).reshape(dims, -1)  # [dims, P]
    rows, columns, values = [], [], []
    for tap, k in enumerate(product(*(range(n) for n in conv.weight.shape[2:]))):
        weight = conv.weight.reshape(out_channels, inner, -1)[:, :, tap]
        used = weight != 0
        at = [conv.stride[a] * places[a] + conv.dilation[a] * k[a] - conv.padding[a][0] for a in range(dims)]
        inside = reduce(np.logical_and, [(at[a] >= 0) & (at[a] < shape[a + 1]) for a in range(dims)])
        flat_in = np.ravel_multi_index([x[inside] for x in at], shape[1:])
        flat_out = np.flatnonzero(inside)
        rows.append((target[used][:, None] * places.shape[1] + flat_out).ravel())
        columns.append((source[used][:, None] * math.prod(shape[1:]) + flat_in).ravel())
        values.append(np.repeat(weight[used], flat_out.size))
    parts = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return scipy.sparse.csr_matrix(parts, shape=(math.prod(out_shape), math.prod(shape)), dtype=np.int64)
