"""The integer step of a population, for whole batches and all timesteps at once.

The fast implementation of what `inflor.quant.ir.reference` specifies, independent of it: calibration and the cpu target
run on it. Numbers are held in float32 where every partial sum is proved to stay within its exact integers (2**24),
in float64 up to 2**53, and in int64 beyond that, so the result never depends on which one was taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.ranges import StateRange
from inflor.quant.operators import IntArray
from inflor.quant.run.synapses import Synapses, delayed

Overflow = Literal["error", "saturate", "wrap"]
EXACT = {torch.float32: 1 << 24, torch.float64: 1 << 53}
"""Largest magnitude up to which every integer is exact."""


@dataclass(frozen=True)
class Profile:
    """A chip's state arithmetic. Overflows are counted in every case.

    Attributes:
        state_bits: width of the signed membrane potential; None stands for 64 bits, which no valid network can leave.
        overflow: what happens to a potential outside that width right after integration (and after reset): "error" ends
            the run, "saturate" clips to the nearest end, "wrap" keeps the low bits.
        current_bits: width of the synaptic current, likewise.
        current_overflow: what happens to a synaptic current outside that width.
        symmetric: the least value of a state is minus the greatest; what wraps ends one higher, above the least to
            2**(bits - 1) itself.
    """

    state_bits: int | None = None
    overflow: Overflow = "error"
    current_bits: int | None = None
    current_overflow: Overflow = "error"
    symmetric: bool = False


@dataclass(frozen=True, eq=False)
class Trace:
    """The states of a population in every step, each [T, B, *shape].

    Attributes:
        u: the synaptic current; None where there is none.
        v: the potential before the reset.
        after: the potential after the reset.
    """

    u: Tensor | None
    v: Tensor
    after: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """What a run gives of one population.

    Attributes:
        spikes: bytes [T, B, *shape], 0 and 1; None for a readout.
        potential: v of every step, [T, B, *shape], for a readout, else None.
        overflows: neuron-steps whose u or v left the profile's width.
        trace: all states, where they were asked for.
    """

    spikes: Tensor | None
    potential: Tensor | None
    overflows: int
    trace: Trace | None = None


class StateOverflowError(ArithmeticError):
    """A state left its width under the profile "error"."""

    def __init__(self, population: str, step: int, count: int, bits: int):
        super().__init__(population, step, count, bits)
        self.population, self.step, self.count, self.bits = population, step, count, bits


def exact_dtype(needed: int) -> torch.dtype:
    """The fastest dtype whose integers are exact up to the magnitude `needed`.

    Raises:
        OverflowError: there is none.
    """
    if needed >= 1 << 63:
        raise OverflowError(f"numbers up to {needed} need more than 64 bits")
    return next((dtype for dtype, limit in EXACT.items() if needed <= limit), torch.int64)


class Kernel:
    """One population with its incoming projections, ready to run on a device.

    The dtypes of current and state follow from the population's proved ranges; a range check per step is made only
    where the profile's width is not proved to hold the state.
    """

    def __init__(
        self, network: IntegerNetwork, population: Population, state: StateRange, profile: Profile, device: str = "cpu"
    ):
        self.population, self.profile, self.device = population, profile, device
        self.projections = network.incoming[population.name]
        together = network.recurrent_with(population.name)
        self.recurrent = tuple(q for q in self.projections if q.source in together)
        self.may_overflow = profile.state_bits is not None and _leaves(state.state_bits, profile.state_bits, profile)
        self.current_may_overflow = profile.current_bits is not None and _leaves(
            state.synaptic_bits, profile.current_bits, profile
        )
        self.dtype, self._current_dtype = self._number_formats(state)
        rule = population.rule
        bias = rule.bias if rule.bias.any() else None
        carrier = None if bias is None else self._bias_carrier()
        self._synapses = [
            (q, Synapses(network, q, self._current_dtype, device, bias if q is carrier else None))
            for q in sorted(self.projections, key=lambda q: q is not carrier)
        ]
        self._bias = None if bias is None or carrier is not None else self._tensor(bias)
        shift = rule.fraction_bits
        self.threshold = self._tensor(rule.threshold << shift)
        self.reset_value = self._tensor(rule.reset_value << shift)
        self.v_reset = self._tensor(rule.v_reset << shift)
        self.drift = self._tensor(rule.drift) if rule.drift.any() else None
        self.keep = self._keep(rule.decay)
        self.current_keep = None if rule.current_decay is None else self._keep(rule.current_decay)

    def run(self, spikes: Mapping[str, Tensor], timesteps: int, keep_states: bool = False) -> Step:
        """Integrate `timesteps` steps from a cleared state; the population is not recurrent.

        spikes: per source [T, B, *shape], or [1, B, *shape] for a source that is the same at every step; bytes.
        """
        current = self.current(spikes, timesteps)
        steps = current.expand(timesteps, *current.shape[1:])
        state = _State(self, steps, keep_states)
        for t in range(timesteps):  # dynamic currents are ours to overwrite
            state.step(t, steps[t], ours=current.shape[0] > 1)
        return state.result()

    def current(self, spikes: Mapping[str, Tensor], timesteps: int) -> Tensor:
        """a, the input of every step, bias included, from the sources in `spikes`: [T or 1, B, *shape]."""
        return self.joined(self.parts(spikes, timesteps), next(iter(spikes.values())).shape[1])

    def parts(self, spikes: Mapping[str, Tensor], timesteps: int) -> dict[str, Tensor]:
        """What arrives from the sources in `spikes`, by group, "" for what is only added up: [T or 1, B, *its shape].

        A carried bias is in it.
        """
        found: dict[str, Tensor] = {}
        for projection, synapses in self._synapses:
            if projection.source not in spikes:
                continue
            source = delayed(spikes[projection.source], projection.delay, timesteps)
            arriving = torch.unflatten(synapses(source.flatten(0, 1)), 0, source.shape[:2])
            before = found.get(projection.group)
            found[projection.group] = arriving if before is None else _add(before, arriving)
        return found

    def add_recurrent(self, parts: Mapping[str, Tensor], sent: Mapping[str, Tensor], t: int) -> dict[str, Tensor]:
        """The parts of step t, [1, B, *shape] each, with what arrives from populations of the same cycle.

        sent: their spikes so far, [T, B, *shape].
        """
        found = {name: part[t : t + 1] if len(part) > 1 else part for name, part in parts.items()}
        for projection, synapses in self._synapses:
            if projection in self.recurrent and t >= projection.delay:
                arriving = synapses(sent[projection.source][t - projection.delay])[None]
                before = found.get(projection.group)
                found[projection.group] = arriving if before is None else arriving.add_(before)
        return found

    def joined(self, parts: Mapping[str, Tensor], batch: int) -> Tensor:
        """a from its parts; a part that is not there is nothing. batch: of the parts."""
        total = parts.get("")
        for group in self.population.groups:
            if group.name in parts:
                part = parts[group.name]
                pooled = group.windows.maximum(part.flatten(0, 1)).reshape(*part.shape[:2], *self.population.shape)
                total = pooled if total is None else _add(pooled, total)
        if total is None:
            total = torch.zeros((1, batch, *self.population.shape), dtype=self._current_dtype, device=self.device)
        return total if self._bias is None else total + self._bias

    def _number_formats(self, state: StateRange) -> tuple[torch.dtype, torch.dtype]:
        """Of state and current. Without decay and fraction they are the same."""
        rule, profile = self.population.rule, self.profile
        current = exact_dtype(state.current_partial)
        widths = [profile.state_bits] if self.may_overflow else []
        widths += [profile.current_bits] if self.current_may_overflow else []
        needed = state.partial + max((1 << (bits - 1) for bits in widths if bits is not None), default=0)
        if not rule.decays:
            dtype = exact_dtype(needed)
            return (dtype, dtype) if not rule.fraction_bits else (dtype, current)
        if needed << rule.decay_bits >= 1 << 63:
            raise ValueError(f"population {self.population.name!r}: state and decay need more than 64 bits")
        return exact_dtype(needed << rule.decay_bits), current

    def _keep(self, decay: IntArray) -> Tensor | None:
        return self._tensor((1 << self.population.rule.decay_bits) - decay) if decay.any() else None

    def _tensor(self, values: IntArray) -> Tensor:
        return torch.as_tensor(values).to(device=self.device, dtype=self.dtype)

    def _bias_carrier(self) -> Projection | None:
        """A projection whose last operator can add the population's bias as it goes, on CPU."""
        per_channel = self.population.rule.bias.size in (1, self.population.shape[0])
        if not per_channel or not self._current_dtype.is_floating_point or self.device != "cpu":
            return None
        for projection in self.projections:
            takes_it = projection.operators[-1].adds_bias(self.population.shape)
            if takes_it and not projection.delay and not projection.group and projection not in self.recurrent:
                return projection
        return None


def run_together(
    kernels: Sequence[Kernel], spikes: Mapping[str, Tensor], timesteps: int, keep_states: bool = False
) -> list[Step]:
    """Run the populations of one cycle, step by step; `spikes` holds the sources outside of it.

    Kernels in order of evaluation. Returns what each gives, in that order.
    """
    if len(kernels) == 1 and not kernels[0].recurrent:
        return [kernels[0].run(spikes, timesteps, keep_states)]
    states, parts = [], []
    batch = next(iter(spikes.values())).shape[1]
    for kernel in kernels:
        parts.append(kernel.parts(spikes, timesteps))
        current = kernel.joined(parts[-1], batch)
        states.append(_State(kernel, current.expand(timesteps, *current.shape[1:]), keep_states))
    sent = {k.population.name: s.spikes for k, s in zip(kernels, states, strict=True) if s.spikes is not None}
    for t in range(timesteps):
        for kernel, state, outside in zip(kernels, states, parts, strict=True):
            arriving = kernel.add_recurrent(outside, sent, t)
            state.step(t, kernel.joined(arriving, batch)[0], ours=any(t >= q.delay for q in kernel.recurrent))
    return [state.result() for state in states]


class _State:
    """u and v of a batch, and what is recorded of them."""

    def __init__(self, kernel: Kernel, steps: Tensor, keep_states: bool):
        self.kernel, self.steps, population = kernel, steps, kernel.population
        self._readout = population.role == "readout"
        self._out = _empty_like_steps(steps, kernel.dtype if self._readout else torch.bool)
        self.spikes = None if self._readout else self._out.view(torch.uint8)
        self._u: Tensor | None = None
        self._v: Tensor | None = None
        self._held: tuple[Tensor, Tensor] | None = None
        self._overflows = 0
        shape = (steps.shape[0], *steps.shape[1:])
        self._trace: Trace | None = None
        if keep_states:
            v = torch.empty(shape, dtype=kernel.dtype, device=steps.device)
            u = None if population.rule.current_decay is None else torch.empty_like(v)
            self._trace = Trace(u, v, torch.empty_like(v))

    def step(self, t: int, current: Tensor, ours: bool) -> None:
        """One step with the current a of shape [B, *shape], which may be overwritten if it is `ours`."""
        kernel, rule, profile = self.kernel, self.kernel.population.rule, self.kernel.profile
        driving = self._driving(current, ours, t)
        ours = ours or driving is not current
        if self._v is None:
            v = driving if ours and driving is not self._u else driving.clone()
        else:
            v = (self._v if kernel.keep is None else _decay(self._v, kernel.keep, rule.decay_bits)).add_(driving)
        if kernel.drift is not None:
            v.add_(kernel.drift)
        if self._held is not None:
            v = torch.where(self._held[0], self._held[1], v)
        if kernel.may_overflow:
            self._overflows += self._limit(v, t, profile.state_bits, profile.overflow)
        if self._trace is not None:
            self._trace.v[t] = v
        if self._readout:
            self._out[t] = v
        else:
            v = self._fire(t, v)
        if self._trace is not None:
            self._trace.after[t] = v
        self._v = v

    def result(self) -> Step:
        potential = self._out if self._readout else None
        return Step(spikes=self.spikes, potential=potential, overflows=self._overflows, trace=self._trace)

    def _driving(self, current: Tensor, ours: bool, t: int) -> Tensor:
        """u of this step, in finest units."""
        kernel, rule, profile = self.kernel, self.kernel.population.rule, self.kernel.profile
        fine = current.to(kernel.dtype)
        if rule.fraction_bits:
            fine = fine * (1 << rule.fraction_bits)
        if rule.current_decay is None:
            return fine
        if self._u is None:
            self._u = fine.clone() if fine is current and not ours else fine
        elif kernel.current_keep is None:
            self._u = self._u + fine
        else:
            self._u = _decay(self._u, kernel.current_keep, rule.decay_bits).add_(fine)
        if kernel.current_may_overflow:
            self._overflows += self._limit(self._u, t, profile.current_bits, profile.current_overflow)
        if self._trace is not None and self._trace.u is not None:
            self._trace.u[t] = self._u
        return self._u

    def _fire(self, t: int, v: Tensor) -> Tensor:
        """Spikes of the step into the record; returns v after the reset."""
        kernel, rule, profile = self.kernel, self.kernel.population.rule, self.kernel.profile
        fired = torch.gt(v, kernel.threshold, out=self._out[t])
        if rule.reset_kind == "subtract":
            v.addcmul_(fired.view(torch.uint8), kernel.reset_value, value=-1)
            if kernel.may_overflow:
                self._overflows += self._limit(v, t, profile.state_bits, profile.overflow)
        elif rule.reset_kind == "zero":
            v = torch.where(fired, kernel.v_reset, v)
        if rule.refractory:
            self._held = (fired, v.clone())
        return v

    def _limit(self, x: Tensor, t: int, bits: int | None, overflow: Overflow) -> int:
        """Bring a state back into its width, in place; returns how many neurons had left it."""
        assert bits is not None
        half = 1 << (bits - 1)
        symmetric = self.kernel.profile.symmetric
        least = 1 - half if symmetric else -half
        most = half if symmetric and overflow == "wrap" else half - 1
        count = int(((x < least) | (x > most)).sum())
        if not count:
            return 0
        if overflow == "error":
            raise StateOverflowError(self.kernel.population.name, t, count, bits)
        if overflow == "saturate":
            x.clamp_(least, most)
        else:
            x.sub_(least).remainder_(2 * half).add_(least)
        return count


def _leaves(needed: int, bits: int, profile: Profile) -> bool:
    """Whether a state proved to fit `needed` bits may leave `bits`; without the least value, one bit sooner."""
    return needed > bits - profile.symmetric


def _add(total: Tensor, other: Tensor) -> Tensor:
    """Sum of two inputs of which either may be the same at every step ([1, B, ...])."""
    return total.add_(other) if total.shape[0] >= other.shape[0] else total + other


def _empty_like_steps(steps: Tensor, dtype: torch.dtype) -> Tensor:
    """An empty [T, B, *shape] in the memory order of `steps`, whose first two dimensions can be joined by a view."""
    frames = (steps.shape[0] * steps.shape[1], *steps.shape[2:])
    channels_last = steps.ndim == 5 and steps[0].is_contiguous(memory_format=torch.channels_last)
    order = torch.channels_last if channels_last else torch.contiguous_format
    out = torch.empty(frames, dtype=dtype, device=steps.device, memory_format=order)
    return torch.unflatten(out, 0, steps.shape[:2])


def _decay(x: Tensor, keep: Tensor, bits: int) -> Tensor:
    """`sign(x) * ((|x| * keep) >> bits)`, exact in the dtype that the kernel chose; a new tensor."""
    if x.dtype.is_floating_point:
        return torch.trunc(x * keep / (1 << bits))
    return x.sign() * ((x.abs() * keep) >> bits)
