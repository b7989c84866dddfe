"""A picture of the board: chips, cores in use, and traffic on every link. Needs matplotlib."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from inflor.converter.errors import InputError, MissingPartError
from inflor.converter.files import atomic_path
from inflor.targets.spinnaker.place.machine import LINKS
from inflor.targets.spinnaker.plan import SpinnakerPlan
from inflor.targets.spinnaker.report import link_traffic

FORMATS = (".svg", ".png")
INSTALL = "pip install 'inflor[draw]'"


def draw(plan: SpinnakerPlan, path: str | os.PathLike[str]) -> None:
    """Write the board to `path`, .svg or .png: chips by cores in use, links by packets per tick at the plan's rates.

    Each direction of a link is drawn on the half beside the chip that sends. Dead chips and links are red.

    Raises:
        InputError: another suffix. MissingPartError: matplotlib is not installed.
    """
    suffix = Path(path).suffix
    if suffix not in FORMATS:
        raise InputError(f"{path}: is drawn as {' or '.join(FORMATS)}; name it so")
    try:
        from matplotlib.collections import LineCollection
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPartError(f"drawing needs matplotlib; install it with: {INSTALL}") from error
    machine = plan.machine
    used = np.bincount(plan.placement.chip, minlength=len(machine.chips))
    size = (2 + 0.75 * machine.width, 1.5 + 0.75 * machine.height)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    traffic = link_traffic(plan, plan.ways())
    lines = [_line(chip, link) for chip, link in traffic]
    packets = np.array(list(traffic.values()))
    links = LineCollection(lines, array=packets, cmap="plasma_r", linewidths=2.5, zorder=1)
    links.set_clim(-0.2 * packets.max(initial=1), packets.max(initial=1))  # the palest colors are hard to see
    axes.add_collection(links)
    at = np.array(machine.chips)
    most = max(len(cores) for cores in machine.cores.values())
    edges = ["black" if chip in machine.ethernet else "grey" for chip in machine.chips]
    axes.scatter(
        at[:, 0], at[:, 1], s=620, marker="s", c=used, cmap="Greens", vmin=0, vmax=1.6 * most, edgecolors=edges
    )
    for (x, y), count in zip(machine.chips, used, strict=True):
        text = f"{count}/{len(machine.cores[(x, y)])}" if count else "-"
        axes.text(x, y, text, ha="center", va="center", fontsize=7)
    for x, y in machine.dead.chips:
        axes.text(x, y, "dead", ha="center", va="center", fontsize=7, color="red")
    for x, y, link in machine.dead.links:
        axes.plot(x + LINKS[link][0] / 2, y + LINKS[link][1] / 2, marker="x", markersize=9, color="red")
    if traffic:
        bar = figure.colorbar(
            links, ax=axes, label="packets per tick, at the end of a link that they leave by", shrink=0.7
        )
        bar.ax.set_ylim(0, None)
    axes.set(
        aspect="equal", xlabel="x", ylabel="y", xlim=(-0.8, machine.width - 0.2), ylim=(-0.8, machine.height - 0.2)
    )
    axes.set_title(
        f"{plan.network.source or 'network'}: {len(plan.neurons)} cores on {int((used > 0).sum())} chips, "
        f"{machine.boards} board{'s' if machine.boards > 1 else ''}\n"
        "cores in use of each chip, Ethernet chips framed in black; red: dead",
        fontsize=9,
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=suffix[1:], metadata={"Date": None} if suffix == ".svg" else None)


def _line(chip: tuple[int, int], link: int) -> list[tuple[float, float]]:
    """Half of the way to the neighbour, a little to the left of the middle: both directions can be seen."""
    (x, y), (dx, dy) = chip, LINKS[link]
    aside = (-0.06 * dy, 0.06 * dx)
    return [(x + aside[0], y + aside[1]), (x + 0.5 * dx + aside[0], y + 0.5 * dy + aside[1])]
