"""Energy and latency of an estimate as rows for the page; every figure keeps its source and its kind."""

from __future__ import annotations

from typing import Any

from inflor.page.contents import Costs, Row
from inflor.page.words import NOT_PUBLISHED
from targets.cost.estimate import WITHOUT_CORES
from targets.cost.result import CostReport, Estimate, Term


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
        tuple(_term(estimate, term) for estimate in report.estimates for term in estimate.terms),
        tuple(
            {"hardware": estimate.name, "name": name, "energy": energy}
            for estimate in report.estimates
            for name, energy in sorted(estimate.energy_of_populations().items(), key=lambda item: order.index(item[0]))
        ),
        _notes(report),
    )


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
    placed = estimate.mapped is not None
    kinds = dict.fromkeys(term.kind for term in estimate.terms if term.unit_energy is not None)
    return {
        "name": estimate.name,
        "hardware": estimate.hardware,
        "title": estimate.title,
        "absent": NOT_PUBLISHED if placed or estimate.hardware in WITHOUT_CORES else "not placed",
        "ann": estimate.name.startswith("ann"),
        "energy": estimate.energy_joules,
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
        "kinds": list(kinds),
        "unpublished": list(estimate.unpublished),
    }


def _term(estimate: Estimate, term: Term) -> Row:
    return {
        "hardware": estimate.name,
        "name": term.name,
        "count": term.count,
        "unit": term.unit_energy,
        "energy": term.energy_joules,
        "low": None if term.low is None else term.low * term.count,
        "high": None if term.high is None else term.high * term.count,
        "source": term.source,
        "kind": term.kind,
        "check": term.check,
        "conditions": term.conditions,
    }
