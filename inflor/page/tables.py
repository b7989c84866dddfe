"""The tables of a report: headings, and cells with a text to read and a value to sort by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inflor.page.contents import Costs, Missing, Report, Row, Source, Verdict
from inflor.page.words import between, count, percent, quantity, shape, size
from inflor.targets.chips.figures import CHECKS
from inflor.targets.cost.estimate import title

MOST_HARDWARE_COLUMNS = 3


@dataclass(frozen=True)
class Cell:
    """text: what is read. value: what is sorted by, None for what is unknown. color: of a swatch before the text."""

    text: str
    value: float | str | None = None
    color: str | None = None
    code: bool = False


@dataclass(frozen=True)
class Column:
    heading: str
    number: bool = True
    about: str = ""


@dataclass(frozen=True)
class Table:
    """id: unique in the page. caption: what it holds; a table of one row is not worth sorting."""

    id: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def populations(report: Report) -> Table:
    """Every population: form, numbers, activity and energy."""
    columns = [
        Column("Population", False),
        Column("Shape", False),
        Column("Bits", about="of the incoming weights"),
        Column("Scale", about="float potential of one integer unit"),
        Column("Threshold", about="integer; the neuron fires above it"),
        Column("State bits", about="that the membrane potential provably fits in"),
        Column("Rate", about="spikes per neuron and timestep"),
        Column("Spikes", about="per inference"),
    ]
    costed = isinstance(report.costs, Costs)
    hardware = _energy_columns(report.costs) if isinstance(report.costs, Costs) else []
    if costed:
        columns.append(
            Column("Synaptic events", about="that arrive, per inference; of a graded input, multiply-accumulates (MAC)")
        )
    columns += [Column(f"Energy, {short_title(h)}", about=f"per inference, by {h['title']}") for h in hardware]
    rows = []
    for p in report.populations:
        cells = [
            Cell(p["name"], p["name"], p["color"]),
            Cell(shape(p["shape"]), p["neurons"]),
            Cell(str(p["bits"]), p["bits"]),
            Cell(_span(p["scale"], ".2g"), p["scale"][0]),
            Cell("–") if p["threshold"] is None else Cell(_span(p["threshold"], ",d"), p["threshold"][0]),
            Cell(str(p["state_bits"]), p["state_bits"]),
            Cell(percent(p["rate"]), p["rate"]),
            Cell(count(p["spikes"]), p["spikes"]),
        ]
        if costed:
            cells.append(_events(p))
        for h in hardware:
            energy = p.get("energy", {}).get(h["name"])
            cells.append(Cell("–") if energy is None else Cell(quantity(energy, "J"), energy))
        rows.append(tuple(cells))
    return Table("populations", "Populations in order of depth", tuple(columns), tuple(rows))


def _events(population: Row) -> Cell:
    events, macs = population.get("synaptic_events"), population.get("input_macs", 0.0)
    text = [count(events)] if events or not macs else []
    return Cell(" + ".join([*text, *([f"{count(macs)} MAC"] if macs else [])]), (events or 0.0) + macs)


def losses(report: Report) -> Table | None:
    """What quantization changed in each population."""
    rows = [p for p in report.populations if p["rate"] is not None]
    errors = {} if isinstance(report.potentials, Missing) else {row["name"]: row for row in report.potentials.rows}
    if not any("rate_float" in p for p in rows) and not errors:
        return None
    columns = (
        Column("Population", False),
        Column("Rate, float"),
        Column("Rate, integers"),
        Column("Spikes that differ", about="share of neuron-steps"),
        Column("Potential error", about="root mean square, in thresholds"),
        Column("Weights' SNR", about="signal to rounding noise, dB"),
    )
    body = tuple(
        (
            Cell(p["name"], p["name"], p["color"]),
            Cell(percent(p.get("rate_float")), p.get("rate_float")),
            Cell(percent(p["rate"]), p["rate"]),
            Cell(percent(p.get("differ"), 3), p.get("differ")),
            Cell("–")
            if p["name"] not in errors
            else Cell(f"{errors[p['name']]['error']:.3f}", errors[p["name"]]["error"]),
            Cell("–") if p["snr"] is None else Cell(f"{p['snr']:.1f} dB", p["snr"]),
        )
        for p in rows
    )
    return Table("losses", "What rounding changed, per population", columns, body)


def spikes(report: Report) -> Table | None:
    """Spikes per step of the sample that the raster shows."""
    if isinstance(report.raster, Missing):
        return None
    steps = min(report.raster.timesteps, 32)
    columns = (Column("Population", False), Column("Shown", False), *(Column(f"Step {t}") for t in range(steps)))
    body = tuple(
        (Cell(b.name, b.name), Cell(b.shown), *(Cell(count(n), n) for n in b.per_step[:steps]))
        for b in report.raster.bands
    )
    return Table("spikes", f"Spikes of sample {report.raster.sample} per timestep", columns, body)


def agreement(verdict: Verdict) -> Table:
    """Every population as it was compared."""
    columns = (Column("Population", False), Column("Compared"), Column("Different"), Column("Agreement"))
    body = tuple(
        (
            Cell(layer["name"], layer["name"]),
            Cell(count(layer["compared"]), layer["compared"]),
            Cell(count(layer["mismatches"]), layer["mismatches"]),
            Cell(percent(layer["agreement"], 3), layer["agreement"]),
        )
        for layer in verdict.layers
    )
    return Table("agreement", f"Agreement of {' and '.join(verdict.targets)}", columns, body)


def first_mismatch(verdict: Verdict) -> Table:
    """Both sides of the first difference."""
    assert verdict.first is not None
    columns = tuple(
        Column(heading, heading != "Target")
        for heading in ("Target", "Value", "Due", "Input a", "Potential v", "Threshold", "a seen", "v seen")
    )
    keys = ("value", "due", "a", "v", "threshold", "a_seen", "v_seen")
    body = tuple(
        (Cell(str(side["target"])), *(Cell("–" if side[key] is None else f"{side[key]:,}") for key in keys))
        for side in verdict.first["sides"]
    )
    return Table("first-mismatch", "The first mismatch: what each side gave, and what was due", columns, body)


def hardware(costs: Costs) -> Table:
    """One line per model of hardware."""
    columns = (
        Column("Hardware", False),
        Column("Energy", about="per inference"),
        Column("Energy, low to high", False, "where sources disagree"),
        Column("Idle", about="static power times latency, where it is published and not in the energy"),
        Column("Latency", about="of one sample alone"),
        Column("Latency, low to high", False, "where sources disagree"),
        Column("Streamed", about="time between samples that follow each other"),
        Column("Energy × delay"),
        Column("Cores"),
        Column("Figures", False),
    )
    return Table(
        "hardware", "Energy and latency of one inference", columns, tuple(_hardware(h) for h in costs.hardware)
    )


def _hardware(h: Row) -> tuple[Cell, ...]:
    def cell(key: str, unit: str) -> Cell:
        return Cell(quantity(h[key], unit, h["absent"]), h[key])

    def span(low: str, high: str, unit: str) -> Cell:
        if h[low] is None or h[low] == h[high]:
            return Cell("–")
        return Cell(between(h[low], h[high], unit), h[low])

    return (
        Cell(h["title"], h["title"]),
        cell("energy", "J"),
        span("low", "high", "J"),
        Cell("included", 0.0) if h["includes_static"] else cell("static", "J"),
        cell("latency", "s"),
        span("latency_low", "latency_high", "s"),
        cell("streamed", "s"),
        cell("energy_delay", "J s"),
        Cell("–" if h["cores"] is None else count(h["cores"]), h["cores"]),
        Cell(", ".join(h["kinds"]) or "–"),
    )


def terms(costs: Costs) -> Table:
    """Every count times its figure, with the figure's source."""
    titles = {h["name"]: h["title"] for h in costs.hardware}
    columns = (
        Column("Hardware", False),
        Column("Of", False, "energy, idle power (beside the energy) or latency"),
        Column("Term", False),
        Column("Count"),
        Column("Each"),
        Column("Product"),
        Column("Kind", False),
        Column("Check", False, "; ".join(f"{letter}: {meaning}" for letter, meaning in CHECKS.items())),
        Column("Source", False),
    )
    body = tuple(
        (
            Cell(titles[t["hardware"]], titles[t["hardware"]]),
            Cell(t["part"], t["part"]),
            Cell(t["name"], t["name"]),
            Cell(quantity(t["count"], "s") if t["unit"] == "W" else count(t["count"]), t["count"]),
            Cell(quantity(t["each"], t["unit"]), t["each"]),
            Cell(quantity(t["product"], "s" if t["unit"] == "s" else "J"), t["product"]),
            Cell(t["kind"], t["kind"]),
            Cell(t["check"], t["check"]),
            Cell(t["source"] + (f" ({t['conditions']})" if t["conditions"] else "")),
        )
        for t in costs.terms
    )
    checks = "; ".join(f"{letter}: {CHECKS[letter]}" for letter in sorted({t["check"] for t in costs.terms}))
    return Table("terms", f"Counts times published figures, per inference. Check {checks}", columns, body)


def files(sources: Sequence[Source]) -> Table:
    """What the page was made from."""
    columns = (Column("What", False), Column("File", False), Column("Size"), Column("SHA-256", False))
    body = tuple(
        (Cell(s.role), Cell(s.name, s.name), Cell(size(s.bytes), s.bytes), Cell(s.digest, code=True)) for s in sources
    )
    return Table("files", "Files that this page was made from", columns, body)


def cores(report: Report) -> tuple[Table, ...]:
    """Cores per population on each chip."""
    found = []
    for chip in report.chips:
        if isinstance(chip, Missing):
            continue
        by: dict[str, list[tuple[int, float | None]]] = {}
        for core in chip.cores:
            for part in core["populations"]:
                by.setdefault(part["name"], []).append((part["neurons"], core["fill"]))
        body = tuple(
            (
                Cell(name, name),
                Cell(count(len(mine)), len(mine)),
                Cell(count(max(neurons for neurons, _ in mine)), max(neurons for neurons, _ in mine)),
                _fill([fill for _, fill in mine if fill is not None]),
            )
            for name, mine in by.items()
        )
        columns = (Column("Population", False), Column("Cores"), Column("Most neurons on one"), Column("Mean fill"))
        found.append(Table(f"cores-{chip.name}", f"Cores of {chip.title} by population", columns, body))
    return tuple(found)


def _fill(values: list[float]) -> Cell:
    mean = sum(values) / len(values) if values else None
    return Cell(percent(mean, 0), mean)


def _energy_columns(costs: Costs) -> list[Row]:
    """The models whose energy by population stands in the table: the first of every hardware, not too many."""
    able = {row["hardware"] for row in costs.layers}
    firsts: dict[str, Row] = {}
    for h in costs.hardware:
        if h["name"] in able:
            firsts.setdefault(h["hardware"], h)
    return list(firsts.values())[:MOST_HARDWARE_COLUMNS]


def short_title(h: Row) -> str:
    """Loihi 1 for whatever model of it."""
    return title(h["hardware"])


def _span(ends: Sequence[float], form: str) -> str:
    low, high = ends
    return f"{low:{form}}" if low == high else f"{low:{form}} – {high:{form}}"
