"""The integer step of a population, for whole batches and all timesteps at once.

This is the one implementation of the arithmetic that `quant.network` defines: calibration and the cpu target both
run on it. Numbers are held in float32 where every partial sum is proved to stay within its exact integers (2**24), in
float64 up to 2**53, and in int64 beyond that, so the result never depends on which one was taken.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from quant.apply import apply_chain, apply_operator, torch_padding
from quant.int8 import Int8Convolution, suits
from quant.network import DECAY_ONE, IntegerNetwork, Population, Projection
from quant.operators import WEIGHTED, Conv, IntArray, Linear, Operator, SumPool
from quant.ranges import StateRange

Overflow = Literal["error", "saturate", "wrap"]
EXACT = {torch.float32: 1 << 24, torch.float64: 1 << 53}
"""Largest magnitude up to which every integer is exact."""


@dataclass(frozen=True)
class Profile:
    """A chip's state arithmetic.

    state_bits: width of the signed membrane potential; None stands for 64 bits, which no valid network can leave.
    overflow: what happens to a v outside that width right after integration (and after reset): "error" ends the run,
    "saturate" clips to the nearest end, "wrap" keeps the low bits. Overflows are counted in every case.
    """

    state_bits: int | None = None
    overflow: Overflow = "error"


@dataclass(frozen=True, eq=False)
class Step:
    """What `Kernel.run` returns.

    spikes: bytes [T, B, *shape], 0 and 1; None for a readout. potential: v after every step,
    [T, B, *shape], for a readout, else None. overflows: neuron-steps whose v left the profile's width.
    """

    spikes: Tensor | None
    potential: Tensor | None
    overflows: int


def exact_dtype(needed: int) -> torch.dtype:
    """The fastest dtype whose integers are exact up to the magnitude `needed`."""
    return next((dtype for dtype, limit in EXACT.items() if needed <= limit), torch.int64)


class Kernel:
    """One population with its incoming projections, ready to run on a device.

    The dtype of current and state follows from the population's proved range; a range check per step is made only
    where the profile's width is not proved to hold the state.
    """

    def __init__(
        self, network: IntegerNetwork, population: Population, state: StateRange, profile: Profile, device: str = "cpu"
    ):
        self.population, self.profile, self.device = population, profile, device
        self.projections = network.incoming[population.name]
        half = 0 if profile.state_bits is None else 1 << (profile.state_bits - 1)
        self.may_overflow = profile.state_bits is not None and state.state_bits > profile.state_bits
        needed = max(state.partial, half + state.partial) if self.may_overflow else state.partial
        self.dtype = exact_dtype(needed * (DECAY_ONE if population.decay.any() else 1))
        bias = population.bias if population.bias.any() else None
        carrier = None if bias is None else self._bias_carrier()
        self._synapses = [
            (q, Synapses(network, q, self.dtype, device, bias if q is carrier else None))
            for q in sorted(self.projections, key=lambda q: q is not carrier)
        ]
        self._bias = None if bias is None or carrier is not None else self._tensor(bias)
        self._threshold = self._tensor(population.threshold)
        self._reset_value = self._tensor(population.reset_value)
        self._v_reset = self._tensor(population.v_reset)
        self._keep = self._tensor(DECAY_ONE - population.decay) if population.decay.any() else None

    def run(self, spikes: Mapping[str, Tensor], timesteps: int) -> Step:
        """Integrate `timesteps` steps from a cleared state.

        spikes: per source [T, B, *shape], or [1, B, *shape] for a source that is the same at every step; bytes.
        """
        return self._integrate(self.current(spikes, timesteps), timesteps)

    def current(self, spikes: Mapping[str, Tensor], timesteps: int) -> Tensor:
        """a, the input of every step, bias included: [T or 1, B, *shape]."""
        total: Tensor | None = None
        for projection, synapses in self._synapses:
            source = delayed(spikes[projection.source], projection.delay, timesteps)
            arriving = torch.unflatten(synapses(source.flatten(0, 1)), 0, source.shape[:2])
            total = arriving if total is None else _add(total, arriving)
        assert total is not None
        return total if self._bias is None else total + self._bias

    def _integrate(self, current: Tensor, timesteps: int) -> Step:
        kind, reset = self.population.kind, self.population.reset
        steps = current.expand(timesteps, *current.shape[1:])
        out = _empty_like_steps(steps, self.dtype if kind == "readout" else torch.bool)
        v = steps[0] if current.shape[0] > 1 else steps[0].clone()  # dynamic currents are ours to overwrite
        overflows = 0
        for t in range(timesteps):
            if t:
                v = (v if self._keep is None else _decay(v, self._keep)).add_(steps[t])
            if self.may_overflow:
                overflows += self._limit(v, t)
            if kind == "readout":
                out[t] = v
                continue
            torch.gt(v, self._threshold, out=out[t])
            if reset == "subtract":
                v.addcmul_(out[t].view(torch.uint8), self._reset_value, value=-1)
                if self.may_overflow:
                    overflows += self._limit(v, t)
            elif reset == "zero":
                v = torch.where(out[t], self._v_reset, v)
        return Step(None, out, overflows) if kind == "readout" else Step(out.view(torch.uint8), None, overflows)

    def _limit(self, v: Tensor, t: int) -> int:
        """Bring v back into the profile's width, in place; returns how many neurons had left it."""
        assert self.profile.state_bits is not None
        half = 1 << (self.profile.state_bits - 1)
        count = int(((v < -half) | (v >= half)).sum())
        if not count:
            return 0
        if self.profile.overflow == "error":
            raise StateOverflowError(self.population.name, t, count, self.profile.state_bits)
        if self.profile.overflow == "saturate":
            v.clamp_(-half, half - 1)
        else:
            v.add_(half).remainder_(2 * half).sub_(half)
        return count

    def _tensor(self, values: IntArray) -> Tensor:
        return torch.as_tensor(values).to(device=self.device, dtype=self.dtype)

    def _bias_carrier(self) -> Projection | None:
        """A projection whose last operator can add the population's bias as it goes, on CPU."""
        per_channel = self.population.bias.size in (1, self.population.shape[0])
        if not per_channel or not self.dtype.is_floating_point or self.device != "cpu":
            return None
        for projection in self.projections:
            last = projection.operators[-1]
            symmetric = isinstance(last, Conv) and all(before == after for before, after in last.padding)
            if symmetric or (isinstance(last, Linear) and len(self.population.shape) == 1):
                return projection
        return None


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
        eligible = device == "cpu" and dtype == torch.float32 and source.kind != "input"
        if eligible and isinstance(self._last, Conv) and suits(self._last, shape, activity):
            self._bytes = Int8Convolution(self._last, projection.exponent, self._bias)

    def __call__(self, x: Tensor) -> Tensor:
        if self._bytes is not None:
            for operator in self._before:
                x = _sum_bytes(operator, x) if isinstance(operator, SumPool) else apply_operator(operator, x, None)
            x = self._bytes(x)
        else:
            x = apply_chain(self._before, x.to(self.dtype), None)
            x = _weigh(self._last, x, self._weight, self._bias)
        return apply_chain(self._after, x, None)


def delayed(source: Tensor, delay: int, timesteps: int) -> Tensor:
    """What a projection with `delay` delivers of [T or 1, B, *shape]: nothing at first, then the past."""
    if not delay:
        return source
    every_step = source.expand(timesteps, *source.shape[1:])
    return torch.cat([torch.zeros_like(every_step[:delay]), every_step[: max(timesteps - delay, 0)]])


class StateOverflowError(ArithmeticError):
    """A membrane potential left the state's width under the profile "error"."""

    def __init__(self, population: str, step: int, count: int, bits: int):
        super().__init__(population, step, count, bits)
        self.population, self.step, self.count, self.bits = population, step, count, bits


def _add(total: Tensor, other: Tensor) -> Tensor:
    """Sum of two inputs of which either may be the same at every step ([1, B, ...])."""
    return total.add_(other) if total.shape[0] >= other.shape[0] else total + other


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


def _empty_like_steps(steps: Tensor, dtype: torch.dtype) -> Tensor:
    """An empty [T, B, *shape] in the memory order of `steps`, whose first two dimensions can be joined by a view."""
    frames = (steps.shape[0] * steps.shape[1], *steps.shape[2:])
    channels_last = steps.ndim == 5 and steps[0].is_contiguous(memory_format=torch.channels_last)
    order = torch.channels_last if channels_last else torch.contiguous_format
    out = torch.empty(frames, dtype=dtype, device=steps.device, memory_format=order)
    return torch.unflatten(out, 0, steps.shape[:2])


def _decay(v: Tensor, keep: Tensor) -> Tensor:
    """`sign(v) * ((|v| * keep) >> 12)`, exact in the dtype that the kernel chose."""
    if v.dtype.is_floating_point:
        return torch.trunc(v * keep / DECAY_ONE)
    return v.sign() * ((v.abs() * keep) >> 12)
