"""One projection of an integer network as tensors: bytes or numbers in, its part of the current out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inflor.quant.apply import apply_chain, apply_operator, torch_padding
from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.operators import WEIGHTED, Conv, IntArray, Linear, Operator, SumPool
from inflor.quant.run.int8 import Int8Convolution, suits

FRAMES_TO_CHECK = 8
"""Of every new shape: the 8-bit sums of the busiest of these are compared with those in floating point."""


class Synapses:
    """One projection, ready to run: bytes [N, *source shape] in, its part of the current [N, *target shape] out."""

    def __init__(
        self, network: IntegerNetwork, projection: Projection, dtype: torch.dtype, device: str, bias: IntArray | None
    ):
        self.operators, self.dtype = projection.operators, dtype
        source = network.by_name[projection.source]
        index = next(i for i, op in enumerate(self.operators) if isinstance(op, WEIGHTED))
        self._before, self._last = self.operators[:index], self.operators[index]
        self._after = self.operators[index + 1 :]
        assert isinstance(self._last, WEIGHTED)
        outputs = self._last.weight.shape[0] if self._last.weight.ndim else 1
        self._bias: Tensor | None = None
        if bias is not None:
            self._bias = torch.from_numpy(np.broadcast_to(bias.reshape(-1), outputs).copy()).to(dtype)
        # the effective weight, mantissa << exponent, is as exact in a binary format as the mantissa itself
        self._weight = torch.as_tensor(self._last.weight << projection.exponent).to(device=device, dtype=dtype)
        self._bytes: Int8Convolution | None = None
        activity, shape = 1, source.shape
        for operator in self._before:
            activity *= math.prod(operator.kernel) if isinstance(operator, SumPool) else 1
            shape = operator.output_shape(shape)
        eligible = device == "cpu" and dtype == torch.float32 and source.role != "input"
        if eligible and isinstance(self._last, Conv) and suits(self._last, shape, activity):
            self._bytes = Int8Convolution(self._last, projection.exponent, self._bias)
        self._checked: set[torch.Size] = set()

    def __call__(self, x: Tensor) -> Tensor:
        if self._bytes is None:
            return self._weighed(apply_chain(self._before, x.to(self.dtype), None))
        for operator in self._before:
            x = _sum_bytes(operator, x) if isinstance(operator, SumPool) else apply_operator(operator, x, None)
        current = self._bytes(x)
        if x.shape not in self._checked:  # which of its kernels oneDNN takes depends on the shape, batch included
            some = torch.arange(0, len(x), -(-len(x) // FRAMES_TO_CHECK))
            busiest = some[x[some].flatten(1).sum(1).argmax()][None]
            if not torch.equal(current[busiest], self._weigh(x[busiest].to(self.dtype))):
                self._bytes = None
                return self._weighed(x.to(self.dtype))
            self._checked.add(x.shape)
        return apply_chain(self._after, current, None)

    def _weighed(self, x: Tensor) -> Tensor:
        return apply_chain(self._after, self._weigh(x), None)

    def _weigh(self, x: Tensor) -> Tensor:
        return _weigh(self._last, x, self._weight, self._bias)


def delayed(source: Tensor, delay: int, timesteps: int) -> Tensor:
    """What a projection with `delay` delivers of [T or 1, B, *shape]: nothing at first, then the past."""
    if not delay:
        return source
    every_step = source.expand(timesteps, *source.shape[1:])
    return torch.cat([torch.zeros_like(every_step[:delay]), every_step[: max(timesteps - delay, 0)]])


def _weigh(operator: Operator, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Apply the weighted operator, adding a bias per output channel on the way where there is one."""
    if bias is None:
        return apply_operator(operator, x, weight)
    if isinstance(operator, Linear):
        return functional.linear(x, weight, bias)
    assert isinstance(operator, Conv)
    padding = tuple(before for before, _ in operator.padding)
    convolve = functional.conv2d if len(padding) == 2 else functional.conv1d
    return convolve(x, weight, bias, operator.stride, padding, operator.dilation, operator.groups)


def _sum_bytes(operator: SumPool, x: Tensor) -> Tensor:
    """A sum pool as a sum of strided views, in bytes: its caller knows that the sums fit."""
    padding = torch_padding(tuple((p, p) for p in operator.padding))
    x = functional.pad(x, padding) if any(padding) else x
    height, width = operator.output_shape(
        (0, *(n - 2 * p for n, p in zip(x.shape[2:], operator.padding, strict=True)))
    )[1:]
    total: Tensor | None = None
    for row, column in itertools.product(*map(range, operator.kernel)):
        rows = slice(row, row + (height - 1) * operator.stride[0] + 1, operator.stride[0])
        columns = slice(column, column + (width - 1) * operator.stride[1] + 1, operator.stride[1])
        part = x[:, :, rows, columns]
        total = part.clone() if total is None else total.add_(part)
    assert total is not None
    return total
