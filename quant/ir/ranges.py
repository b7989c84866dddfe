"""What a population's current and state can reach, proved from the weights alone.

Interval arithmetic, channel by channel: no input whatever leaves these bounds, so a state width that holds them needs
no overflow check, and a floating-point format whose integers are exact that far computes them exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.operators import Conv, Flatten, IntArray, Linear, Operator, Scale, Shape, SumPool

MAX_BITS = 61
"""Of the magnitude of every state, times a decay where there is one."""


FOLLOWED_STEPS = 4096
"""Timesteps whose ranges are followed one by one; what more of them can add is bounded at once."""


@dataclass(frozen=True, eq=False)
class Interval:
    """Least and greatest value per channel (the first dimension of a shape). int64 [C]."""

    low: IntArray
    high: IntArray

    @property
    def peak(self) -> int:
        """Largest magnitude."""
        return max(0, int(-self.low.min(initial=0)), int(self.high.max(initial=0)))

    def equals(self, other: Interval) -> bool:
        return np.array_equal(self.low, other.low) and np.array_equal(self.high, other.high)

    def hull(self, other: Interval) -> Interval:
        return Interval(np.minimum(self.low, other.low), np.maximum(self.high, other.high))


@dataclass(frozen=True, eq=False)
class StateRange:
    """What one population can reach in `timesteps` steps.

    current: a, the sum of all that arrives in a step, bias included. synaptic: u, where there is such a state. state: v
    at any moment, before a reset included. u and v are in their finest units. current_partial: the largest magnitude of
    any partial sum of a, in any order of summation. partial: that in finest units, and that of any u and v.
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
    arriving = [_arriving(network, projection) for projection in network.incoming[population.name]]
    return _state_range(population, arriving, network)


def prove_no_overflow(network: IntegerNetwork, state_bits: int) -> list[OverflowRisk]:
    """The populations whose state may leave a signed `state_bits` state; for all the others it is proved not to."""
    return [
        OverflowRisk(r.population, r.bits, state_bits) for r in state_ranges(network).values() if r.bits > state_bits
    ]


def source_interval(network: IntegerNetwork, population: Population) -> Interval:
    """What a population sends: 0 or 1, or the signed graded input."""
    channels = population.shape[0]
    if population.role != "input":
        return Interval(np.zeros(channels, np.int64), np.ones(channels, np.int64))
    limit = 2 ** (network.input_bits - 1)
    return Interval(np.full(channels, -limit), np.full(channels, limit - 1))


def _arriving(network: IntegerNetwork, projection: Projection) -> Interval:
    source = network.by_name[projection.source]
    interval, shape = source_interval(network, source), source.shape
    for operator in projection.operators:
        interval, shape = _through(operator, interval, shape), operator.output_shape(shape)
    return Interval(interval.low << projection.exponent, interval.high << projection.exponent)


def _through(operator: Operator, x: Interval, shape: Shape) -> Interval:
    """The interval after one operator. Padding sends zeros, so every product's interval includes 0."""
    low, high = np.minimum(x.low, 0), np.maximum(x.high, 0)
    if isinstance(operator, SumPool):
        size = int(np.prod(operator.kernel))
        return Interval(low * size, high * size)
    if isinstance(operator, Flatten):
        if operator.start > 0:
            return x
        inner = int(np.prod(shape[1 : operator.end + 1]))
        return Interval(np.repeat(x.low, inner), np.repeat(x.high, inner))
    positive, negative = np.maximum(operator.weight, 0), np.minimum(operator.weight, 0)
    if isinstance(operator, Linear):
        if len(shape) > 1:
            least, most = _matrix(positive.sum(1), negative.sum(1), low.min(), high.max())
            return Interval(np.full(shape[0], least.min()), np.full(shape[0], most.max()))
        return Interval(positive @ low + negative @ high, positive @ high + negative @ low)
    if isinstance(operator, Scale):
        flat = np.broadcast_to(operator.weight, shape).reshape(shape[0], -1)
        return Interval(
            np.minimum(flat.max(1) * low, flat.min(1) * high).clip(max=0),
            np.maximum(flat.max(1) * high, flat.min(1) * low).clip(min=0),
        )
    return _through_convolution(operator, positive, negative, low, high)


def _matrix(positive: IntArray, negative: IntArray, low: np.int64, high: np.int64) -> tuple[IntArray, IntArray]:
    return positive * low + negative * high, positive * high + negative * low


def _through_convolution(
    operator: Conv, positive: IntArray, negative: IntArray, low: IntArray, high: IntArray
) -> Interval:
    groups, out = operator.groups, operator.weight.shape[0]
    low, high = (np.repeat(v.reshape(groups, -1), out // groups, axis=0) for v in (low, high))  # [O, I/groups]
    spatial = tuple(range(2, operator.weight.ndim))
    positive, negative = positive.sum(spatial), negative.sum(spatial)
    return Interval(
        (positive * low + negative * high).sum(1),
        (positive * high + negative * low).sum(1),
    )


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


def _state_range(population: Population, arriving: list[Interval], network: IntegerNetwork) -> StateRange:
    rule, shift = population.rule, population.rule.fraction_bits
    bias_low, bias_high = _per_channel(population, rule.bias)
    none = np.zeros(population.shape[0], np.int64)
    current = Interval(
        sum((a.low for a in arriving), none) + bias_low, sum((a.high for a in arriving), none) + bias_high
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
        int(sum((np.maximum(-a.low, a.high) for a in arriving), none).max(initial=0)),
        current.peak,
        int(np.abs(rule.bias).max(initial=0)),
    )
    partial = max(
        current_partial << shift,
        reached_u.peak,
        reached.peak,
        2 * int(np.abs(rule.reset_value).max(initial=0)) << shift,
        int(np.abs(rule.threshold).max(initial=0)) << shift,
    )
    _check_exact(network, population, partial)
    return StateRange(
        population.name, current, None if synaptic is None else reached_u, reached, current_partial, partial
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
    """What a state can be within `steps` more steps that add `growth` each, if nothing of it fades."""
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
            "quantise with fewer --decay-bits, or look for numbers that are far too large"
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
