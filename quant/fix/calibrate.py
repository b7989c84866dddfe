"""What quantization learns from data: the float network's spikes, sampled inputs of a layer, and mean currents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inflor.quant.ir.types import FloatArray
from inflor.quant.operators import apply_chain, split_chain, weight_tensor
from inflor.quant.passes.fused import FloatProjection

COLUMNS = 2048
"""Inputs of a layer that are drawn for judging its rounding."""
DRAWN = 20_000
"""Input values that the input's unit is judged by."""
UNITS = np.concatenate([np.linspace(1.0, 2.0, 1001), np.linspace(0.75, 1.0, 250, endpoint=False)])
"""Input units tried, relative to the one that just clips nothing; of equal ones the first is taken."""
CHUNK = 64
"""Samples x steps that pass through a layer at once."""


def input_unit(x: npt.NDArray[np.float32], bits: int) -> float:
    """The value of one integer step of a signed input of `bits`, by the least squared error over samples.

    Not simply the largest value over 127: images have few values (a black background, 17 or 256 greys), and a unit
    that puts the common ones on the grid errs several times less. That matters, for the error of a static image is the
    same at every step and adds up in the potential. Where all values are multiples of one of theirs (spikes, counts),
    that is the unit: it errs nothing, and leaves the weights beside it all of their bits.
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

    return min(units.tolist(), key=error)


def _multiples(x: npt.NDArray[np.float32], unit: float, limit: int) -> bool:
    """Whether every value is a whole number of units, and at most `limit` of them."""
    if float(np.abs(x).max()) > (limit + 0.5) * unit:  # asked first: by a denormal unit the division would overflow
        return False
    counts = x / unit
    return bool(np.allclose(counts, np.rint(counts), rtol=0, atol=1e-4))


def sample_columns(projection: FloatProjection, spikes: Tensor, rng: np.random.Generator) -> FloatArray:
    """Inputs of the weighted operator, drawn at random and centred, as its `columns` has them.

    spikes: of the source, [N, *shape], N = timesteps x samples. For an elementwise operator the variance per channel
    [C].
    """
    before, operator, _ = split_chain(projection.operators)
    most = CHUNK * 4 if operator.shared else COLUMNS
    chosen = np.sort(rng.choice(len(spikes), min(len(spikes), most), replace=False))
    x = apply_chain(before, spikes[torch.from_numpy(chosen)].float(), None)
    columns = operator.columns(x, rng, COLUMNS).double()
    if operator.elementwise:
        return columns.var(1, correction=0).numpy()
    values = columns.numpy()
    return values - values.mean(1, keepdims=True)


def mean_current(projections: Sequence[FloatProjection], spikes: Sequence[Tensor]) -> FloatArray:
    """Mean over samples, steps and positions of the real input current, without bias, per channel [C].

    spikes: what each projection delivers, [N, *shape].
    """
    total: FloatArray | None = None
    for projection, source in zip(projections, spikes, strict=True):
        weight = weight_tensor(projection.operators, torch.float32)
        parts = [
            apply_chain(projection.operators, chunk.float(), weight).transpose(0, 1).flatten(1).double().sum(1)
            for chunk in torch.split(source, CHUNK)
        ]
        one = apply_chain(projection.operators, source[:1].float(), weight)
        mean = torch.stack(parts).sum(0).numpy() / (len(source) * (one[0].numel() / one.shape[1]))
        total = mean if total is None else total + mean
    assert total is not None
    return total
