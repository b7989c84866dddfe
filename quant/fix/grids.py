"""Weights that stand on a grid already, each row on its own, as quantization-aware training leaves them."""

from __future__ import annotations

import numpy as np

from inflor.quant.ir.types import FloatArray, IntArray

TOLERANCE = 2.0**-18
"""Of the largest level: how far from a whole one a weight may lie, for the float32 that it was written in."""
FIRST = 64
"""Weights of a row that are looked at before the others."""


def grid_steps(weight: FloatArray, limit: int) -> FloatArray:
    """The largest step of which every weight of a row is a whole multiple, at most `limit` of them: [rows].

    NaN where there is none, and infinity where all weights are 0. weight: [rows, ...].
    """
    rows = weight.reshape(len(weight), -1)
    peaks = np.abs(rows).max(1)
    steps = np.where(peaks == 0, np.inf, np.nan)
    for levels in range(1, limit + 1):
        open_rows = np.flatnonzero(np.isnan(steps))
        for part in (slice(FIRST), slice(None)):
            step = peaks[open_rows] / levels
            open_rows = open_rows[_on_grid(rows[open_rows, part], step, levels)]
        steps[open_rows] = peaks[open_rows] / levels
    return steps


def group_steps(weight: FloatArray, groups: IntArray, count: int, limit: int) -> FloatArray:
    """The step of the rows of each group, [count], NaN where they have none in common. groups: of each row."""
    steps = grid_steps(weight, limit)
    least = np.full(count, np.inf)
    np.minimum.at(least, groups, np.where(np.isnan(steps), -1.0, steps))  # one row without a grid ends its group's
    least[least < 0] = np.nan
    rows = weight.reshape(len(weight), -1)
    step = least[groups]
    held = np.isfinite(step)
    step = np.where(held, step, 1.0)
    fits = held & _on_grid(rows, step, limit) & (np.abs(rows).max(1) <= (limit + 0.5) * step)
    least[np.unique(groups[~fits & (np.abs(rows).max(1) > 0)])] = np.nan
    return np.where(np.isfinite(least), least, np.nan)


def _on_grid(rows: FloatArray, step: FloatArray, levels: int) -> np.ndarray:
    counts = rows / step[:, None]
    return np.asarray((np.abs(counts - np.rint(counts)) <= TOLERANCE * max(levels, 1)).all(1))
