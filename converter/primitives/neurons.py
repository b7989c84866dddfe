"""The state of integrate-and-fire neurons: one rule for every primitive whose step `Dynamics` can say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inflor.converter.primitives.step import Clock, Dynamics, completed
from inflor.converter.primitives.tensors import parameter


class Neurons:
    """The state of a batch of one node's neurons; see `inflor.converter.primitives.step.Dynamics` for its equations.

    step: of the node. like: a tensor [B, *shape] of the dtype and on the device to compute with.
    """

    def __init__(self, step: Dynamics, like: Tensor) -> None:
        self.v = torch.zeros_like(like, memory_format=torch.contiguous_format)
        self.u = None if step.current_keep is None else torch.zeros_like(self.v)
        self.current_keep = 1.0 if step.current_keep is None else parameter(step.current_keep, like)
        self.current_gain, self.gain = parameter(step.current_gain, like), parameter(step.gain, like)
        self.keep, self.drift = parameter(step.keep, like), parameter(step.drift, like)
        self.threshold = None if step.threshold is None else parameter(_exceeded(step.threshold, step.strict), like)
        self.reset = step.reset
        self.reset_to, self.taken = parameter(step.v_reset, like), parameter(-step.reset_value, like)
        self.late, self.refractory = step.late_current, step.refractory
        self.blocked: Tensor | None = None

    def advance(self, arriving: Tensor, out: Tensor) -> None:
        """One step. out: takes the spikes as 0 and 1, or the potential of neurons that never fire."""
        self.integrate(arriving)
        self.fire(out)

    def integrate(self, arriving: Tensor) -> None:
        """The first half of a step: u and v take in what arrives; v is then what the threshold is held against."""
        if self.blocked is None:
            self._integrate(self._current(arriving))
            return
        before = self.v.clone()
        self._integrate(self._current(arriving))
        self.v = torch.where(self.blocked, before, self.v)

    def fire(self, out: Tensor) -> None:
        """The second half of a step: spikes and the reset. out: as of `advance`."""
        if self.threshold is None:
            out.copy_(self.v)
            return
        torch.gt(self.v, self.threshold, out=out)
        if self.reset == "zero":
            self.v = torch.where(out.bool(), self.reset_to, self.v)
        elif self.reset == "subtract":
            _add(self.v, out, self.taken)
        if self.refractory:
            self.blocked = out.bool()

    def _current(self, arriving: Tensor) -> Tensor:
        """What the potential integrates in this step."""
        if self.u is None:
            return arriving if _is(self.current_gain, 1) else arriving * self.current_gain
        driving = self.u.clone() if self.late else self.u
        if not _is(self.current_keep, 1):
            self.u.mul_(self.current_keep)
        _add(self.u, arriving, self.current_gain)
        return driving

    def _integrate(self, current: Tensor) -> None:
        if not _is(self.keep, 1):
            self.v.mul_(self.keep)
        _add(self.v, current, self.gain)
        if not _is(self.drift, 0):
            self.v.add_(self.drift)


def neurons(
    step: Callable[[nir.NIRNode, Clock, str], Dynamics],
) -> Callable[[nir.NIRNode, Clock, Tensor, int, str], Neurons]:
    """The state rule of a primitive with this step."""

    def start(node: nir.NIRNode, clock: Clock, like: Tensor, timesteps: int, where: str) -> Neurons:
        return Neurons(completed(step(node, clock, where), tuple(like.shape[1:]), clock, where), like)

    return start


def _exceeded(threshold: npt.NDArray[np.float64], strict: bool) -> npt.NDArray[np.float64]:
    """What v must be above. To reach a threshold is to exceed the float32 before it, in float64 as well."""
    if strict:
        return threshold
    return np.nextafter(threshold.astype(np.float32), np.float32(-np.inf)).astype(np.float64)


def _add(to: Tensor, what: Tensor, gain: float | Tensor) -> None:
    if isinstance(gain, float):
        to.add_(what, alpha=gain)
    else:
        to.addcmul_(what, gain)


def _is(value: Any, number: int) -> bool:
    return isinstance(value, float) and value == number
