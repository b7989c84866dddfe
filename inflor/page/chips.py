"""The cores of a chip that a network takes, and how full they are."""

from __future__ import annotations

import numpy as np

from inflor.page.contents import Chip, Missing, Row
from inflor.page.words import count, listed, percent, plural
from inflor.targets.cost.estimate import title
from inflor.targets.mapping import CoreMap

MOST_CORES = 20_000


def chip(found: CoreMap) -> Chip | Missing:
    """All that a network takes of a chip; a core is as full as what it has the least left of, where that is known.

    Missing where there are too many cores.
    """
    if found.size > MOST_CORES:
        return Missing(f"{title(found.chip)}: {count(found.size)} cores are too many to draw.")
    unit = "tile" if found.mesh == "square" else "chip"
    shares = [f"{percent(r.used.sum() / (found.size * r.limit), 0)} of their {r.name}" for r in found.resources]
    text = f"{_summary(found)}; they use {listed(shares)}" if shares else _summary(found)
    sites = tuple(map(tuple, found.sites.tolist()))
    return Chip(found.chip, title(found.chip), text, unit, found.seats, _rows(found), sites, found.size, found.layout)


def _summary(found: CoreMap) -> str:
    cores, chips = plural(found.size, "core"), plural(found.chips, "chip")
    if found.boards:
        return f"{cores} on {chips} of the {count(len(found.sites))} on {plural(found.boards, 'board')}"
    return f"{cores} of the {count(found.seats * len(found.sites))} on {chips}"


def _rows(found: CoreMap) -> tuple[Row, ...]:
    """One per core."""
    on_core: list[dict[str, int]] = [{} for _ in range(found.size)]
    for group, cores in found.cores.items():
        for core, neurons in zip(*np.unique(cores, return_counts=True), strict=True):
            on_core[int(core)][group] = int(neurons)
    taken: dict[tuple[int, ...], int] = {}
    rows = []
    where = found.site_of
    for core, held in enumerate(on_core):
        place = tuple(where[core].tolist())
        taken[place] = taken.get(place, -1) + 1
        parts: dict[str, int] = {}
        for group, neurons in held.items():
            name = found.spikes_of.get(group, group)
            parts[name] = parts.get(name, 0) + neurons
        rows.append(
            {
                "core": core,
                "populations": [{"name": name, "neurons": neurons} for name, neurons in parts.items()],
                "holds": ", ".join(held),
                "chip": place[0],
                "x": place[1],
                "y": place[2],
                "seat": taken[place],
                "neurons": sum(held.values()),
                "fill": max((float(r.used[core]) / r.limit for r in found.resources), default=None),
            }
        )
    return tuple(rows)
