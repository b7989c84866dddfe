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
NUMBERS = ("energy", "latency", "power", "latency_min", "latency_max")
NOT_CHIPS = ("schema_version", "compiled", "units", "limits")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One published figure: an entry of `hardware.yaml`, or one that a target of another distribution brings itself.

    Attributes:
        name: of an entry, its place in the file, e.g. "loihi1.per_operation.synaptic_op"; for messages.
        kind: one of `KINDS`; "" only where there is no number.
        source: where it is published; "" where `formula` says how it was derived.
        check: how far the source was checked, one of `CHECKS`.
        energy: joules; None where it is not published.
        latency: seconds; None where it is not published.
        power: watts; None where it is not published.
        latency_min, latency_max: seconds, where a range is published.
        conditions: of the measurement.
        formula: how a derived figure was computed.
        via: where a primary source is quoted (check B).
        values: whatever else the entry holds.

    Raises:
        FigureError: the kind or the check is none of the known ones, a number is none of at least 0, or a number has
            neither a source nor a formula.
    """

    name: str
    kind: str
    source: str = ""
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

    def __post_init__(self) -> None:
        for key in NUMBERS:
            value = getattr(self, key)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
                raise FigureError(f"{self.name}: {key} {value!r} is not a number of at least 0")
        if self.check not in CHECKS:
            raise FigureError(f"{self.name}: check {self.check!r} is not one of {', '.join(CHECKS)}")
        published = any(getattr(self, key) is not None for key in NUMBERS)
        if (self.kind and self.kind not in KINDS) or (published and not self.kind):
            raise FigureError(f"{self.name}: kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if published and not self.source and not self.formula:
            raise FigureError(f"{self.name}: has neither a source nor a formula")

    @property
    def cited(self) -> str:
        """The source, and by whom it is quoted; of a derived figure without a source, the formula."""
        text = self.source or f"derived: {self.formula}"
        return f"{text} (quoted by {self.via})" if self.check == "B" and self.via else text


class FigureError(ValueError):
    """A figure that is not what the header of the data file promises."""


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


def figure(which: str | Figure) -> Figure:
    """One figure that may be used: an entry of the data file by its name, or the figure given.

    Raises:
        FigureError: there is none of this name, or nobody has opened its source (check C).
    """
    found = figures().get(which) if isinstance(which, str) else which
    if found is None:
        raise FigureError(f"{which}: is not in hardware.yaml")
    if found.check == "C":
        raise FigureError(f"{found.name}: its source was not opened (check C); such figures are not used")
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
    known = ("kind", "source", "check", "conditions", "formula", "via", *NUMBERS)
    made: dict[str, Any] = {key: entry.get(key) for key in NUMBERS}
    made |= {key: str(entry.get(key) or "") for key in ("kind", "check", "source", "conditions", "formula", "via")}
    return Figure(name=name, **made, values={key: value for key, value in entry.items() if key not in known})
