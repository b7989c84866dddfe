"""The spikes of one sample as bitmaps: every population a band, every timestep a block of it.

Where there are few steps, each block shows the population's feature maps, one pixel per neuron; where there are many,
a block is one column and the band is the usual raster. What is too large is thinned out evenly, and says so.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.targets.record.file import Record, RecordedPopulation

MOST_BLOCKS = 16
"""Timesteps up to which a step is drawn as maps."""
MOST_PIXELS = 1 << 14
"""Neurons of a population that are drawn as maps."""
MOST_ROWS = 192
"""Neurons of a population that are drawn as rows of a raster."""
MOST_STEPS = 4000
ASPECT = 9.0
"""Width by height that a band of maps has at most, roughly."""


@dataclass(frozen=True)
class Band:
    """One population's spikes in one sample.

    bits: base64 of bit-packed [T, neurons shown], little-endian bits. maps: which feature maps (single neurons where
    there are none) are shown, None for all. tiling: rows and columns of one map, and how many maps stand side by side.
    per_step: spikes of all its neurons in each step. shown: how much of it, in words.
    """

    name: str
    shape: tuple[int, ...]
    maps: tuple[int, ...] | None
    tiling: tuple[int, int, int]
    bits: str
    per_step: tuple[int, ...]
    shown: str


@dataclass(frozen=True)
class Raster:
    """One sample: its label and prediction (None where unknown), and a band per population that fires."""

    sample: int
    label: str | None
    prediction: str
    timesteps: int
    folded: bool
    bands: tuple[Band, ...]


def raster(record: Record, sample: int, class_names: tuple[str, ...] = ()) -> Raster:
    """The spikes of `sample`.

    Raises:
        InputError: the record has no such sample, or no spikes.
    """
    if not 0 <= sample < record.samples:
        raise InputError(f"`sample` {sample}: the record has the samples 0 to {record.samples - 1}")
    if record.timesteps > MOST_STEPS:
        raise InputError(f"{record.timesteps} steps are more than a raster shows ({MOST_STEPS})")
    folded = record.timesteps <= MOST_BLOCKS
    firing = [p for p in record.populations if p.kind not in ("readout", "input")]
    bands = tuple(_band(p, record.spikes(p.name, slice(sample, sample + 1))[0], folded) for p in firing)

    def called(index: int) -> str:
        return class_names[index] if index < len(class_names) else str(index)

    label = None if record.labels is None or record.labels[sample] < 0 else called(int(record.labels[sample]))
    return Raster(sample, label, called(int(record.predictions[sample])), record.timesteps, folded, bands)


def _band(population: RecordedPopulation, spikes: npt.NDArray[np.bool_], folded: bool) -> Band:
    """spikes: [T, *shape]."""
    shape, flat = population.shape, spikes.reshape(len(spikes), -1)
    height, width = (math.prod(shape[1:-1]), shape[-1]) if folded and len(shape) > 1 else (1, 1)
    per_map = height * width
    units = population.size // per_map  # maps, or single neurons
    most = max(1, (MOST_PIXELS if folded else MOST_ROWS) // per_map)
    chosen = np.unique(np.linspace(0, units - 1, min(units, most)).astype(np.int64))
    neurons = (chosen[:, None] * per_map + np.arange(per_map)).ravel()
    side = _side_by_side(len(chosen), height, width, len(spikes)) if folded else 1
    what = "neurons" if per_map == 1 else "maps"
    everything = len(chosen) == units
    return Band(
        population.name,
        shape,
        None if everything else tuple(chosen.tolist()),
        (height, width, side),
        base64.b64encode(np.packbits(flat[:, neurons], axis=1, bitorder="little").tobytes()).decode(),
        tuple(int(n) for n in flat.sum(1)),
        f"all {units:,} {what}" if everything else f"{len(chosen):,} of {units:,} {what}, evenly drawn",
    )


def _side_by_side(maps: int, height: int, width: int, steps: int) -> int:
    """How many maps stand in a row, so that all steps of a band side by side have about the wanted aspect."""
    wide, high = width + (width > 1), height + (height > 1)
    ideal = math.sqrt(maps * ASPECT / steps * high / wide)
    whole = [n for n in range(1, maps + 1) if maps % n == 0 and 2 / 3 < n / ideal < 3 / 2]  # leave no row half empty
    return min(whole, key=lambda n: abs(math.log(n / ideal))) if whole else int(min(max(round(ideal), 1), maps))


def describe(found: Raster) -> str:
    """What a listener is told instead of the picture."""
    most = max(found.bands, key=lambda b: sum(b.per_step) / max(math.prod(b.shape), 1), default=None)
    total = sum(sum(b.per_step) for b in found.bands)
    text = f"Sample {found.sample} makes {total:,} spikes in {found.timesteps} steps"
    if most is not None and total:
        rate = 100 * sum(most.per_step) / (math.prod(most.shape) * found.timesteps)
        text += f"; {most.name} is the busiest ({rate:.1f} % of its neuron-steps fire)"
    answer = f". It is read as {found.prediction}"
    return text + answer + ("." if found.label is None else f", labelled {found.label}.")


def plain(found: Raster) -> dict[str, Any]:
    """For the page's script."""
    return {
        "timesteps": found.timesteps,
        "bands": [
            {
                "name": b.name,
                "shape": b.shape,
                "maps": b.maps,
                "tiling": b.tiling,
                "bits": b.bits,
            }
            for b in found.bands
        ],
    }
