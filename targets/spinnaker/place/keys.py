"""Keys of spikes: population | core | neuron | color, from the top; each field as wide as its population needs.

The four color bits hold the tick modulo 16. A core's key and mask cover 16 * 2**neuron_bits keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inflor.converter.errors import InputError
from inflor.quant.operators import IntArray
from inflor.targets.spinnaker.layout.partition import Partition

COLOUR_BITS = 4
KEY_BITS = 32
FULL = (1 << KEY_BITS) - 1


@dataclass(frozen=True, eq=False)
class Keys:
    """Per core: key and mask, int64. Readouts send nothing and have keys all the same."""

    key: IntArray
    mask: IntArray


def allocate(partitions: Sequence[Partition]) -> Keys:
    """Aligned blocks, the largest populations first, so that no space is lost between them.

    Raises:
        InputError: 32 bits do not number all neurons.
    """
    bits = [COLOUR_BITS + p.neuron_bits + (p.cores - 1).bit_length() for p in partitions]
    base = {}
    following = 0
    for i in sorted(range(len(partitions)), key=lambda i: -bits[i]):
        base[i] = following
        following += 1 << bits[i]
    if following > 1 << KEY_BITS:
        raise InputError(f"keys of {KEY_BITS} bits do not number all neurons; use a smaller network")
    key, mask = [], []
    for i, partition in enumerate(partitions):
        low = COLOUR_BITS + partition.neuron_bits
        key.append(base[i] + (np.arange(partition.cores, dtype=np.int64) << low))
        mask.append(np.full(partition.cores, FULL ^ ((1 << low) - 1), np.int64))
    return Keys(np.concatenate(key), np.concatenate(mask))


def collisions(keys: Keys) -> list[tuple[int, int]]:
    """Pairs of neighbouring cores, by key, whose blocks share keys."""
    order = np.argsort(keys.key, kind="stable")
    last = keys.key[order] + (FULL ^ keys.mask[order])
    shared = np.flatnonzero(keys.key[order][1:] <= np.maximum.accumulate(last)[:-1])
    return [(int(order[i]), int(order[i + 1])) for i in shared]
