"""Published figures of chips in `hardware.yaml`: each with its source, its kind and how far it was checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from inflor.targets.chips.limits import data

KINDS = ("measured", "simulated", "fitted", "claimed", "reported", "derived", "convention")
CHECKS = {
    "A": "the primary source was read",
    "B": "quoted by a source that was read; the primary was not",
    "C": "not opened",
}
QUANTITIES = ("energy", "latency", "power")
NOT_CHIPS = ("schema_version", "compiled", "units", "limits")


@dataclass(frozen=True)
class Figure:
    """One published figure.

    name: its place in the file, e.g. "loihi1.per_operation.synaptic_op". energy (J), latency (s), power (W): None where
    it is not published. latency_min, latency_max (s): where a range is. formula: how a derived figure was computed.
    via: where a primary source is quoted (check B). values: whatever else the entry holds.
    """

    name: str
    kind: str
    source: str
    check: str
    energy: float | None = None
    latency: float | None = None
    power: float | None = None
    latency_min: float | None = None
    latency_max: float | None = None
    conditions: str = ""
    formula: str = ""
    via: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cited(self) -> str:
        """The source, and by whom it is quoted; of a derived figure without a source, the formula."""
        text = self.source or f"derived: {self.formula}"
        return f"{text} (quoted by {self.via})" if self.check == "B" and self.via else text


class FigureError(ValueError):
    """An entry of the data file that is not what the file's header promises."""


@cache
def figures() -> Mapping[str, Figure]:
    """Every figure of every chip by name.

    Raises:
        FigureError: an entry without a kind, a check or a source, or with a number that is none.
    """
    found: dict[str, Figure] = {}
    for chip, sections in data().items():
        if chip in NOT_CHIPS:
            continue
        for name, entry, inherited in _entries(chip, sections, {}):
            found[name] = _figure(name, {**inherited, **entry})
    return found


def figure(name: str) -> Figure:
    """One figure that may be used.

    Raises:
        FigureError: there is none of this name, or nobody has opened its source (check C).
    """
    found = figures().get(name)
    if found is None:
        raise FigureError(f"{name}: is not in hardware.yaml")
    if found.check == "C":
        raise FigureError(f"{name}: its source was not opened (check C); such figures are not used")
    return found


def _entries(
    path: str, section: Mapping[str, Any], inherited: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Entries below a section, each with the source, kind, check and via that the sections around it give."""
    given = {key: section[key] for key in ("source", "kind", "check", "via") if isinstance(section.get(key), str)}
    passed = {**inherited, **given}
    for key, value in section.items():
        if not isinstance(value, dict):
            continue
        if any(not isinstance(inner, dict) for inner in value.values()) and {"check", "kind"} & {*passed, *value}:
            yield f"{path}.{key}", value, passed
        if any(isinstance(inner, dict) and ("kind" in inner or "check" in inner) for inner in value.values()):
            yield from _entries(f"{path}.{key}", value, passed)


def _figure(name: str, entry: Mapping[str, Any]) -> Figure:
    known = ("kind", "source", "check", "conditions", "formula", "via", "latency_min", "latency_max", *QUANTITIES)
    numbers = {key: entry.get(key) for key in (*QUANTITIES, "latency_min", "latency_max")}
    for key, value in numbers.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
            raise FigureError(f"{name}: {key} {value!r} is not a number of at least 0")
    kind, check = entry.get("kind") or "", entry.get("check")
    if check not in CHECKS:
        raise FigureError(f"{name}: check {check!r} is not one of {', '.join(CHECKS)}")
    published = any(value is not None for value in numbers.values())
    if (kind and kind not in KINDS) or (published and not kind):
        raise FigureError(f"{name}: kind {kind!r} is not one of {', '.join(KINDS)}")
    source, formula = str(entry.get("source", "")), str(entry.get("formula", ""))
    if published and not source and not formula:
        raise FigureError(f"{name}: has neither a source nor a formula")
    return Figure(
        name,
        kind,
        source,
        check,
        **{key: None if value is None else float(value) for key, value in numbers.items()},
        conditions=str(entry.get("conditions", "")),
        formula=formula,
        via=str(entry.get("via", "")),
        values={key: value for key, value in entry.items() if key not in known},
    )
