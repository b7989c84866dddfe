"""One projection of an integer network as tensors: bytes or numbers in, its part of the current out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.ir.ranges import source_interval
from inflor.quant.operators import IntArray, apply_chain, bounds, output_shape, split_chain
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
        self._before, self._last, self._after = split_chain(self.operators)
        outputs = self._last.weight.shape[0] if self._last.weight.ndim else 1
        self._bias: Tensor | None = None
        if bias is not None:
            self._bias = torch.from_numpy(np.broadcast_to(bias.reshape(-1), outputs).copy()).to(dtype)
        # the effective weight, mantissa << exponent, is as exact in a binary format as the mantissa itself
        self._weight = torch.as_tensor(self._last.weight << projection.exponent).to(device=device, dtype=dtype)
        self._bytes: Int8Convolution | None = None
        if device == "cpu" and dtype == torch.float32 and source.role != "input":
            shape = output_shape(self._before, source.shape)
            convolution = self._last.as_convolution(shape)
            activity = bounds(self._before, source_interval(network, source), source.shape)
            if convolution is self._last and suits(convolution, shape, activity):
                self._bytes = Int8Convolution(convolution, projection.exponent, self._bias)
        self._checked: set[torch.Size] = set()

    def __call__(self, x: Tensor) -> Tensor:
        if self._bytes is None:
            return self._weighed(apply_chain(self._before, x.to(self.dtype), None))
        x = apply_chain(self._before, x, None)
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
        return self._last.apply(x, self._weight, self._bias)


def delayed(source: Tensor, delay: int, timesteps: int) -> Tensor:
    """What a projection with `delay` delivers of [T or 1, B, *shape]: nothing at first, then the past."""
    if not delay:
        return source
    every_step = source.expand(timesteps, *source.shape[1:])
    return torch.cat([torch.zeros_like(every_step[:delay]), every_step[: max(timesteps - delay, 0)]])
