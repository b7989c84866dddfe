"""What the models share: a run and what was counted of it, and the terms of an estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inflor.targets.chips.figures import Figure, figure
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.mapped import Load
from inflor.targets.cost.result import Counts, MappedCounts, Term


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """A record and what was counted of it.

    Attributes:
        mapped, load: what was counted on the chip's cores; None where the network was not placed on them.
        reason: why it was not.
    """

    activity: Activity
    counts: Counts
    mapped: MappedCounts | None = None
    load: Load | None = None
    reason: str = ""

    @property
    def samples(self) -> int:
        return self.counts.samples

    def by_population(self, name: str) -> dict[str, int]:
        """A count per population, of the chip where there is one, else of the network."""
        if self.mapped is not None:
            return dict(getattr(self.mapped, name))
        names = {"input_events": "input_macs"}
        return {p.name: getattr(p, names.get(name, name)) for p in self.counts.populations}

    def notes(self) -> tuple[str, ...]:
        if self.mapped is not None:
            return self.mapped.notes
        return (f"{self.reason}: packets and hops are left out, and there is no latency",)


def energy_term(
    name: str,
    counted: Mapping[str, int],
    samples: int,
    each: str | Figure,
    conditions: str = "",
    low: float | None = None,
) -> Term:
    """Counts per population over all samples, times one figure, for one inference.

    Args:
        each: the figure, or its name in `hardware.yaml`.
        low: joules by another source.
    """
    found = figure(each)
    shares = {population: count / samples for population, count in counted.items() if count}
    total = sum(counted.values()) / samples
    return _term(name, total, found.energy, "J", found, conditions, low=low, by_population=shares)


def power_term(name: str, seconds: float, each: str | Figure, conditions: str = "") -> Term:
    """Seconds (of one part, or of several added up) times a power."""
    found = figure(each)
    return _term(name, seconds, found.power, "W", found, conditions)


def latency_term(name: str, count: float, each: str | Figure, value: float | None = None, conditions: str = "") -> Term:
    """A part of a latency. value: of a range, which end."""
    found = figure(each)
    return _term(name, count, found.latency if value is None else value, "s", found, conditions)


def _term(name: str, count: float, each: float | None, unit: str, found: Figure, conditions: str, **more: Any) -> Term:
    return Term(
        name=name,
        count=count,
        each=each,
        unit=unit,
        source=found.cited,
        kind=found.kind or "not published",
        check=found.check,
        conditions="; ".join(text for text in (conditions, found.formula, found.conditions) if text),
        **more,
    )
