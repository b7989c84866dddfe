"""Chooses one population's scale: integer thresholds, exponents and mantissas.

A channel's unit is reference / t for an integer t, the reference being its threshold, so the threshold is exactly t
and every fixed ratio to it (the reset value, a residual identity) is exact where t is a multiple of the ratio's
denominator. What is left to choose is t per channel and an exponent per projection; the choice minimises the error of
the input current over sampled activations, so large outlier weights are clipped where that pays.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.quant.fix.grids import group_steps
from inflor.quant.fix.rounding import BLOCK, round_compensated
from inflor.quant.ir.types import FloatArray, IntArray
from inflor.quant.operators import Operator, Shape, Weighted
from inflor.quant.operators.arrays import channels_first

RESOLUTION = 128
"""Least t of a typical channel: thresholds and biases are held at least this finely relative to the threshold."""
ENOUGH_T = 1024
"""Cap of t, per unit of the source's activity, for channels whose weights are tiny against the threshold."""
FEW = 16
"""Levels that weights have to reach for that cap to hold: with fewer, t may go beyond it."""
LARGEST_T = (1 << 15) - 1
"""Cap of t in any case: what the threshold registers of the chips hold."""
SCANNED = 20_000
"""Steps times inputs per output that are tried."""
LARGEST_MULTIPLE = 1 << 40
"""A multiple of which no t is one."""
LARGEST_EXPONENT = 7
LARGEST_DENOMINATOR = 256


@dataclass(frozen=True, eq=False)
class Synapses:
    """One projection as the search sees it.

    operator: the weighted operator with real weights. rows: target channel -> row of the weight array, int64 [C].
    columns: sampled inputs of the operator, [blocks * K, N]; the mean square per row where it is elementwise.
    identity: the real factor where this is a residual identity, else None. peak: the
    largest activity of one source neuron.
    """

    operator: Weighted
    rows: IntArray
    columns: FloatArray
    identity: float | None
    peak: int = 1

    @cached_property
    def moments(self) -> list[tuple[slice, FloatArray]]:
        """Second moments [groups, k, k] of the sampled inputs, in blocks that compensated rounding takes too.

        A little is added to the diagonal: what the samples never excited has a weight as well.
        """
        columns = self.columns.reshape(self.operator.blocks, -1, self.columns.shape[-1])
        least = 0.01 * float(np.mean(columns**2))
        moments = []
        for start in range(0, columns.shape[1], BLOCK):
            part = columns[:, start : start + BLOCK]
            moment = part @ part.transpose(0, 2, 1) / part.shape[2] + least * np.eye(part.shape[1])
            moments.append((slice(start, start + BLOCK), moment))
        return moments


@dataclass(frozen=True, eq=False)
class Scales:
    """The choice. t: int64 [C]; exponents and mantissas: one per projection, mantissa at the weight array's shape.

    exact: whether every fixed ratio to the threshold is met exactly.
    """

    t: IntArray
    exponents: tuple[int, ...]
    mantissas: tuple[IntArray, ...]
    exact: bool


def target_rows(operators: Sequence[Operator], shape: Shape, channels_of: IntArray | None = None) -> IntArray:
    """Which row of a chain's weights feeds each channel of its target, int64 [C].

    Args:
        shape: the source's.
        channels_of: the channel of what the chain makes that each of the target's reads, int64 [C], where the two are
            not the same.

    Raises:
        InputError: an operator behind the weights mixes their rows; names it.
    """
    rows: IntArray | None = None
    for operator in operators:
        if isinstance(operator, Weighted):
            rows = operator.rows(shape)
        elif rows is not None:
            channels = operator.channels(shape)
            if channels is None:
                raise InputError("mixes channels behind weights", node=operator.name, mend="put it before them")
            rows = rows[channels]
        shape = operator.output_shape(shape)
    assert rows is not None
    return rows if channels_of is None else rows[channels_of]


def by_row(operator: Weighted, rows: IntArray, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values per channel of the target [C] as values per row of the weights that make it. rows: from `target_rows`."""
    count = int(rows.max()) + 1 if operator.elementwise else len(operator.weight)
    found = np.full(count, values[0])
    found[rows] = values
    return found


def scale_groups(rows: Sequence[IntArray], channels: int, per_channel: bool) -> IntArray:
    """Label of the channels that must share one scale, because they share a row of some projection. int64 [C]."""
    labels = np.arange(channels) if per_channel else np.zeros(channels, np.int64)
    changed = True
    while changed:
        before = labels.copy()
        for row in rows:
            least = np.full(int(row.max()) + 1, channels)
            np.minimum.at(least, row, labels)
            labels = least[row]
        changed = not np.array_equal(before, labels)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def denominator(ratios: Sequence[FloatArray]) -> tuple[int, bool]:
    """Least d that makes d * ratio an integer for every ratio given, and whether all could be met."""
    result = 1
    for ratio in {float(r) for values in ratios for r in np.unique(values)}:
        fraction = Fraction(ratio).limit_denominator(LARGEST_DENOMINATOR)
        if abs(float(fraction) - ratio) > 2.0**-22 * abs(ratio):
            return 1, False
        result = math.lcm(result, fraction.denominator)
    return (result, True) if result <= LARGEST_DENOMINATOR else (1, False)


def choose_scales(
    synapses: Sequence[Synapses],
    reference: FloatArray,
    groups: IntArray,
    bits: int,
    ratios: Sequence[FloatArray],
    clip: bool = True,
    compensate: bool = True,
    largest_t: FloatArray | int = LARGEST_T,
) -> Scales:
    """Pick t, the exponents and the mantissas of one population.

    reference: what t units stand for, per channel [C], the same within a group; the threshold, or for a readout the
    largest weight. groups: int64 [C] from `scale_groups`. ratios: fixed ratios to the reference (reset, v_reset).
    clip: whether to look for a smaller step than the one at which nothing is clipped. compensate: whether roundings of
    one output make up for each other, or each weight goes to its nearest. largest_t: cap of t, of all or per channel;
    only what makes the ratios exact may go beyond it.
    """
    limit = 2 ** (bits - 1) - 1
    count = int(groups.max()) + 1
    reference = _first_of_group(reference, groups, count)
    identities = [s.identity for s in synapses if s.identity is not None]
    step, exact = denominator([*ratios, *(factor / reference for factor in identities)])
    most = _first_of_group(np.broadcast_to(np.asarray(largest_t, np.float64), groups.shape), groups, count)
    finest = [_finest(s, reference, groups, count, limit) for s in synapses]
    grids = [_grid(s, groups, count, limit) for s in synapses]
    choices = _exponent_choices(synapses, finest, reference, limit, min(RESOLUTION, float(np.median(most))))

    def best_of(step: int, exact: bool) -> tuple[float, IntArray, tuple[int, ...]]:
        found = []
        for exponents in choices:
            allowed = _identity_steps(synapses, exponents, reference, limit) if exact else []
            steps = _steps(synapses, bits, clip)
            ends = finest, most, grids
            t, error = _search(synapses, exponents, ends, reference, groups, limit, step, allowed, steps)
            found.append((error, t, exponents))
        return min(found, key=lambda choice: choice[0])

    best = best_of(step, exact)
    if not math.isfinite(best[0]):  # no mantissa of these bits is the identity: it is rounded as any other weight is
        exact = False
        best = best_of(denominator(ratios)[0], exact)
    _, t, exponents = best
    final = _compensated if compensate else _mantissa
    mantissas = tuple(final(s, (reference / t)[groups], e, limit) for s, e in zip(synapses, exponents, strict=True))
    return Scales(t[groups], exponents, mantissas, exact)


def _steps(synapses: Sequence[Synapses], bits: int, clip: bool) -> FloatArray:
    """Steps to try, relative to the one at which nothing is clipped.

    Few bits want a wide range. Few inputs want a fine one: the nine weights of a first layer's channel come to lie near
    the grid at some steps and not at others, and the error of a static image is the same at every timestep.
    """
    if not clip:
        return np.array([1.0])
    fine = min(SCANNED // max(s.operator.weight[0].size if s.operator.weight.ndim else 1 for s in synapses), 2000)
    return np.linspace(1.25, 0.2, max(36, fine)) if bits < 7 else np.linspace(1.1, 0.65, max(10, fine))


def _first_of_group(values: FloatArray, groups: IntArray, count: int) -> FloatArray:
    return values[np.unique(groups, return_index=True)[1][:count]]


def _finest(s: Synapses, reference: FloatArray, groups: IntArray, count: int, limit: int) -> FloatArray:
    """Largest t at which nothing of this projection is clipped with exponent 0, per group; capped."""
    largest = np.zeros(count)
    peaks = _row_peaks(s.operator)
    np.maximum.at(largest, groups, peaks[s.rows] if len(peaks) > 1 else np.full(len(groups), peaks[0]))
    with np.errstate(divide="ignore"):
        needed = reference / largest  # of a weight of one level
        return np.minimum(limit * needed, np.clip(FEW * needed, min(ENOUGH_T * s.peak, LARGEST_T), LARGEST_T))


def _grid(s: Synapses, groups: IntArray, count: int, limit: int) -> FloatArray:
    """The step of a grid that the weights stand on already, per group; NaN where they do not."""
    if s.operator.elementwise:
        return np.full(count, np.nan)
    return group_steps(s.operator.weight, by_row(s.operator, s.rows, groups), count, limit)


def _row_peaks(operator: Weighted) -> FloatArray:
    """Largest magnitude in each row [O]; a scale that is the same for all channels has one row."""
    return np.abs(operator.weight).reshape(operator.weight.shape[0] if operator.weight.ndim else 1, -1).max(1)


def _exponent_choices(
    synapses: Sequence[Synapses], finest: Sequence[FloatArray], reference: FloatArray, limit: int, resolution: float
) -> list[tuple[int, ...]]:
    """A few exponents per projection: enough for this resolution on the coarsest, and the others to match it."""
    typical = [float(np.median(f)) for f in finest]
    weighted = [i for i, s in enumerate(synapses) if s.identity is None] or list(range(len(synapses)))
    main = min(weighted, key=lambda i: typical[i])
    base = max(0, math.ceil(math.log2(resolution / typical[main])))
    options = []
    for i, s in enumerate(synapses):
        wanted = base + math.log2(typical[main] / typical[i])
        if i == main:
            options.append([base])
        elif s.identity is None:
            options.append([math.ceil(wanted), math.floor(wanted)])
        else:
            largest = float((finest[main] * 2.0**base * s.identity / reference).max())
            need = math.ceil(math.log2(max(largest, 1.0) / limit))
            options.append([need + 1, need, need - 1, need - 2])
    clipped = [sorted({min(max(e, 0), LARGEST_EXPONENT) for e in choice}) for choice in options]
    return list(itertools.product(*clipped))


def _identity_steps(
    synapses: Sequence[Synapses], exponents: Sequence[int], reference: FloatArray, limit: int
) -> list[tuple[IntArray, FloatArray]]:
    """Per identity and group: t must be a multiple of the first number and at most the second.

    The integer scale of an identity is p/q * t, p/q being its factor over the reference. It is an integer for t = q*k,
    and a mantissa of at most `limit` times 2**exponent where p*k is a multiple of 2**exponent and small enough.
    """
    steps = []
    for s, exponent in zip(synapses, exponents, strict=True):
        if s.identity is not None:
            fractions = [Fraction(s.identity / r).limit_denominator(LARGEST_DENOMINATOR) for r in reference]
            power = 1 << exponent
            multiple = np.array([f.denominator * (power // math.gcd(f.numerator, power)) for f in fractions])
            steps.append((multiple, np.array([float(limit * power / f) for f in fractions])))
    return steps


def _search(
    synapses: Sequence[Synapses],
    exponents: Sequence[int],
    ends: tuple[Sequence[FloatArray], FloatArray, Sequence[FloatArray]],
    reference: FloatArray,
    groups: IntArray,
    limit: int,
    step: int,
    identities: Sequence[tuple[IntArray, FloatArray]],
    steps: FloatArray,
) -> tuple[IntArray, float]:
    """The t per group with the least error for these exponents, and the sum of the errors.

    ends: per projection the t at which nothing is clipped; the largest t; per projection the step of its own grid.
    """
    finest, most, grids = ends
    count = len(reference)
    unclipped = np.min([f * 2.0**e for f, e in zip(finest, exponents, strict=True)], axis=0)
    unclipped = np.minimum(unclipped, most)
    multiple = common_multiple(step, identities, count)
    allowed = np.min([np.full(count, np.inf), *(largest for _, largest in identities)], axis=0)
    best_error, best_t = np.full(count, np.inf), np.ones(count, np.int64)
    seen: set[bytes] = set()
    wanted = [unclipped / ratio for ratio in steps]
    for grid, e in zip(grids, exponents, strict=True):
        own = reference * 2.0**e / grid
        wanted.append(np.where(np.isnan(own), unclipped, own))
    for tried in wanted:
        t = _snap(np.minimum(tried, most), multiple, allowed)
        if t.tobytes() in seen:
            continue
        seen.add(t.tobytes())
        error = np.where(t > 0, 0.0, np.inf)
        unit = (reference / np.maximum(t, 1))[groups]
        for s, e in zip(synapses, exponents, strict=True):
            error += _group_error(s, unit, e, limit, groups, count)
        better = error < best_error
        best_error, best_t = np.where(better, error, best_error), np.where(better, t, best_t)
    return best_t, float((best_error / reference**2).sum())


def common_multiple(step: int, identities: Sequence[tuple[IntArray, FloatArray]], count: int) -> IntArray:
    """What t must be a multiple of, in each of `count` groups; `LARGEST_MULTIPLE` where it is that or more.

    Python integers: the least common multiple for several identities may leave int64.
    """
    multiples = zip(*(m.tolist() for m, _ in identities), strict=True) if identities else [()] * count
    return np.array([min(math.lcm(step, *values), LARGEST_MULTIPLE) for values in multiples])


def _snap(t: FloatArray, multiple: IntArray, allowed: FloatArray) -> IntArray:
    """The nearest t of those multiples that are allowed, which are at most `allowed`; 0 where none is."""
    nearest = np.minimum(np.maximum(np.rint(t / multiple), 1) * multiple, np.floor(allowed / multiple) * multiple)
    return nearest.astype(np.int64)


def _row_step(s: Synapses, unit: FloatArray, exponent: int) -> FloatArray:
    """Real value of one step of the mantissa, `unit` [C] << exponent, broadcastable against the weight array."""
    return channels_first(by_row(s.operator, s.rows, unit), max(s.operator.weight.ndim, 1)) * 2.0**exponent


def _mantissa(s: Synapses, unit: FloatArray, exponent: int, limit: int) -> IntArray:
    """Every weight at its nearest step, half to even, and clipped."""
    return np.clip(np.rint(s.operator.weight / _row_step(s, unit, exponent)), -limit, limit).astype(np.int64)


def _compensated(s: Synapses, unit: FloatArray, exponent: int, limit: int) -> IntArray:
    """Weights rounded so that the error of each output is least on the sampled inputs (`inflor.quant.fix.rounding`)."""
    if s.operator.elementwise:
        return _mantissa(s, unit, exponent, limit)
    weight = (s.operator.weight / _row_step(s, unit, exponent)).reshape(s.operator.weight.shape[0], -1)
    parts = s.operator.blocks
    rounded = [
        round_compensated(rows, columns, limit)
        for rows, columns in zip(np.split(weight, parts), np.split(s.columns, parts), strict=True)
    ]
    return np.concatenate(rounded).reshape(s.operator.weight.shape)


def _group_error(s: Synapses, unit: FloatArray, exponent: int, limit: int, groups: IntArray, count: int) -> FloatArray:
    """Squared error of the current that this projection brings, summed over the rows of each group."""
    step = _row_step(s, unit, exponent)
    difference = s.operator.weight - _mantissa(s, unit, exponent, limit) * step
    difference = difference.reshape(len(difference), -1)
    if s.operator.elementwise:
        per_row = (difference**2).mean(1) * s.columns
    else:
        by_block = difference.reshape(s.operator.blocks, -1, difference.shape[1])
        per_row = np.zeros(len(difference))
        for block, moment in s.moments:
            part = by_block[:, :, block]
            per_row += ((part @ moment) * part).sum(2).reshape(-1)
    error = np.zeros(count)
    np.add.at(error, by_row(s.operator, s.rows, groups), per_row)
    return error
