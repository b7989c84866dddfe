"""The machine: chips of one or more 48-chip boards on a hexagonal mesh, without those that a file says are dead.

A board is a hexagon on an 8x8 plan. Three boards tile a torus of 12x12 chips, and larger machines tile more of those.
Links: 0 E, 1 NE, 2 N, 3 W, 4 SW, 5 S.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse.csgraph

from inflor.converter.errors import InputError
from inflor.converter.reading.json_text import read_json
from inflor.quant.operators import IntArray
from inflor.targets.spinnaker.limits import Limits

LINKS = ((1, 0), (1, 1), (0, 1), (-1, 0), (-1, -1), (0, -1))
ROWS = ((0, 5), (0, 6), (0, 7), (0, 8), (1, 8), (2, 8), (3, 8), (4, 8))
"""Columns [first, last) of each row of a board."""
TRIAD = 12
ETHERNET = ((0, 0), (4, 8), (8, 4))
"""Corner (and Ethernet chip) of the three boards of a triad."""
MOST_BOARDS = 1200
LARGEST_COORDINATE = 255
"""Of a chip: packets between chips name it by eight bits. No chip has as many cores."""
CUT_OFF = 1 << 20
"""Hops that stand for no way at all: more than any way has, so that no placement chooses it."""
Chip = tuple[int, int]


@dataclass(frozen=True)
class Dead:
    """What does not work. chips: (x, y); cores: (x, y, p); links: (x, y, link), dead both ways."""

    chips: frozenset[Chip] = frozenset()
    cores: frozenset[tuple[int, int, int]] = frozenset()
    links: frozenset[tuple[int, int, int]] = frozenset()


@dataclass(frozen=True, eq=False)
class Machine:
    """width, height: of the plan in chips; wraps: whether it is a torus. cores: application cores per living chip."""

    boards: int
    width: int
    height: int
    wraps: bool
    cores: dict[Chip, tuple[int, ...]]
    ethernet: tuple[Chip, ...]
    dead: Dead

    @cached_property
    def chips(self) -> tuple[Chip, ...]:
        """Living chips, board by board, in raster order."""
        return tuple(self.cores)

    @cached_property
    def index(self) -> dict[Chip, int]:
        return {chip: i for i, chip in enumerate(self.chips)}

    @cached_property
    def neighbours(self) -> dict[Chip, tuple[Chip | None, ...]]:
        """What every link of a chip leads to: a living chip, or None."""
        return {chip: tuple(self._across(chip, link) for link in range(6)) for chip in self.chips}

    @cached_property
    def distance(self) -> IntArray:
        """Hops between living chips round all that is dead, [chips, chips]; CUT_OFF where there is no way."""
        if self.dead.chips or self.dead.links:
            return self._distance_round_dead()
        at = np.array(self.chips)
        step = at[None] - at[:, None]
        if not self.wraps:
            return hops(step)
        wraps = [np.array([i * self.width, j * self.height]) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        return np.min([hops(step + wrap) for wrap in wraps], axis=0)

    def _distance_round_dead(self) -> IntArray:
        pairs = [(self.index[a], self.index[b]) for a, around in self.neighbours.items() for b in around if b]
        row, column = np.array(pairs, np.int64).reshape(-1, 2).T
        size = len(self.chips)
        mesh = scipy.sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(size, size))
        found = scipy.sparse.csgraph.shortest_path(mesh, unweighted=True)
        return np.where(np.isfinite(found), found, CUT_OFF).astype(np.int64)

    def _across(self, chip: Chip, link: int) -> Chip | None:
        x, y = chip[0] + LINKS[link][0], chip[1] + LINKS[link][1]
        if self.wraps:
            x, y = x % self.width, y % self.height
        if (x, y) not in self.cores or (*chip, link) in self.dead.links:
            return None
        return None if (x, y, (link + 3) % 6) in self.dead.links else (x, y)

    def vectors(self, source: Chip, target: Chip) -> Chip:
        """The shortest way as steps in x and y; of equal ones the first."""
        step = np.array(target) - np.array(source)
        if not self.wraps:
            return (int(step[0]), int(step[1]))
        around = [np.array([i * self.width, j * self.height]) for i in (0, -1, 1) for j in (0, -1, 1)]
        ways = [step + wrap for wrap in around]
        best = min(ways, key=lambda way: int(hops(way)))
        return (int(best[0]), int(best[1]))


def hops(step: IntArray) -> Any:
    """Links on the shortest way along a step in x and y [..., 2]: diagonals go NE and SW only."""
    x, y = step[..., 0], step[..., 1]
    return np.where(x * y > 0, np.maximum(np.abs(x), np.abs(y)), np.abs(x) + np.abs(y))


def make_machine(boards: int, limits: Limits, dead: Dead | None = None, cores_per_chip: int | None = None) -> Machine:
    """A machine of 1 or a multiple of 3 boards. cores_per_chip: use no more than these."""
    dead = dead or Dead()
    triads = 1 if boards == 1 else boards // 3
    across = max(n for n in range(1, int(triads**0.5) + 1) if triads % n == 0)
    width, height = (8, 8) if boards == 1 else (TRIAD * triads // across, TRIAD * across)
    corners = [
        (x * TRIAD + ex, y * TRIAD + ey) for y in range(across) for x in range(triads // across) for ex, ey in ETHERNET
    ]
    cores: dict[Chip, tuple[int, ...]] = {}
    ethernet = []
    for corner in corners[:1] if boards == 1 else corners:
        ethernet.append(corner)
        for y, (first, last) in enumerate(ROWS):
            for x in range(first, last):
                chip = ((corner[0] + x) % width, (corner[1] + y) % height)
                if chip in dead.chips:
                    continue
                taken = limits.first_core + (chip == corner)
                numbers = range(taken, limits.first_core + limits.cores)
                cores[chip] = tuple(p for p in numbers if (*chip, p) not in dead.cores)[:cores_per_chip]
    return Machine(boards, width, height, boards > 1, cores, tuple(ethernet), dead)


def sizes() -> list[int]:
    """Numbers of boards that tile a torus without a rest, by size."""
    return [1, *range(3, MOST_BOARDS + 1, 3)]


def read_dead(path: str | os.PathLike[str] | None) -> Dead:
    """A JSON file {"chips": [[x, y]], "cores": [[x, y, p]], "links": [[x, y, link]]}, each key optional.

    Raises:
        InputError: the file is missing, or is not of this form.
    """
    if path is None:
        return Dead()
    data = read_json(path, "a list of dead parts")
    form = '{"chips": [[x, y]], "cores": [[x, y, p]], "links": [[x, y, link]]}'
    if set(data) - {"chips", "cores", "links"}:
        raise InputError(f"{path}: must be of the form {form}")
    parts: dict[str, frozenset[Any]] = {}
    for name, width in (("chips", 2), ("cores", 3), ("links", 3)):
        rows = data.get(name, [])
        if not isinstance(rows, list) or not all(
            isinstance(row, list) and len(row) == width and all(type(n) is int and n >= 0 for n in row) for row in rows
        ):
            raise InputError(f"{path}: {name!r} must be of the form {form}")
        parts[name] = frozenset(tuple(row) for row in rows)
    if any(link > 5 for _, _, link in parts["links"]):
        raise InputError(f"{path}: links are 0 E, 1 NE, 2 N, 3 W, 4 SW, 5 S")
    for name, rows in parts.items():
        if beyond := sorted(row for row in rows if max(row) > LARGEST_COORDINATE):
            most = LARGEST_COORDINATE
            raise InputError(f"{path}: {name}: no machine has {list(beyond[0])}; coordinates and cores go up to {most}")
    return Dead(parts["chips"], parts["cores"], parts["links"])
