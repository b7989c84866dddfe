"""The integer step of a population, for whole batches and all timesteps at once.

This is the one implementation of the arithmetic that `quant.network` defines: calibration and the cpu target both
run on it. Numbers are held in float32 where every partial sum is proved to stay within its exact integers (2**24), in
float64 up to 2**53, and in int64 beyond that, so the result never depends on which one was taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from quant.apply import apply_chain, weight_tensor
from quant.network import DECAY_ONE, IntegerNetwork, Population, Projection
from quant.operators import Conv, IntArray, Linear
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

    spikes: [T, B, *shape], 0 and 1 in the kernel's dtype; None for a readout. potential: v after every step,
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

    The dtype follows from the population's proved range; a range check per step is made only where the profile's
    width is not proved to hold the state.
    """

    def __init__(
        self, network: IntegerNetwork, population: Population, state: StateRange, profile: Profile, device: str
    ):
        self.population, self.profile, self.device = population, profile, device
        self.projections = network.incoming[population.name]
        scale = DECAY_ONE if population.decay.any() else 1
        self.dtype = exact_dtype(state.partial * scale)
        self.may_overflow = profile.state_bits is not None and state.state_bits > profile.state_bits
        self._weights = {q: self._weight(q) for q in self.projections}
        self._bias = self._tensor(population.bias) if population.bias.any() else None
        self._merged = self._bias_in_convolution()
        self._threshold = self._tensor(population.threshold)
        self._reset_value = self._tensor(population.reset_value)
        self._v_reset = self._tensor(population.v_reset)
        self._keep = self._tensor(DECAY_ONE - population.decay) if population.decay.any() else None

    def run(self, spikes: Mapping[str, Tensor], timesteps: int) -> Step:
        """Integrate `timesteps` steps from a cleared state.

        spikes: per source [T, B, *shape], or [1, B, *shape] for a source that is the same at every step.
        """
        return self._integrate(self.current(spikes), timesteps)

    def current(self, spikes: Mapping[str, Tensor]) -> Tensor:
        """a, the input of every step, bias included: [T or 1, B, *shape]."""
        total: Tensor | None = None
        for projection in sorted(self.projections, key=lambda q: q is not self._merged):
            source = spikes[projection.source].to(self.dtype)
            arriving = self._project(projection, source.flatten(0, 1)).unflatten(0, source.shape[:2])
            total = arriving if total is None else _add(total, arriving)
        assert total is not None
        return total if self._bias is None or self._merged is not None else total + self._bias

    def _project(self, projection: Projection, x: Tensor) -> Tensor:
        if projection is self._merged:
            *before, last = projection.operators
            x = apply_chain(tuple(before), x, None)
            return _convolve_with_bias(last, x, self._weights[projection], self._bias)
        return apply_chain(projection.operators, x, self._weights[projection])

    def _integrate(self, current: Tensor, timesteps: int) -> Step:
        kind, reset = self.population.kind, self.population.reset
        steps = current.expand(timesteps, *current.shape[1:])
        out = torch.empty(steps.shape, dtype=self.dtype, device=current.device)
        v = torch.zeros_like(steps[0])
        overflows = 0
        for t in range(timesteps):
            if self._keep is not None and t:
                v = _decay(v, self._keep)
            v += steps[t]
            if self.may_overflow:
                overflows += self._limit(v, t)
            if kind == "readout":
                out[t] = v
                continue
            torch.gt(v, self._threshold, out=out[t])
            if reset == "subtract":
                v -= out[t] * self._reset_value
                if self.may_overflow:
                    overflows += self._limit(v, t)
            elif reset == "zero":
                v = torch.where(out[t] != 0, self._v_reset, v)
        return Step(None, out, overflows) if kind == "readout" else Step(out, None, overflows)

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

    def _weight(self, projection: Projection) -> Tensor | None:
        """The effective weight, mantissa << exponent: as exact in a binary format as the mantissa itself."""
        weight = weight_tensor(projection.operators, self.dtype, self.device)
        return None if weight is None else weight * (1 << projection.exponent)

    def _tensor(self, values: IntArray) -> Tensor:
        return torch.as_tensor(values).to(device=self.device, dtype=self.dtype)

    def _bias_in_convolution(self) -> Projection | None:
        """A projection whose last operator can add the population's bias as it goes, on CPU."""
        per_channel = self.population.bias.size in (1, self.population.shape[0])
        if self._bias is None or not per_channel or not self.dtype.is_floating_point or self.device != "cpu":
            return None
        for projection in self.projections:
            last = projection.operators[-1]
            symmetric = isinstance(last, Conv) and all(before == after for before, after in last.padding)
            if symmetric or (isinstance(last, Linear) and len(self.population.shape) == 1):
                self._bias = self._bias.flatten().expand(self.population.shape[0]).contiguous()
                return projection
        return None


class StateOverflowError(ArithmeticError):
    """A membrane potential left the state's width under the profile "error"."""

    def __init__(self, population: str, step: int, count: int, bits: int):
        super().__init__(population, step, count, bits)
        self.population, self.step, self.count, self.bits = population, step, count, bits


def _add(total: Tensor, other: Tensor) -> Tensor:
    """Sum of two inputs of which either may be the same at every step ([1, B, ...])."""
    return total.add_(other) if total.shape[0] >= other.shape[0] else total + other


def _convolve_with_bias(operator: object, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    assert weight is not None
    if isinstance(operator, Linear):
        return torch.nn.functional.linear(x, weight, bias)
    assert isinstance(operator, Conv)
    padding = tuple(before for before, _ in operator.padding)
    convolve = torch.nn.functional.conv2d if len(padding) == 2 else torch.nn.functional.conv1d
    return convolve(x, weight, bias, operator.stride, padding, operator.dilation, operator.groups)


def _decay(v: Tensor, keep: Tensor) -> Tensor:
    """`sign(v) * ((|v| * keep) >> 12)`, exact in the dtype that the kernel chose."""
    if v.dtype.is_floating_point:
        return torch.trunc(v * keep / DECAY_ONE)
    return v.sign() * ((v.abs() * keep) >> 12)
