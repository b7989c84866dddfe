"""The NIR nodes that remember, one step at a time: neurons and delays."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inflor.converter.nir.graph import NEURONS, Graph
from inflor.converter.primitives.dynamics import Dynamics, delay_steps, dynamics
from inflor.converter.primitives.layers import parameter

STATEFUL = (*NEURONS, nir.Delay)


def _exceeded(threshold: npt.NDArray[np.float64], strict: bool) -> npt.NDArray[np.float64]:
    """What v must be above. To reach a threshold is to exceed the float32 before it, in float64 as well."""
    if strict:
        return threshold
    return np.nextafter(threshold.astype(np.float32), np.float32(-np.inf)).astype(np.float64)


class Neurons:
    """The state of a batch of one node's neurons; see `inflor.converter.primitives.dynamics.Dynamics` for what a step
    computes.

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


class Delays:
    """The past of a batch at a Delay node. steps: [*shape], whole. like: a tensor [B, *shape]; timesteps: of a run."""

    def __init__(self, steps: npt.NDArray[np.int64], like: Tensor, timesteps: int) -> None:
        kept = min(int(steps.max()) + 1, timesteps)
        self.past = torch.zeros((kept, *like.shape), dtype=like.dtype, device=like.device)
        # Whatever is older than the sample is nothing, however much older.
        self.steps = torch.from_numpy(np.minimum(steps, timesteps)).to(like.device).expand(like.shape)
        self.now = 0

    def advance(self, arriving: Tensor, out: Tensor) -> None:
        """One step. out: takes what arrived so many steps ago."""
        kept = len(self.past)
        self.past[self.now % kept] = arriving
        then = self.now - self.steps
        torch.gather(self.past, 0, then.clamp(min=0).remainder(kept).unsqueeze(0), out=out.unsqueeze(0))
        out.mul_(then >= 0)
        self.now += 1


def stepper(graph: Graph, name: str, like: Tensor, timesteps: int) -> Neurons | Delays:
    """A node of STATEFUL at the start of a sample. like: a tensor [B, *shape]."""
    if isinstance(graph.nodes[name], nir.Delay):
        return Delays(delay_steps(graph, name), like, timesteps)
    return Neurons(dynamics(graph, name), like)


def potentials(graph: Graph, name: str, current: Tensor) -> tuple[Tensor, Tensor]:
    """v of a neuron node over a whole run, before the reset of each step, and its spikes, [T, B, *shape].

    current: [T, B, *shape], all that arrives at the node.
    """
    v, spikes = torch.empty_like(current), torch.empty_like(current)
    neurons = Neurons(dynamics(graph, name), current[0])
    for arriving, reached, fired in zip(current, v, spikes, strict=True):
        neurons.integrate(arriving)
        reached.copy_(neurons.v)
        neurons.fire(fired)
    return v, spikes.bool()


def whole_run(graph: Graph, name: str, current: Tensor) -> Tensor:
    """What a node of STATEFUL gives over a whole run that depends on nothing else: [T, B, *shape] -> [T, B, *shape]."""
    node = graph.nodes[name]
    if isinstance(node, nir.I):
        gain = parameter(dynamics(graph, name).gain, current)
        return (current if _is(gain, 1) else current * gain).cumsum(0)
    if isinstance(node, nir.Delay):
        return _delayed(delay_steps(graph, name), current)
    given = torch.empty(current.shape, dtype=current.dtype, device=current.device)
    neurons = stepper(graph, name, current[0], len(current))
    for arriving, out in zip(current, given, strict=True):
        neurons.advance(arriving, out)
    return given


def _delayed(steps: npt.NDArray[np.int64], current: Tensor) -> Tensor:
    given = torch.zeros(current.shape, dtype=current.dtype, device=current.device)
    for count in np.unique(steps[steps < len(current)]).tolist():
        where = torch.from_numpy(steps == count).to(current.device)
        given[count:] = torch.where(where, current[: len(current) - count], given[count:])
    return given


def _add(to: Tensor, what: Tensor, gain: float | Tensor) -> None:
    if isinstance(gain, float):
        to.add_(what, alpha=gain)
    else:
        to.addcmul_(what, gain)


def _is(value: Any, number: int) -> bool:
    return isinstance(value, float) and value == number
