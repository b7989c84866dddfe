"""Energy and latency of an estimate as rows for the page; every figure keeps its source and its kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inflor.page.contents import Costs, Row
from inflor.page.words import quantity
from inflor.targets.cost.result import CostReport, Estimate, Term


def costs(report: CostReport) -> Costs:
    """An estimate as rows; energies in joules and times in seconds, for one inference."""
    counts, samples = report.counts, max(report.counts.samples, 1)
    order = [p.name for p in counts.populations]
    return Costs(
        {
            "samples": counts.samples,
            "spikes": counts.spikes / samples,
            "synaptic_events": counts.synaptic_events / samples,
            "neuron_updates": counts.neuron_updates / samples,
            "active_updates": counts.total("active_updates") / samples,
            "memory_bytes": sum(p.memory.shared_bytes for p in counts.populations),
            "metrics": report.metrics.as_dict(),
        },
        tuple(_hardware(estimate) for estimate in report.estimates),
        tuple(_term(estimate, term, part) for estimate in report.estimates for part, term in _parts(estimate)),
        tuple(
            {"hardware": estimate.name, "name": name, "energy": energy}
            for estimate in report.estimates
            for name, energy in sorted(estimate.energy_of_populations().items(), key=lambda item: order.index(item[0]))
        ),
        _notes(report),
    )


def sources(found: Costs) -> tuple[str, ...]:
    """Every figure that energies and latencies are made of, once, with kind, check and source."""
    titles = {h["name"]: h["title"] for h in found.hardware}
    made: dict[str, list[str]] = {}
    for t in found.terms:
        if t["each"] is not None:
            figure = f"{quantity(t['each'], t['unit'])}, {t['kind']}, check {t['check']}: {t['source']}"
            made.setdefault(f"{t['part']}, {t['name']}: {figure}", []).append(titles[t["hardware"]])
    return tuple(f"{'; '.join(about)}: {text}" for text, about in made.items())


def _notes(report: CostReport) -> tuple[str, ...]:
    """Every note once, with the models that it is about."""
    about: dict[str, list[str]] = {note: [] for note in report.notes}
    for estimate in report.estimates:
        for note in (*estimate.notes, *(f"not published: {what}" for what in estimate.unpublished)):
            about.setdefault(note, []).append(estimate.title)
    return tuple(f"{'; '.join(titles)}: {note}" if titles else note for note, titles in about.items())


def per_population(report: CostReport) -> dict[str, dict[str, Any]]:
    """Synaptic events per inference, and joules by model of hardware, of every population."""
    samples = max(report.counts.samples, 1)
    energies = {e.name: e.energy_of_populations() for e in report.estimates}
    return {
        p.name: {
            "synaptic_events": p.synaptic_events / samples,
            "input_macs": p.input_macs / samples,
            "synapses": p.synapses,
            "memory_bytes": p.memory.shared_bytes,
            "energy": {name: found[p.name] for name, found in energies.items() if p.name in found},
        }
        for p in report.counts.populations
    }


def _hardware(estimate: Estimate) -> Row:
    broken = () if estimate.mapped is None else (n for n in estimate.mapped.notes if "breaks a limit" in n)
    kinds = dict.fromkeys(term.kind for term in estimate.terms if term.each is not None)
    return {
        "name": estimate.name,
        "hardware": estimate.hardware,
        "title": estimate.title,
        "absent": estimate.absent,
        "reference": estimate.reference,
        "ann": estimate.reference and estimate.name.startswith("ann"),
        "energy": estimate.energy_joules,
        "of_populations": sum(estimate.energy_of_populations().values()),
        "low": estimate.energy_low_joules,
        "high": estimate.energy_high_joules,
        "static": estimate.static_joules,
        "includes_static": estimate.includes_static,
        "latency": estimate.latency_seconds,
        "latency_low": estimate.latency_low_seconds,
        "latency_high": estimate.latency_high_seconds,
        "streamed": estimate.streamed_seconds,
        "energy_delay": estimate.energy_delay_joule_seconds,
        "cores": estimate.cores,
        "chips": estimate.chips,
        "breaks": list(broken),
        "kinds": list(kinds),
        "unpublished": list(estimate.unpublished),
    }


def _parts(estimate: Estimate) -> Iterator[tuple[str, Term]]:
    """Every term of an estimate, with what it is a part of."""
    yield from (("energy", term) for term in estimate.terms)
    if estimate.static_term is not None:
        yield "idle", estimate.static_term
    yield from (("latency", term) for term in estimate.latency_terms)


def _term(estimate: Estimate, term: Term, part: str) -> Row:
    return {
        "hardware": estimate.name,
        "part": part,
        "name": term.name,
        "count": term.count,
        "each": term.each,
        "unit": term.unit,
        "product": term.product,
        "source": term.source,
        "kind": term.kind,
        "check": term.check,
        "conditions": term.conditions,
    }
