"""What a population's current and state can reach, proved from the weights alone.

Interval arithmetic, channel by channel: no input whatever leaves these bounds, so a state width that holds them needs
no overflow check, and a floating-point format whose integers are exact that far computes them exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.types import IntArray
from inflor.quant.operators import Interval, bounds
from inflor.quant.operators.arrays import largest
from inflor.quant.operators.chain import FAR_TOO_LARGE, LARGEST_SUM

MAX_BITS = 61
"""Of the magnitude of every state, times a decay where there is one."""
FOLLOWED_STEPS = 4096
"""Timesteps whose ranges are followed one by one; what more of them can add is bounded at once."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StateRange:
    """What one population can reach in the network's number of steps.

    Attributes:
        population: its name.
        current: the sum of all that arrives in a step, bias included, in units of the weights.
        synaptic: the synaptic current, in finest units; None where there is none.
        state: the potential at any moment, also before a reset, in finest units.
        current_partial: the largest magnitude of any partial sum of `current`, in any order of summation.
        partial: the largest magnitude of such a sum, of a state and of a parameter, in finest units.
    """

    population: str
    current: Interval
    synaptic: Interval | None
    state: Interval
    current_partial: int
    partial: int

    @property
    def state_bits(self) -> int:
        """Bits of the narrowest signed state that holds `state`."""
        return _bits(self.state)

    @property
    def synaptic_bits(self) -> int:
        """Bits of the narrowest signed state that holds `synaptic`; 0 where there is none."""
        return 0 if self.synaptic is None else _bits(self.synaptic)

    @property
    def bits(self) -> int:
        """Bits of the narrowest signed state that holds both."""
        return max(self.state_bits, self.synaptic_bits)


@dataclass(frozen=True)
class OverflowRisk:
    """A state that cannot be proved to stay within a width."""

    population: str
    bits_needed: int
    bits: int

    def __str__(self) -> str:
        return (
            f"population {self.population!r}: its state may need {self.bits_needed} bits, more than {self.bits}; "
            "use fewer weight bits or fewer timesteps"
        )


def state_ranges(network: IntegerNetwork) -> dict[str, StateRange]:
    """The range of every population but the inputs, over the network's own number of timesteps."""
    return {p.name: state_range(network, p) for p in network.populations if p.role != "input"}


def state_range(network: IntegerNetwork, population: Population) -> StateRange:
    """The range of one population.

    Raises:
        InputError: its numbers are too large to be computed in int64.
    """
    arriving = _arriving(network, population)
    peak = sum((a.partial_peak for a in arriving), largest(population.rule.bias))
    _check_exact(network, population, peak << population.rule.fraction_bits)
    return _state_range(population, arriving, network)


def prove_no_overflow(network: IntegerNetwork, state_bits: int) -> list[OverflowRisk]:
    """The populations whose state may leave a signed `state_bits` state; for all the others it is proved not to."""
    return [
        OverflowRisk(r.population, r.bits, state_bits) for r in state_ranges(network).values() if r.bits > state_bits
    ]


def source_interval(network: IntegerNetwork, population: Population) -> Interval:
    """What a population sends: 0 or 1, or what the graded input can be."""
    channels = population.shape[0]
    if population.role != "input":
        return Interval(np.zeros(channels, np.int64), np.ones(channels, np.int64))
    least, most = network.input_limits
    return Interval(np.full(channels, least), np.full(channels, most))


@dataclass(frozen=True, eq=False)
class _Arriving:
    """What one projection, or one group of input ports, brings to a population.

    Attributes:
        sums: what can arrive, of the population's channels.
        partial: int64 [C], the largest magnitude of any partial sum.
        partial_peak: the largest magnitude of all parts together, a Python integer, which cannot wrap.
    """

    sums: Interval
    partial: IntArray
    partial_peak: int


def _arriving(network: IntegerNetwork, population: Population) -> list[_Arriving]:
    """Of every projection and group. A maximum is one of its ports' currents, so it stays within the range of all."""
    incoming, found = network.incoming[population.name], []
    for name in ("", *(group.name for group in population.groups)):
        parts = [_brought(network, q) for q in incoming if q.group == name]
        group = population.group(name)
        if group is None:
            found += [_Arriving(part, np.maximum(-part.low, part.high), part.peak) for part in parts]
            continue
        peak = sum(part.peak for part in parts)
        _check_exact(network, population, peak)  # so that what follows does not wrap
        of = group.channels(population.shape)
        low, high = (sum((getattr(p, end) for p in parts), np.zeros((), np.int64))[of] for end in ("low", "high"))
        partial = sum((np.maximum(-p.low, p.high) for p in parts), np.zeros((), np.int64))[of]
        found.append(_Arriving(Interval(low, high), partial, peak))
    return found


def _brought(network: IntegerNetwork, projection: Projection) -> Interval:
    """What a projection can bring, shifted by its exponent. Python integers prove that nothing here wraps."""
    source = network.by_name[projection.source]
    try:
        sums = bounds(projection.operators, source_interval(network, source), source.shape)
    except InputError as error:
        raise InputError(f"{network.source}: population {projection.target!r}: {error}") from error
    if sums.peak << projection.exponent >= LARGEST_SUM:
        raise InputError(
            f"{network.source}: population {projection.target!r}: what arrives from {projection.source!r} may need "
            f"{(sums.peak << projection.exponent).bit_length() + 1} bits; {FAR_TOO_LARGE}"
        )
    return Interval(sums.low << projection.exponent, sums.high << projection.exponent)


def _bits(interval: Interval) -> int:
    return int(max(interval.high.max(), -1 - interval.low.min())).bit_length() + 1


def _per_channel(population: Population, values: IntArray) -> tuple[IntArray, IntArray]:
    """Least and greatest value of a parameter in each channel."""
    flat = population.broadcast(values).reshape(population.shape[0], -1)
    return flat.min(1), flat.max(1)


def _kept(x: Interval, population: Population, decay: IntArray) -> Interval:
    """The interval after a decay, which is monotone in x and takes no number past 0."""
    if not decay.any():
        return x
    least, most = ((1 << population.rule.decay_bits) - d for d in reversed(_per_channel(population, decay)))

    def end(value: IntArray, keep: IntArray) -> IntArray:
        return np.sign(value) * ((np.abs(value) * keep) >> population.rule.decay_bits)

    return Interval(
        end(x.low, np.where(x.low < 0, most, least)),
        end(x.high, np.where(x.high > 0, most, least)),
    )


def _state_range(population: Population, arriving: list[_Arriving], network: IntegerNetwork) -> StateRange:
    rule, shift = population.rule, population.rule.fraction_bits
    constants = max(map(largest, (rule.v_reset, rule.reset_value, rule.threshold, rule.bias)))
    _check_exact(network, population, max(2 * constants << shift, largest(rule.drift)))
    bias_low, bias_high = _per_channel(population, rule.bias)
    none = np.zeros(population.shape[0], np.int64)
    current = Interval(
        sum((a.sums.low for a in arriving), none) + bias_low, sum((a.sums.high for a in arriving), none) + bias_high
    )
    _check_exact(network, population, current.peak << shift)
    fine = Interval(current.low << shift, current.high << shift)
    drift_low, drift_high = _per_channel(population, rule.drift)
    synaptic = None if rule.current_decay is None else Interval(none, none)
    after = reached = Interval(none, none)
    reached_u = Interval(none, none)
    steps = network.info.timesteps
    for _ in range(min(steps, FOLLOWED_STEPS)):
        driving, last_u, last = fine, synaptic, after
        if synaptic is not None and rule.current_decay is not None:
            kept = _kept(synaptic, population, rule.current_decay)
            driving = synaptic = Interval(kept.low + fine.low, kept.high + fine.high)
            reached_u = reached_u.hull(synaptic)
        decayed = _kept(after, population, rule.decay)
        before = Interval(decayed.low + driving.low + drift_low, decayed.high + driving.high + drift_high)
        if rule.refractory:
            before = before.hull(after)
        after = _reset(population, before)
        reached = reached.hull(before).hull(after)
        _check_exact(network, population, max(reached.peak, reached_u.peak))
        if last.equals(after) and (synaptic is None or (last_u is not None and last_u.equals(synaptic))):
            break  # every further step is this one again
    else:
        rest = steps - min(steps, FOLLOWED_STEPS)
        if synaptic is not None:
            driving = _grown(network, population, synaptic, fine, rest)
            reached_u = reached_u.hull(driving)
        given = np.maximum(-_per_channel(population, rule.reset_value)[0], 0) << shift
        growth = Interval(driving.low + drift_low, driving.high + drift_high + given)
        reached = reached.hull(_grown(network, population, _after_any_reset(population, after), growth, rest))
    current_partial = max(
        int(sum((a.partial for a in arriving), none).max(initial=0)),
        current.peak,
        largest(rule.bias),
    )
    partial = max(
        current_partial << shift,
        reached_u.peak,
        reached.peak,
        2 * largest(rule.reset_value) << shift,
        largest(rule.threshold) << shift,
        largest(rule.v_reset) << shift,
    )
    _check_exact(network, population, partial)
    return StateRange(
        population=population.name,
        current=current,
        synaptic=None if synaptic is None else reached_u,
        state=reached,
        current_partial=current_partial,
        partial=partial,
    )


def _after_any_reset(population: Population, after: Interval) -> Interval:
    """What v can be after a step, from what it was after an earlier one, but for what has driven it since."""
    rule, shift = population.rule, population.rule.fraction_bits
    if rule.reset_kind == "zero":
        low, high = (v << shift for v in _per_channel(population, rule.v_reset))
        return after.hull(Interval(low, high))
    if rule.reset_kind == "subtract":
        least = _per_channel(population, rule.threshold)[0] - _per_channel(population, rule.reset_value)[1]
        return after.hull(Interval(least << shift, after.high))
    return after


def _grown(network: IntegerNetwork, population: Population, now: Interval, growth: Interval, steps: int) -> Interval:
    """What a state can be within `steps` more steps that add `growth` each, if nothing of it leaks."""
    if not steps:
        return now
    _check_exact(network, population, now.peak + steps * growth.peak)
    return Interval(
        np.minimum(now.low, 0) + steps * np.minimum(growth.low, 0),
        np.maximum(now.high, 0) + steps * np.maximum(growth.high, 0),
    )


def _check_exact(network: IntegerNetwork, population: Population, peak: int) -> None:
    """Refuse numbers of which a product with a decay, or a sum of two, may leave int64."""
    rule = population.rule
    bits = peak.bit_length() + (rule.decay_bits if rule.decays else 0)
    if bits > MAX_BITS:
        raise InputError(
            f"{network.source}: population {population.name!r}: its state and decay need more than {MAX_BITS} bits; "
            "quantize with fewer `decay_bits`, or look for numbers that are far too large"
        )


def _reset(population: Population, before: Interval) -> Interval:
    """What v can be after the spikes of a step, from what it can be before them."""
    rule, shift = population.rule, population.rule.fraction_bits
    if rule.reset_kind == "none":
        return before
    threshold_low, threshold_high = (t << shift for t in _per_channel(population, rule.threshold))
    fires, rests = before.high > threshold_low, before.low <= threshold_high
    if rule.reset_kind == "subtract":
        reset_low, reset_high = (r << shift for r in _per_channel(population, rule.reset_value))
        stays = np.minimum(before.high, threshold_high)
        lowest = np.maximum(before.low, threshold_low + 1) - reset_high
        return Interval(
            np.where(fires, np.minimum(before.low, lowest), before.low),
            np.where(fires, np.maximum(stays, before.high - reset_low), before.high),
        )
    v_low, v_high = (v << shift for v in _per_channel(population, rule.v_reset))
    stays = np.where(rests, np.minimum(before.high, threshold_high), v_high)
    low = np.where(rests, np.minimum(before.low, v_low), v_low)
    return Interval(
        np.where(fires, low, before.low),
        np.where(fires, np.maximum(stays, v_high), before.high),
    )
