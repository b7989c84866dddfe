"""What a population's current and state can reach, proved from the weights alone.

Interval arithmetic, channel by channel: no input whatever leaves these bounds, so a state width that holds them needs
no overflow check, and a floating-point format whose integers are exact that far computes them exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quant.network import DECAY_ONE, IntegerNetwork, Population, Projection
from quant.operators import Conv, Flatten, IntArray, Linear, Operator, Scale, Shape, SumPool


@dataclass(frozen=True, eq=False)
class Interval:
    """Least and greatest value per channel (the first dimension of a shape). int64 [C]."""

    low: IntArray
    high: IntArray

    @property
    def peak(self) -> int:
        """Largest magnitude."""
        return max(0, int(-self.low.min(initial=0)), int(self.high.max(initial=0)))

    def hull(self, other: Interval) -> Interval:
        return Interval(np.minimum(self.low, other.low), np.maximum(self.high, other.high))


@dataclass(frozen=True, eq=False)
class StateRange:
    """What one population can reach in `timesteps` steps.

    current: a, the sum of all that arrives in a step, bias included. state: v at any moment, before a reset included.
    partial: the largest magnitude of any partial sum of a, in any order of summation, and of v.
    """

    population: str
    current: Interval
    state: Interval
    partial: int

    @property
    def state_bits(self) -> int:
        """Bits of the narrowest signed state that holds `state`."""
        return int(max(self.state.high.max(), -1 - self.state.low.min())).bit_length() + 1


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
    return {p.name: state_range(network, p) for p in network.populations if p.kind != "input"}


def state_range(network: IntegerNetwork, population: Population) -> StateRange:
    """The range of one population."""
    arriving = [_arriving(network, projection) for projection in network.incoming[population.name]]
    return _state_range(population, arriving, network.info.timesteps)


def prove_no_overflow(network: IntegerNetwork, state_bits: int) -> list[OverflowRisk]:
    """The populations whose state may leave a signed `state_bits` state; for all the others it is proved not to."""
    return [
        OverflowRisk(r.population, r.state_bits, state_bits)
        for r in state_ranges(network).values()
        if r.state_bits > state_bits
    ]


def source_interval(network: IntegerNetwork, population: Population) -> Interval:
    """What a population sends: 0 or 1, or the signed graded input."""
    channels = population.shape[0]
    if population.kind != "input":
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


def _state_range(population: Population, arriving: list[Interval], timesteps: int) -> StateRange:
    channels = population.shape[0]

    def per_channel(values: IntArray) -> tuple[IntArray, IntArray]:
        flat = population.broadcast(values).reshape(channels, -1)
        return flat.min(1), flat.max(1)

    bias_low, bias_high = per_channel(population.bias)
    current = Interval(
        np.sum([a.low for a in arriving], axis=0) + bias_low, np.sum([a.high for a in arriving], axis=0) + bias_high
    )
    keep = DECAY_ONE - per_channel(population.decay)[0]
    threshold_low, threshold_high = per_channel(population.threshold)
    reset_low, reset_high = per_channel(population.reset_value)
    v_low, v_high = per_channel(population.v_reset)
    after = reached = Interval(np.zeros(channels, np.int64), np.zeros(channels, np.int64))
    for _ in range(timesteps):
        decayed = Interval(*(np.sign(v) * ((np.abs(v) * keep) >> 12) for v in (after.low, after.high)))
        decayed = (
            decayed.hull(Interval(np.minimum(after.low, 0), np.zeros_like(after.low)))
            if keep.min() < DECAY_ONE
            else after
        )
        before = Interval(decayed.low + current.low, decayed.high + current.high)
        reached = reached.hull(before)
        after = before
        fires, rests = before.high > threshold_low, before.low <= threshold_high
        if population.reset == "subtract":
            high = np.where(
                fires, np.maximum(np.minimum(before.high, threshold_high), before.high - reset_low), before.high
            )
            low = np.where(
                fires, np.minimum(before.low, np.maximum(before.low, threshold_low + 1) - reset_high), before.low
            )
            after = Interval(low, high)
        elif population.reset == "zero":
            high = np.where(
                fires, np.maximum(np.where(rests, np.minimum(before.high, threshold_high), v_high), v_high), before.high
            )
            low = np.where(fires, np.where(rests, np.minimum(before.low, v_low), v_low), before.low)
            after = Interval(low, high)
        reached = reached.hull(after)
    partial = max(
        int(np.sum([np.maximum(-a.low, a.high) for a in arriving], axis=0).max(initial=0)),
        current.peak,
        reached.peak,
        2 * int(np.abs(population.reset_value).max(initial=0)),
    )
    return StateRange(population.name, current, reached, partial)
