"""Linear operators by loops over every output and every tap, independent of their matrices and of their fast paths."""

from __future__ import annotations

import itertools

import numpy as np

from inflor.quant.operators import Conv, Flatten, Linear, Operator, Scale, SumPool


def operate(operator: Operator, x: np.ndarray) -> np.ndarray:
    """One operator on one image, by loops over every output and every tap."""
    if isinstance(operator, Flatten):
        return x.reshape(operator.output_shape(x.shape))
    if isinstance(operator, Scale):
        return x * np.broadcast_to(operator.weight, x.shape)
    if isinstance(operator, Linear):
        out = np.zeros(operator.output_shape(x.shape), dtype=np.int64)
        for index in np.ndindex(out.shape):
            row = operator.weight[index[-1]]
            out[index] = sum(int(w) * int(s) for w, s in zip(row, x[index[:-1]], strict=True))
        return out
    out = np.zeros(operator.output_shape(x.shape), dtype=np.int64)
    for index in np.ndindex(out.shape):
        out[index] = _pooled(operator, x, index) if isinstance(operator, SumPool) else _convolved(operator, x, index)
    return out


def _pooled(operator: SumPool, x: np.ndarray, index: tuple[int, ...]) -> int:
    total = 0
    for offset in itertools.product(*map(range, operator.kernel)):
        at = [i * s + o - p for i, s, o, p in zip(index[1:], operator.stride, offset, operator.padding, strict=True)]
        if all(0 <= a < n for a, n in zip(at, x.shape[1:], strict=True)):
            total += int(x[(index[0], *at)])
    return total


def _convolved(operator: Conv, x: np.ndarray, index: tuple[int, ...]) -> int:
    outputs, inputs = operator.weight.shape[:2]
    first = index[0] // (outputs // operator.groups) * inputs
    total = 0
    for channel in range(inputs):
        for tap in np.ndindex(operator.weight.shape[2:]):
            at = [
                i * s + d * k - before
                for i, s, d, k, (before, _) in zip(
                    index[1:], operator.stride, operator.dilation, tap, operator.padding, strict=True
                )
            ]
            if all(0 <= a < n for a, n in zip(at, x.shape[1:], strict=True)):
                total += int(operator.weight[(index[0], channel, *tap)]) * int(x[(first + channel, *at)])
    return total
