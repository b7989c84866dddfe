"""What the models share: terms of an estimate, their sum, and lists of what has no figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inflor.targets.chips.figures import Figure, figure
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.mapped import Load
from inflor.targets.cost.result import Counts, MappedCounts, Term


@dataclass(frozen=True, eq=False)
class Case:
    """A record and what was counted of it. mapped, load: None where the network was not placed on the chip's cores.

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
    figure_name: str,
    conditions: str = "",
    low: float | None = None,
    high: float | None = None,
) -> Term:
    """Counts per population over all samples, times one figure, for one inference."""
    found = figure(figure_name)
    shares = {population: count / samples for population, count in counted.items() if count}
    total = sum(counted.values()) / samples
    return _term(name, total, found.energy, "J", found, conditions, low, high, shares)


def power_term(name: str, seconds: float, figure_name: str, conditions: str = "") -> Term:
    """Seconds (of one part, or of several added up) times a power."""
    found = figure(figure_name)
    return _term(name, seconds, found.power, "W", found, conditions)


def latency_term(name: str, count: float, figure_name: str, value: float | None = None, conditions: str = "") -> Term:
    """A part of a latency. value: of a range, which end."""
    found = figure(figure_name)
    return _term(name, count, found.latency if value is None else value, "s", found, conditions)


def total(terms: Iterable[Term], end: str = "") -> float | None:
    """Sum of the terms in joules; end: "low" or "high" takes that figure where a term has one. None of nothing."""
    energies = []
    for term in terms:
        each = getattr(term, end, None) if end else None
        each = term.each if each is None else each
        if each is not None:
            energies.append(term.count * each)
    return sum(energies) if energies else None


def unpublished(terms: Iterable[Term]) -> tuple[str, ...]:
    """The counts that no figure is published for."""
    return tuple(f"{t.name} ({t.count:.6g} per inference)" for t in terms if t.each is None and t.count)


def _term(
    name: str,
    count: float,
    each: float | None,
    unit: str,
    found: Figure,
    conditions: str,
    low: float | None = None,
    high: float | None = None,
    shares: Mapping[str, float] | None = None,
) -> Term:
    more = "; ".join(text for text in (conditions, found.formula, found.conditions) if text)
    kind = found.kind or "not published"
    return Term(name, count, each, unit, found.cited, kind, found.check, more, low, high, shares or {})
