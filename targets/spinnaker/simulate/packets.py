"""Where packets go: followed link by link through the routing tables, for whole blocks of keys at a time.

Tables do not change during a run, so the way of every key is found once. Nothing here knows the network: the cores
that a packet reaches are those that the tables name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from inflor.targets.spinnaker.place.keys import FULL
from inflor.targets.spinnaker.place.machine import Chip, Machine
from inflor.targets.spinnaker.place.routing import FIRST_CORE_BIT
from inflor.targets.spinnaker.place.tables import Table


@dataclass(frozen=True)
class Delivery:
    """Keys (key, mask) that one source's packets carry to core p of a chip."""

    source: int
    key: int
    mask: int
    chip: Chip
    p: int


@dataclass
class Ways:
    """deliveries, and what went wrong on the way: (source, chip) pairs. links: (chip, link) -> [(source, key, mask)].

    lost: no route at the source, or out of a link that leads nowhere. circulating: came by the same way twice.
    """

    deliveries: list[Delivery] = field(default_factory=list)
    links: dict[tuple[Chip, int], list[tuple[int, int, int]]] = field(default_factory=dict)
    lost: list[tuple[int, Chip]] = field(default_factory=list)
    circulating: list[tuple[int, Chip]] = field(default_factory=list)


def follow(machine: Machine, tables: Mapping[Chip, Table], sources: list[tuple[int, int, int, Chip]]) -> Ways:
    """Follow the packets of sources (number, key, mask, chip)."""
    ways = Ways()
    for source, key, mask, chip in sources:
        seen: set[tuple[int, int, Chip, int | None]] = set()
        stack: list[tuple[int, int, Chip, int | None]] = [(key, mask, chip, None)]
        while stack:
            here = stack.pop()
            if here in seen:
                ways.circulating.append((source, here[2]))
                continue
            seen.add(here)
            stack += _step(machine, tables.get(here[2]), source, here, ways)
    return ways


def _step(
    machine: Machine, table: Table | None, source: int, here: tuple[int, int, Chip, int | None], ways: Ways
) -> list[tuple[int, int, Chip, int | None]]:
    """What one router does with a block of packets; the blocks that it sends on."""
    key, mask, chip, entered = here
    matches = np.zeros(0, np.int64)
    if table is not None:
        matches = np.flatnonzero(((table.key ^ key) & table.mask & mask) == 0)
    if table is not None and len(matches):
        first = int(matches[0])
        partial = int(table.mask[first]) & ~mask & FULL
        if partial:  # some of the keys only: split at one bit, and look again
            bit = partial & -partial
            return [(key, mask | bit, chip, entered), (key | bit, mask | bit, chip, entered)]
        route = int(table.route[first])
    elif entered is None:
        ways.lost.append((source, chip))
        return []
    else:
        route = 1 << ((entered + 3) % 6)
    onward: list[tuple[int, int, Chip, int | None]] = []
    for link in range(6):
        if not route >> link & 1:
            continue
        following = machine.neighbours[chip][link]
        if following is None:
            ways.lost.append((source, chip))
            continue
        ways.links.setdefault((chip, link), []).append((source, key, mask))
        onward.append((key, mask, following, (link + 3) % 6))
    cores, p = route >> FIRST_CORE_BIT, 0
    while cores:
        if cores & 1:
            ways.deliveries.append(Delivery(source, key, mask, chip, p))
        cores, p = cores >> 1, p + 1
    return onward
