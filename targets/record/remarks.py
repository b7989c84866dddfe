"""What a reader of a run must know that its numbers do not show: who never fires, who always does, what saturated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from inflor.targets.record.file import Record

SHOWN = 4
"""Most names in a line."""
CAUSES = "look at the scale of the input, at dt and at the thresholds"


def on_activity(rates: Mapping[str, float], answer: str | None = None) -> list[str]:
    """One line each for the populations that never fire and those that always do.

    Args:
        rates: spikes per neuron and step of every population that fires.
        answer: the population that the prediction is read from.
    """
    silent = [name for name, rate in rates.items() if rate == 0]
    always = [name for name, rate in rates.items() if rate == 1]
    remarks = []
    if silent:
        first = ", so that every prediction is the first class" if answer in silent else ""
        remarks.append(f"{_named(silent)} never fires{first}; {CAUSES}")
    if always:
        remarks.append(f"{_named(always)} fires at every step; {CAUSES}")
    return remarks


def on_saturation(records: Mapping[str, Record]) -> list[str]:
    """One line for each population whose state left the arithmetic of a target."""
    counts: dict[tuple[str, int], list[str]] = {}
    for target, record in records.items():
        for name, count in record.overflows.items():
            if count:
                counts.setdefault((name, count), []).append(target)
    return [f"{count} potentials of {name!r} left their width on {_and(who)}" for (name, count), who in counts.items()]


def _named(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    kind = "population" if len(names) == 1 else "each of the populations"
    return f"{kind} {', '.join(map(repr, names[:SHOWN]))}{more}"


def _and(names: Iterable[str]) -> str:
    return " and ".join(names)
