"""Which core of the machine each slice goes to: hop-weighted traffic, made small by exchanging and moving cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from inflor.quant.operators import IntArray
from inflor.targets.spinnaker.place.machine import Chip, Machine

PASSES = 12


@dataclass(frozen=True, eq=False)
class Placement:
    """chip: index of the machine's chip per core. p: its number there. cost, naive: packets x hops per tick.

    naive: of cores in the order of the network on chips in raster order.
    """

    chip: IntArray
    p: IntArray
    cost: float
    naive: float

    def at(self, machine: Machine, core: int) -> tuple[Chip, int]:
        return machine.chips[int(self.chip[core])], int(self.p[core])


def place_cores(
    traffic: Any, memory: IntArray, machine: Machine, sdram: int, optimize: bool = True
) -> Placement | None:
    """Place all cores; None where they do not fit. traffic: scipy sparse [cores, cores], packets per tick.

    memory: bytes of SDRAM of every core. optimize: False keeps the naive order.
    """
    seats = np.array([len(machine.cores[chip]) for chip in machine.chips])
    naive = _fill(np.arange(len(machine.chips)), seats, memory, sdram)
    if naive is None:
        return None
    both = (traffic + traffic.T).tocsr()
    before = _cost(traffic, naive, machine)
    best, cost = naive, before
    if optimize:
        centre = np.argsort(machine.distance.sum(1), kind="stable")[0]
        compact = _fill(np.argsort(machine.distance[centre], kind="stable"), seats, memory, sdram)
        for start in (naive, compact):
            if start is None:
                continue
            improved = _improve(start.copy(), both, memory, machine.distance, seats, sdram)
            now = _cost(traffic, improved, machine)
            if now < cost:
                best, cost = improved, now
    return Placement(best, _numbers(best, machine), cost, before)


def _fill(order: IntArray, seats: IntArray, memory: IntArray, sdram: int) -> IntArray | None:
    """Cores in their order onto chips in theirs."""
    chip, place, used, bytes_used = np.zeros(len(memory), np.int64), 0, 0, 0
    for core, needed in enumerate(memory):
        while place < len(order) and (used >= seats[order[place]] or bytes_used + needed > sdram):
            place, used, bytes_used = place + 1, 0, 0
        if place == len(order):
            return None
        chip[core] = order[place]
        used, bytes_used = used + 1, bytes_used + int(needed)
    return chip


def _cost(traffic: Any, chip: IntArray, machine: Machine) -> float:
    parts = traffic.tocoo()
    return float((parts.data * machine.distance[chip[parts.row], chip[parts.col]]).sum())


def _improve(chip: IntArray, both: Any, memory: IntArray, distance: IntArray, seats: IntArray, sdram: int) -> IntArray:
    """Passes over all cores: each goes to the chip that saves most, into a free seat or in exchange for another."""
    cores = len(chip)
    used = np.bincount(chip, minlength=len(seats))
    filled = np.bincount(chip, memory, minlength=len(seats))
    pull = both @ distance[chip].astype(np.float64)  # [cores, chips]: cost of each core if it were on each chip
    for _ in range(PASSES):
        moved = 0
        for core in range(cores):
            gain = pull[core, chip[core]] - pull[core]
            for target in np.argsort(-gain)[:4]:
                if gain[target] <= 1e-9:
                    break
                other = _partner(core, int(target), chip, pull, both, distance, used, seats)
                if other is None:
                    continue
                leaving = 0 if other < 0 else memory[other]
                here = int(chip[core])
                fits = (
                    filled[target] + memory[core] - leaving <= sdram and filled[here] - memory[core] + leaving <= sdram
                )
                if not fits:
                    continue
                for who, there in ((core, int(target)), (other, here)):
                    if who < 0:
                        continue
                    _move(who, there, chip, pull, both, distance)
                    filled[here if who == core else target] -= memory[who]
                    filled[there] += memory[who]
                if other < 0:
                    used[here] -= 1
                    used[target] += 1
                moved += 1
                break
        if not moved:
            break
    return chip


def _partner(
    core: int, target: int, chip: IntArray, pull: Any, both: Any, distance: IntArray, used: IntArray, seats: IntArray
) -> int | None:
    """-1 for a free seat on `target`, else the core there whose exchange saves something, or None."""
    if used[target] < seats[target]:
        return -1
    here = chip[core]
    there = np.flatnonzero(chip == target)
    if not len(there):
        return None
    shared = np.asarray(both[core, there].todense()).ravel()
    saved = (
        pull[core, here] - pull[core, target] + pull[there, target] - pull[there, here]
        - 2 * shared * distance[here, target]
    )  # fmt: skip
    best = int(saved.argmax())
    return int(there[best]) if saved[best] > 1e-9 else None


def _move(core: int, target: int, chip: IntArray, pull: Any, both: Any, distance: IntArray) -> None:
    change = (distance[target] - distance[chip[core]]).astype(np.float64)
    start, end = both.indptr[core], both.indptr[core + 1]
    pull[both.indices[start:end]] += both.data[start:end, None] * change
    chip[core] = target


def _numbers(chip: IntArray, machine: Machine) -> IntArray:
    """Core numbers, in order, on each chip."""
    p = np.zeros_like(chip)
    for index, where in enumerate(machine.chips):
        mine = np.flatnonzero(chip == index)
        p[mine] = machine.cores[where][: len(mine)]
    return p


def traffic_matrix(pairs: list[tuple[IntArray, IntArray, IntArray]], cores: int) -> Any:
    """scipy CSR from (source core, target core, packets per tick) triples."""
    if not pairs:
        return scipy.sparse.csr_matrix((cores, cores))
    row, column, value = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return scipy.sparse.csr_matrix((value.astype(np.float64), (row, column)), shape=(cores, cores))
