"""Writes a report as one HTML file: no network, no outside resource, every text in it escaped."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import jinja2

from inflor.page import captions, tables
from inflor.page import raster as rasters
from inflor.page.contents import Chip, Costs, Missing, Potentials, Report, Row, Verdict
from inflor.page.raster import Raster
from inflor.page.words import count, listed, percent, quantity, size

LIBRARIES = ("d3.min.js", "plot.umd.min.js")
"""Observable Plot and what it stands on, as published by their makers; their licences go with them into every page."""
LICENCES = ("d3.LICENSE", "plot.LICENSE")

_RATES = (("area", "bar: integers"), ("tick", "line: float"))
_POTENTIALS = (("area", "filled: float"), ("line", "outline: integers"))
_RECTIFIED = (
    ("area", "filled: float, before the rectifier"),
    ("line", "outline: behind the rectifier, or in integers"),
)


def page(report: Report) -> str:
    """The report as HTML."""
    known = {
        "raster": isinstance(report.raster, Raster),
        "potentials": isinstance(report.potentials, Potentials),
        "costs": isinstance(report.costs, Costs),
        "verdict": isinstance(report.verdict, Verdict),
        "differ": any(p.get("differ") is not None for p in report.populations),
        "snr": any(p["snr"] is not None for p in report.populations),
    }
    return render(
        "report.html",
        _charts(report),
        report=report,
        known=known,
        headline=captions.headline(report),
        tiles=_tiles(report),
        chips=[c for c in report.chips if isinstance(c, Chip)],
        missing_chips=[c for c in report.chips if isinstance(c, Missing)],
        describe_raster=rasters.describe(report.raster) if isinstance(report.raster, Raster) else "",
        thinned=_thinned(report.raster),
        facts=[(name.replace("_", " "), value) for name, value in report.run["facts"].items()],
        rate_legend=_RATES if any(p.get("rate_float") is not None for p in report.populations) else (),
        potential_legend=_RECTIFIED if _rectified(report.potentials) else _POTENTIALS,
    )


def _rectified(found: Potentials | Missing) -> bool:
    return isinstance(found, Potentials) and any(row["rectified"] for row in found.rows)


def render(template: str, data: Mapping[str, Any], **values: Any) -> str:
    """A template of this folder with its styles, its scripts (and nothing else that may run), and `data` for them."""
    styles = _text("page.css")
    scripts = [_library(name) for name in LIBRARIES] + [_text("page.js")]
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(captions=captions, tables=tables)
    environment.filters.update(count=count, percent=percent, quantity=quantity, size=size)
    return environment.get_template(template).render(
        styles=styles,
        scripts=scripts,
        policy=_policy(scripts),
        licences="\n\n".join(_library(name) for name in LICENCES),
        data=_script_json(data),
        **values,
    )


def _policy(scripts: list[str]) -> str:
    """A content security policy that lets exactly these scripts run, and nothing be fetched."""
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"


def _script_json(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _text(name: str) -> str:
    return importlib.resources.files("inflor.page").joinpath("templates").joinpath(name).read_text("utf-8")


@cache
def _library(name: str) -> str:
    return importlib.resources.files("inflor.page").joinpath("vendor").joinpath(name).read_text("utf-8")


def _charts(report: Report) -> dict[str, Any]:
    """What the page's script draws."""
    drawn: dict[str, Any] = {
        "populations": [
            {key: p.get(key) for key in ("name", "color", "kind", "rate", "rate_float", "differ", "snr", "depth")}
            for p in report.populations
        ],
        "timeline": {
            "period": report.timeline.period,
            "latency": report.timeline.latency,
            "blocks": list(report.timeline.blocks),
        },
        "chips": [
            {k: getattr(c, k) for k in ("name", "title", "unit", "seats", "cores", "sites")}
            for c in report.chips
            if isinstance(c, Chip)
        ],
    }
    if isinstance(report.raster, Raster):
        drawn["raster"] = rasters.plain(report.raster)
    if isinstance(report.potentials, Potentials):
        drawn["potentials"] = {"edges": report.potentials.edges, "rows": captions.shown(report.potentials)}
    if isinstance(report.costs, Costs):
        drawn["costs"] = {
            "hardware": list(report.costs.hardware),
            "terms": [
                {**{k: t[k] for k in ("hardware", "name", "count", "each", "unit", "kind")}, "energy": t["product"]}
                for t in report.costs.terms
                if t["part"] == "energy"
            ],
            "layers": [*report.costs.layers, *_of_none(report.costs)],
        }
    return drawn


def _of_none(costs: Costs) -> Iterator[Row]:
    """What is left of each model's energy beside its populations, so that bars show all of it."""
    for h in costs.hardware:
        rest = (h["energy"] or 0.0) - h["of_populations"]
        if h["energy"] and rest > 1e-9 * h["energy"]:
            yield {"hardware": h["name"], "name": "no population", "energy": rest}


def _thinned(drawn: Raster | Missing) -> str:
    """Which populations the raster does not draw whole."""
    if isinstance(drawn, Missing):
        return ""
    parts = [b for b in drawn.bands if b.maps is not None]
    kinds = dict.fromkeys(b.shown for b in parts)
    found = []
    for kind in kinds:
        names = [b.name for b in parts if b.shown == kind]
        shown = names if len(names) < 4 else [*names[:2], f"{len(names) - 2} more"]
        found.append(f"of {listed(shown)} {kind}")
    return "; ".join(found)


def _tiles(report: Report) -> list[dict[str, str]]:
    """The figures at the head of the page."""
    found = report.accuracy
    tiles = []
    if found.integer is not None:
        before = "float accuracy unknown" if found.float_ is None else f"float {percent(found.float_)}"
        tiles.append({"label": "Accuracy", "value": percent(found.integer), "note": before})
    if isinstance(report.verdict, Verdict):
        word = "equal" if report.verdict.equal else f"{count(report.verdict.mismatches)} differ"
        note = " = ".join(report.verdict.targets) if report.verdict.equal else " ≠ ".join(report.verdict.targets)
        tiles.append({"label": "Spikes across targets", "value": word, "note": note})
    total = sum(p["spikes"] for p in report.populations if p["spikes"] is not None)
    tiles.append({"label": "Spikes", "value": count(round(total)), "note": "per inference"})
    if isinstance(report.costs, Costs):
        counts = report.costs.counts
        events = {"label": "Synaptic events", "value": count(round(counts["synaptic_events"])), "note": "per inference"}
        tiles.append(events)
        chip = _chosen(report.costs, [c.name for c in report.chips if isinstance(c, Chip)])
        if chip is not None:
            tiles.append({"label": "Energy", "value": quantity(chip["energy"], "J"), "note": chip["title"]})
            if chip["cores"] is not None:
                tiles.append({"label": "Cores", "value": count(chip["cores"]), "note": tables.short_title(chip)})
    return tiles


def _chosen(costs: Costs, drawn: Sequence[str]) -> Row | None:
    """The chip whose energy and cores stand at the head: one that holds the network, whose cores are drawn if any."""
    able = [h for h in costs.hardware if h["energy"] and not h["reference"]]
    order = [(h["cores"] is None, bool(h["breaks"]), h["hardware"] not in drawn, i) for i, h in enumerate(able)]
    return able[min(order)[-1]] if able else None
