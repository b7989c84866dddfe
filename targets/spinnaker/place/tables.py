"""Routing tables: built per chip, compressed in order, and proved to route every key as before.

An entry matches a packet where `packet & mask == key`; the first match counts. A packet without a match goes straight
on. A compressed table may do anything with keys that never come to its chip.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.quant.operators import IntArray
from inflor.targets.spinnaker.place.keys import FULL
from inflor.targets.spinnaker.place.machine import Chip
from inflor.targets.spinnaker.place.routing import straight_on

MISSING = -1


@dataclass(frozen=True, eq=False)
class Table:
    """Entries in order, int64 [n] each; route in Python's integers where 64 bits do not hold it.

    entered: the link that an entry's packets come by, -1 for the chip itself.
    """

    key: IntArray
    mask: IntArray
    route: IntArray
    entered: IntArray

    def __len__(self) -> int:
        return len(self.key)

    def take(self, index: Any) -> Table:
        return Table(self.key[index], self.mask[index], self.route[index], self.entered[index])

    @property
    def default(self) -> npt.NDArray[np.bool_]:
        """Entries that only say what the default route does."""
        pairs = zip(self.entered.tolist(), self.route.tolist(), strict=True)
        return np.array([straight_on(None if e < 0 else e, r) for e, r in pairs], bool)


def table(rows: list[tuple[int, int, int, int]]) -> Table:
    """From (key, mask, route, entered) rows."""
    key, mask, route, entered = zip(*rows, strict=True) if rows else ((), (), (), ())
    wide = any(r >> 63 for r in route)  # a chip of more cores than a machine word has bits
    routes = np.array(route, object if wide else np.int64)
    return Table(np.array(key, np.int64), np.array(mask, np.int64), routes, np.array(entered, np.int64))


@dataclass(frozen=True)
class Disagreement:
    """Keys that a compressed table routes otherwise. got: None where no entry matches and straight on is wrong."""

    chip: Chip
    key: int
    mask: int
    expected: int
    got: int | None


def compress(original: Table, limit: int) -> Table:
    """Fewer entries with the same effect, in order.

    First neighbours of the same route become one aligned block, and defaults are left out. If that is still more than
    `limit`, entries of the same route are merged wherever no other key of this chip is caught: routes with fewest
    entries stand first, so that the later, larger ones may overlap them.
    """
    merged = _join_neighbours(original)
    kept = merged.take(~merged.default)
    kept = _join_neighbours(replace(kept, entered=np.full(len(kept), MISSING)))
    if len(kept) <= limit:
        return kept
    return _ordered(kept, merged.take(merged.default), limit)


def _join_neighbours(original: Table) -> Table:
    """Join pairs of blocks that differ in one bit and agree in mask and route, again and again from the lowest bit."""
    result = original
    while True:
        lowest = (FULL ^ result.mask) + 1  # the bit above the block
        partner = result.key & ~lowest
        route = np.unique(result.route, return_inverse=True)[1]
        order = np.lexsort((result.key, partner, result.mask, route, result.entered))
        r = result.take(order)
        same = (
            (partner[order][1:] == partner[order][:-1])
            & (r.mask[1:] == r.mask[:-1])
            & (r.route[1:] == r.route[:-1])
            & (r.entered[1:] == r.entered[:-1])
            & (r.key[1:] != r.key[:-1])
            & (lowest[order][1:] <= FULL)
        )
        if not same.any():
            return r
        first = np.flatnonzero(same)
        mask, key = r.mask.copy(), r.key.copy()
        mask[first] &= ~lowest[order][first]
        key[first] &= mask[first]
        keep = np.ones(len(r), bool)
        keep[first + 1] = False
        result = replace(r, key=key, mask=mask).take(keep)


def _ordered(entries: Table, defaults: Table, limit: int) -> Table:
    routes, counts = np.unique(entries.route, return_counts=True)
    groups = [np.flatnonzero(entries.route == route) for route in routes[np.argsort(counts, kind="stable")]]
    done: list[tuple[int, int, int, int]] = []
    for number, group in enumerate(groups):
        later = np.concatenate([np.zeros(0, np.int64), *groups[number + 1 :]]).astype(np.int64)
        others_key = np.concatenate([entries.key[later], defaults.key])
        others_mask = np.concatenate([entries.mask[later], defaults.mask])
        remaining = len(entries) - sum(map(len, groups[: number + 1]))
        if len(done) + len(group) + remaining <= limit:  # short enough: leave the rest as it is
            merged = list(zip(entries.key[group].tolist(), entries.mask[group].tolist(), strict=True))
        else:
            merged = _merge_group(entries.key[group], entries.mask[group], others_key, others_mask)
        done += [(key, mask, int(entries.route[group[0]]), MISSING) for key, mask in merged]
    return table(done)


def _merge_group(key: IntArray, mask: IntArray, others_key: IntArray, others_mask: IntArray) -> list[tuple[int, int]]:
    """Entries of one route, merged while they catch none of the others' keys: each takes in all that it can."""
    left = list(zip(key.tolist(), mask.tolist(), strict=True))
    merged = []
    while left:
        k, m = left.pop()
        rest = []
        for other_key, other_mask in reversed(left):
            wide = m & other_mask & ~(k ^ other_key) & FULL
            if _free(k & wide, wide, others_key, others_mask):
                k, m = k & wide, wide
            else:
                rest.append((other_key, other_mask))
        merged.append((k, m))
        left = rest[::-1]
    return merged


def _free(key: int, mask: int, others_key: IntArray, others_mask: IntArray) -> bool:
    """No key of the others matches."""
    return not bool((((others_key ^ key) & others_mask & mask) == 0).any())


def verify(chip: Chip, original: Table, compressed: Table) -> list[Disagreement]:
    """Prove that every key of every original entry does the same with the compressed table; else say which do not.

    Exact: the keys of an entry are followed as sets (ternary blocks), which split where an entry catches a part of
    them. Originals must not overlap (see `overlaps`).
    """
    if not len(original):
        return []
    caught = _catches(original.key, original.mask, compressed)
    has = caught.any(1)
    first = np.where(has, caught.argmax(1) if len(compressed) else 0, 0)
    found: list[Disagreement] = []
    whole = np.zeros(len(original), bool)
    if len(compressed):
        whole = has & ((compressed.mask[first] & ~original.mask) == 0) & (compressed.route[first] == original.route)
    default = original.default
    for i in np.flatnonzero(~whole & (has | ~default)):
        found += _follow(chip, original.take(slice(i, i + 1)), compressed, bool(default[i]))
    return found


def overlaps(entries: Table) -> int:
    """Number of pairs of entries that share keys."""
    return int((_catches(entries.key, entries.mask, entries).sum() - len(entries)) // 2)


def _catches(key: IntArray, mask: IntArray, other: Table) -> npt.NDArray[np.bool_]:
    both = mask[:, None] & other.mask[None]
    return ((key[:, None] ^ other.key[None]) & both) == 0


def _follow(chip: Chip, entry: Table, compressed: Table, default: bool) -> list[Disagreement]:
    expected = int(entry.route[0])
    blocks, found = [(int(entry.key[0]), int(entry.mask[0]))], []
    while blocks:
        key, mask = blocks.pop()
        matches = np.flatnonzero(((compressed.key ^ key) & compressed.mask & mask) == 0)
        if not len(matches):
            if not default:
                found.append(Disagreement(chip, key, mask, expected, None))
            continue
        first = int(matches[0])
        partial = int(compressed.mask[first]) & ~mask & FULL
        if partial:
            bit = partial & -partial
            blocks += [(key, mask | bit), (key | bit, mask | bit)]
        elif int(compressed.route[first]) != expected:
            found.append(Disagreement(chip, key, mask, expected, int(compressed.route[first])))
    return found
