"""Several integer networks side by side: what bits, timesteps and chip cost, as rows, page or picture."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from inflor.converter.errors import InputError, MissingPartError
from inflor.converter.files import atomic_path
from inflor.page.colors import ramp
from inflor.page.contents import Row
from inflor.page.render import render
from inflor.page.tables import Cell, Column, Table, short_title
from inflor.page.words import count, listed, percent, quantity, size

FORMATS = (".html", ".png", ".svg")
INSTALL = "pip install 'inflor[draw]'"
CLOSE = 0.005
"""A network this close to the best accuracy is as good, when the least costly is looked for."""


@dataclass(frozen=True)
class Candidate:
    """One network, run on the same samples as the others. bits: of the weights, least and greatest.

    spikes, synaptic_events: per inference. memory_bytes: weights, states and thresholds at their own bits. hardware: a
    row per model of hardware with name, title, energy (J), latency (s) and cores; None where not published or placed.
    """

    label: str
    name: str
    digest: str
    bits: tuple[int, int]
    timesteps: int
    neurons: int
    accuracy: float | None
    spikes: float
    synaptic_events: float
    memory_bytes: float
    hardware: tuple[Row, ...]


@dataclass(frozen=True)
class Comparison:
    """Networks in order of bits and timesteps. dataset, samples: what all of them ran on. sources: of the figures."""

    dataset: str
    samples: int
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]
    sources: tuple[str, ...] = ()
    path: str | None = field(default=None, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def labels(names: Sequence[str], bits: Sequence[tuple[int, int]], timesteps: Sequence[int]) -> list[str]:
    """What tells the networks apart: bits, timesteps or both where that is enough, else the files' names."""
    width = [f"{low} bits" if low == high else f"{low}–{high} bits" for low, high in bits]
    steps = [f"{t} steps" for t in timesteps]
    both = [f"{w}, {t}" for w, t in zip(width, steps, strict=True)]
    found = next((c for c in (width, steps, both, names) if len(set(c)) == len(names)), None)
    return list(found) if found is not None else [f"{i + 1}: {name}" for i, name in enumerate(names)]


def describe(found: Comparison) -> str:
    """Which network is the least costly among those that are about as accurate as the best."""
    known = [c for c in found.candidates if c.accuracy is not None]
    if not known:
        return "The data have no labels, so nothing is said of accuracy."
    best = max(known, key=lambda c: c.accuracy or 0.0)
    equal = [c.label for c in known if c.accuracy == best.accuracy]
    close = [c for c in known if (c.accuracy or 0.0) >= (best.accuracy or 0.0) - CLOSE]
    if len(equal) == 1:
        text = f"Most accurate is {best.label} with {percent(best.accuracy)}; within half a point of it, "
    elif len(equal) == len(known):
        text = f"All are equally accurate, {percent(best.accuracy)}; of them, "
    else:
        text = f"Most accurate are {listed(equal)} with {percent(best.accuracy)} each; within half a point of them, "
    smallest = min(close, key=lambda c: c.memory_bytes)
    text += f"{smallest.label} takes the least memory ({size(smallest.memory_bytes)})"
    least: dict[str, list[str]] = {}
    for h in (h for h in best.hardware if not h["ann"]):
        able = [(energy, c) for c in close if (energy := _value(c, h["name"], "energy")) is not None]
        if able:
            energy, candidate = min(able, key=lambda pair: pair[0])
            least.setdefault(candidate.label, []).append(f"{h['title']}: {quantity(energy, 'J')}")
    parts = [f"{label} ({'; '.join(energies)})" for label, energies in least.items()]
    return text + (f", and the least energy is that of {listed(parts)}." if parts else ".")


def leading(found: Comparison) -> list[Row]:
    """The first model of each hardware: those that a table has room for."""
    firsts: dict[str, Row] = {}
    for h in found.candidates[0].hardware:
        firsts.setdefault(h["hardware"], h)
    return list(firsts.values())


def table(found: Comparison) -> Table:
    """A line per network."""
    models = leading(found)
    columns = [
        Column("Network", False),
        Column("File", False),
        Column("Accuracy"),
        Column("Memory", about="weights, states and thresholds at their own bits"),
        Column("Spikes", about="per inference"),
        Column("Synaptic events", about="per inference"),
    ]
    columns += [Column(f"Energy, {short_title(h)}", about=f"per inference; {h['title']}") for h in models]
    placed = [h for h in models if any(_value(c, h["name"], "cores") is not None for c in found.candidates)]
    for h in placed:
        columns += [Column(f"Latency, {short_title(h)}"), Column(f"Cores, {short_title(h)}")]
    rows = []
    for index, c in enumerate(found.candidates):
        cells = [
            Cell(c.label, float(index)),
            Cell(c.name, c.name),
            Cell(percent(c.accuracy), c.accuracy),
            Cell(size(c.memory_bytes), c.memory_bytes),
            Cell(count(c.spikes), c.spikes),
            Cell(count(c.synaptic_events), c.synaptic_events),
        ]
        for h in models:
            energy = _value(c, h["name"], "energy")
            cells.append(Cell(quantity(energy, "J"), energy))
        for h in placed:
            latency, cores = (_value(c, h["name"], key) for key in ("latency", "cores"))
            cells += [Cell(quantity(latency, "s"), latency), Cell("–" if cores is None else count(cores), cores)]
        rows.append(tuple(cells))
    caption = f"{len(rows)} networks on {found.samples:,} samples of {found.dataset}"
    return Table("networks", caption, tuple(columns), tuple(rows))


def check_format(out: str | os.PathLike[str]) -> None:
    """Whether a comparison can be written so.

    Raises:
        InputError: another suffix. MissingPartError: a picture needs matplotlib.
    """
    suffix = Path(out).suffix
    if suffix not in FORMATS:
        raise InputError(f"{out}: is written as {', '.join(FORMATS)}; name it so")
    if suffix != ".html" and importlib.util.find_spec("matplotlib") is None:
        raise MissingPartError(f"drawing needs matplotlib; install it with: {INSTALL}, or write .html")


def write(found: Comparison, out: str | os.PathLike[str]) -> None:
    """A page (.html), or the plot alone (.png, .svg); see `check_format`."""
    suffix = Path(out).suffix
    if suffix == ".html":
        text = render(
            "compare.html",
            {"comparison": _panels(found)},
            comparison=found,
            summary=describe(found),
            table=table(found),
        )
        with atomic_path(out) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        return
    _draw(found, out, suffix)


def _value(candidate: Candidate, hardware: str, key: str) -> float | None:
    return next((h[key] for h in candidate.hardware if h["name"] == hardware), None)


def _panels(found: Comparison) -> dict[str, Any]:
    """Four plots over the same networks: a panel's unit and its points, colored by series."""
    models = found.candidates[0].hardware
    colors = dict(zip([h["name"] for h in models], ramp(len(models)), strict=True))

    def of_hardware(key: str, shown: Sequence[Row]) -> list[Row]:
        return [
            {"label": c.label, "value": value, "series": h["title"], "color": colors[h["name"]], "ann": h["ann"]}
            for c in found.candidates
            for h in shown
            if (value := _value(c, h["name"], key)) is not None
        ]

    return {
        "labels": [c.label for c in found.candidates],
        "series": [{"name": h["title"], "color": colors[h["name"]]} for h in models],
        "panels": [
            {"title": "Accuracy", "kind": "share", "log": False, "points": [
                {"label": c.label, "value": c.accuracy} for c in found.candidates if c.accuracy is not None
            ]},
            {"title": "Memory", "kind": "bytes", "log": False, "points": [
                {"label": c.label, "value": c.memory_bytes} for c in found.candidates
            ]},
            {"title": "Energy per inference", "kind": "J", "log": True, "points": of_hardware("energy", models)},
            {"title": "Cores", "kind": "count", "log": False, "points": of_hardware("cores", leading(found))},
        ],
    }  # fmt: skip


def _draw(found: Comparison, out: str | os.PathLike[str], suffix: str) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, PercentFormatter

    data = _panels(found)
    units: dict[str, Callable[[], Any]] = {
        "share": lambda: PercentFormatter(1.0, decimals=2),
        "J": lambda: EngFormatter("J"),
        "bytes": lambda: EngFormatter("B"),
    }
    rows = {label: i for i, label in enumerate(data["labels"])}
    figure = Figure(figsize=(13, 1.6 + 0.42 * len(rows)), layout="constrained")
    grid = figure.subplots(1, 4, sharey=True)
    for axes, panel in zip(grid, data["panels"], strict=True):
        for point in panel["points"]:
            color = point.get("color", "#3a72d0")
            inside = "white" if point.get("ann") else color
            axes.plot(point["value"], rows[point["label"]], "o", color=color, markerfacecolor=inside, clip_on=False)
        axes.set_title(panel["title"], loc="left", fontsize=10)
        axes.grid(True, axis="x", color="#dddddd")
        if panel["log"] and panel["points"]:
            axes.set_xscale("log")
        if panel["kind"] in units:
            axes.xaxis.set_major_formatter(units[panel["kind"]]())
        if panel["kind"] == "share" and panel["points"]:
            axes.set_xlim(*_shares([p["value"] for p in panel["points"]]))
            axes.locator_params("x", nbins=4)
        elif not panel["log"] and panel["points"]:
            axes.set_xlim(0, 1.1 * max(p["value"] for p in panel["points"]))
            axes.locator_params("x", nbins=5, integer=True)
        axes.tick_params(length=0, labelsize=8)
        axes.spines[["top", "right", "left"]].set_visible(False)
    grid[0].set_yticks(list(rows.values()), list(rows))
    grid[0].invert_yaxis()
    marks = [grid[2].plot([], [], "o", color=s["color"], label=s["name"])[0] for s in data["series"]]
    if marks:
        figure.legend(handles=marks, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format=suffix[1:], dpi=150)


def _shares(values: Sequence[float]) -> tuple[float, float]:
    """An axis that holds these shares with some room, and nothing below 0 or above 1."""
    low, high = min(values), max(values)
    room = max(0.25 * (high - low), 0.002)
    return max(0.0, low - room), min(1.0, high + room)
