"""What quantization learns from data: the float network's spikes, sampled inputs of a layer, and mean currents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inflor.quant.ir.network import Population
from inflor.quant.ir.ports import Group
from inflor.quant.ir.types import FloatArray, Shape
from inflor.quant.operators import apply_chain, split_chain, weight_tensor
from inflor.quant.passes.fused import FloatProjection

COLUMNS = 2048
"""Inputs of a layer that are drawn for judging its rounding."""
DRAWN = 20_000
"""Input values that the input's unit is judged by."""
UNITS = np.concatenate([np.linspace(1.0, 2.0, 1001), np.linspace(0.75, 1.0, 250, endpoint=False)])
"""Input units tried, relative to the one that just clips nothing; of equal ones the first is taken."""
COSTLY = 0.01
"""Of an average sample's square, the error of the input's rounding that is a reason to look for another unit."""
QUANTILES = (0.5, 0.9, 0.99, 0.999, 0.9999)
"""Of the sizes of the values other than 0: each is tried as the largest that is not clipped."""
CHUNK = 64
"""Samples x steps that pass through a layer at once."""


SPIKES = (0, 1)
"""The range of an input that is spikes."""


def input_unit(x: npt.NDArray[np.float32], bits: int) -> float:
    """The value of one integer step of a signed input of `bits`, by the least squared error over samples.

    Not simply the largest value over 127: images have few values (a black background, 17 or 256 greys), and a unit
    that puts the common ones on the grid errs several times less. That matters, for the error of a static image is the
    same at every step and adds up in the potential. Where all values are multiples of one of theirs (spikes, counts),
    that is the unit: it errs nothing, and leaves the weights beside it all of their bits. Where the unit that holds the
    largest value costs a typical sample more than `COSTLY`, as one hot pixel does to spikes, a smaller one that clips
    is taken if it costs less.
    """
    limit = 2 ** (bits - 1) - 1
    values = np.random.default_rng(0).choice(x.ravel(), min(x.size, DRAWN), replace=False).astype(np.float64)
    values, counts = np.unique(values, return_counts=True)
    least = float(np.abs(values[values != 0]).min(initial=np.inf))
    if np.isfinite(least) and _multiples(x, least, limit):
        return least
    units = float(np.abs(x).max()) / limit * UNITS

    def error(unit: float) -> float:
        return float(((np.clip(np.rint(values / unit), -limit - 1, limit) * unit) - values) ** 2 @ counts)

    whole = min(units.tolist(), key=error)
    if input_cost(x, whole, bits) <= COSTLY:
        return whole
    sizes = np.abs(values[values != 0])
    weights = counts[values != 0]
    order = np.argsort(sizes)
    places = np.searchsorted(np.cumsum(weights[order]), np.multiply(QUANTILES, weights.sum()))
    smaller = [float(size) / limit for size in sizes[order][np.minimum(places, len(sizes) - 1)]]
    return min([whole, least, *smaller], key=lambda unit: input_cost(x, unit, bits))


def input_cost(x: npt.NDArray[np.float32], unit: float, bits: int) -> float:
    """The squared error of rounding and clipping the input, as a part of its square, on an average sample."""
    limit = 2 ** (bits - 1) - 1
    costs = []
    for sample in x.reshape(len(x), -1):
        values = sample.astype(np.float64)
        energy = float(values @ values)
        if energy > 0:
            error = np.clip(np.rint(values / unit), -limit - 1, limit) * unit - values
            costs.append(float(error @ error) / energy)
    return float(np.mean(costs)) if costs else 0.0


def are_spikes(x: npt.NDArray[np.float32], unit: float) -> bool:
    """Whether all values are 0 or one unit."""
    return all(
        bool(((part == 0) | (part == np.float32(unit))).all()) for part in np.array_split(x, max(1, len(x) // 64))
    )


def _multiples(x: npt.NDArray[np.float32], unit: float, limit: int) -> bool:
    """Whether every value is a whole number of units, and at most `limit` of them."""
    if float(np.abs(x).max()) > (limit + 0.5) * unit:  # asked first: by a denormal unit the division would overflow
        return False
    counts = x / unit
    return bool(np.allclose(counts, np.rint(counts), rtol=0, atol=1e-4))


def sample_columns(projection: FloatProjection, spikes: Tensor, rng: np.random.Generator) -> FloatArray:
    """Inputs of the weighted operator, drawn at random, as its `columns` has them.

    Their means are a part of them, so that rounding keeps the mean current too: a bias could, but acts on silence.

    spikes: of the source, [N, *shape], N = timesteps x samples. For an elementwise operator the mean square per channel
    [C].
    """
    before, operator, _ = split_chain(projection.operators)
    most = CHUNK * 4 if operator.shared else COLUMNS
    chosen = np.sort(rng.choice(len(spikes), min(len(spikes), most), replace=False))
    x = apply_chain(before, spikes[torch.from_numpy(chosen)].float(), None)
    columns = operator.columns(x, rng, COLUMNS).double()
    if operator.elementwise:
        return (columns**2).mean(1).numpy()
    return columns.numpy()


def mean_current(
    projections: Sequence[FloatProjection], spikes: Sequence[Tensor], population: Population
) -> FloatArray:
    """Mean over samples, steps and positions of the real input current, without bias, per channel [C].

    Args:
        projections: all that lead to the population.
        spikes: what each projection delivers, [N or 1, *shape].
        population: whose groups of input ports are combined as in a run; what is only added up is averaged by itself.
    """
    total: FloatArray = np.zeros(population.shape[0])
    for projection, source in zip(projections, spikes, strict=True):
        if not projection.group:
            drive = _drive(projection)
            total = total + _mean([drive(chunk) for chunk in torch.split(source, CHUNK)])
    for group in population.groups:
        pairs = [(_drive(q), s) for q, s in zip(projections, spikes, strict=True) if q.group == group.name]
        total = total + _mean(_maxima(group, pairs, population.shape))
    return total


Drive = Callable[[Tensor], Tensor]
"""What a projection makes of spikes, [N, *shape] both."""


def _drive(projection: FloatProjection) -> Drive:
    weight = weight_tensor(projection.operators, torch.float32)
    return lambda spikes: apply_chain(projection.operators, spikes.float(), weight)


def _maxima(group: Group, pairs: Sequence[tuple[Drive, Tensor]], shape: Shape) -> Iterator[Tensor]:
    """The maxima of what projections add up to, [N, *shape], chunk by chunk.

    pairs: projections with what they deliver; what is the same at every step is there once.
    """
    most = max(len(source) for _, source in pairs)
    for chunk in torch.split(torch.arange(most), CHUNK):
        total = torch.stack([drive(source[chunk % len(source)]) for drive, source in pairs]).sum(0)
        yield group.windows.maximum(total).reshape(len(total), *shape)


def _mean(chunks: Iterable[Tensor]) -> FloatArray:
    """Mean of [N, C, ...] over all but the channels, of all chunks together."""
    sums, count = [], 0
    for chunk in chunks:
        by_channel = chunk.transpose(0, 1).flatten(1)
        sums.append(by_channel.double().sum(1))
        count += by_channel.shape[1]
    return np.asarray(torch.stack(sums).sum(0).numpy() / count)
