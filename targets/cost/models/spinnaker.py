"""SpiNNaker 1 by energy per event and by the power of its board, and SpiNNaker 2 by energy per event."""

from __future__ import annotations

import math

from targets.cost.figures import figure
from targets.cost.limits import published
from targets.cost.models.terms import Case, energy_term, power_term, total, unpublished
from targets.cost.result import Estimate, Term
from targets.cost.timing import milliseconds_per_tick

CHIPS_PER_BOARD = 48
TICK = 1e-3
FIRST, SECOND = "spinnaker1.per_operation", "spinnaker2.per_operation"
ONE_MILLISECOND = "ticks of 1 ms, or as many whole milliseconds as the busiest core needs"


def events(case: Case) -> Estimate:
    """SpiNNaker 1, energy per event."""
    samples, mapped = case.samples, case.mapped
    terms = [
        energy_term("synaptic events", case.by_population("synaptic_events"), samples, f"{FIRST}.synaptic_op"),
        energy_term("neuron updates", case.by_population("neuron_updates"), samples, f"{FIRST}.neuron_update"),
    ]
    if mapped is not None:
        terms.append(energy_term("router traversals", mapped.routers, samples, f"{FIRST}.packet_40bit"))
    main = total(terms) or 0.0
    all_in = figure(f"{FIRST}.synaptic_op_all_in_upper")
    high = max(main, (all_in.energy or 0.0) * terms[0].count)
    notes = (
        f"High: at least {all_in.energy:.3g} J per synaptic event, the whole machine at full load: {all_in.source}.",
    )
    seconds = _seconds(case)
    static = None
    if seconds is not None and mapped is not None:
        static = power_term("idle chips", seconds[0] * mapped.chips, "spinnaker1.static.chip_idle", "chip-seconds")
    title = "SpiNNaker 1, energy per event"
    return _estimate("spinnaker1", "spinnaker1", title, terms, case, (main, high), seconds, static, notes)


def board(case: Case) -> Estimate:
    """SpiNNaker 1, power of its boards over the time that the run takes in the machine."""
    seconds, mapped = _seconds(case), case.mapped
    title = "SpiNNaker 1, power of the board"
    if seconds is None or mapped is None:
        return _estimate("spinnaker1_board", "spinnaker1", title, [], case, None, None, None, (), includes_static=True)
    streamed = seconds[1]
    boards = max(1, mapped.boards)
    terms = [
        power_term("boards, idle", streamed * boards, "spinnaker1.static.board48_idle", "board-seconds, streamed"),
        power_term(
            "active cores", streamed * mapped.cores, "spinnaker1.static.core_active_overhead", "core-seconds, streamed"
        ),
        energy_term("router traversals", mapped.routers, case.samples, f"{FIRST}.packet_40bit"),
    ]
    main = total(terms) or 0.0
    box = (figure("spinnaker1.static.box_overhead").power or 0.0) * streamed * boards
    alone = main * seconds[0] / streamed
    notes = (
        "Low: samples streamed without a gap. High: one sample alone, with the box around the board "
        f"({figure('spinnaker1.static.box_overhead').power} W).",
    )
    ends = (main, max(main + box, alone + box * seconds[0] / streamed))
    return _estimate(
        "spinnaker1_board", "spinnaker1", title, terms, case, ends, seconds, None, notes, includes_static=True
    )


def second(case: Case) -> Estimate:
    """SpiNNaker 2, energy per event."""
    samples, mapped = case.samples, case.mapped
    best, all_in = figure(f"{SECOND}.synaptic_op_product"), figure(f"{SECOND}.synaptic_op_all_in")
    terms = [
        energy_term(
            "synaptic events", case.by_population("synaptic_events"), samples, f"{SECOND}.synaptic_op", low=best.energy
        ),
        energy_term("neuron updates", case.by_population("neuron_updates"), samples, f"{SECOND}.neuron_update"),
    ]
    if mapped is not None:
        terms.append(energy_term("router traversals", mapped.routers, samples, f"{SECOND}.hop_noc"))
    main, low = total(terms) or 0.0, total(terms, "low") or 0.0
    high = max(main, (all_in.energy or 0.0) * terms[0].count)
    seconds = _seconds(case)
    static = None
    if seconds is not None and mapped is not None:
        static = power_term(
            "sleeping chips", seconds[0] * mapped.chips, "spinnaker2.static.chip_sleep_0v8", "chip-seconds"
        )
    notes = (
        f"Low: synaptic events at {best.energy:.3g} J ({best.formula}).",
        f"High: at least {all_in.energy:.3g} J per synaptic event, all in ({all_in.formula}).",
        "Ticks: instructions counted on SpiNNaker 1, at the lower clock of SpiNNaker 2.",
    )
    title = "SpiNNaker 2, energy per event of its test chip"
    return _estimate("spinnaker2", "spinnaker2", title, terms, case, (low, high), seconds, static, notes)


def _seconds(case: Case) -> tuple[float, float, float] | None:
    """Of one sample alone, between streamed samples, and of a tick."""
    if case.load is None or case.mapped is None:
        return None
    limits = published("spinnaker1")
    work = limits["instructions"]
    instructions = (work["neuron"], work["event"], work["packet"])
    clock = published(case.mapped.chip)["clock_hz"]["value"]
    cycles = (clock[0] if isinstance(clock, list) else clock) // 1000
    period = case.mapped.steps_per_inference
    ticks = milliseconds_per_tick(case.load, period, instructions, cycles, limits["spike_buffer_packets"]["value"])
    steps = case.load.events.shape[1]
    return steps * ticks * TICK, period * ticks * TICK, ticks * TICK


def _estimate(
    name: str,
    hardware: str,
    title: str,
    terms: list[Term],
    case: Case,
    ends: tuple[float, float] | None,
    seconds: tuple[float, float, float] | None,
    static: Term | None,
    notes: tuple[str, ...],
    includes_static: bool = False,
) -> Estimate:
    latency: tuple[Term, ...] = ()
    if seconds is not None:
        found = figure(f"{FIRST}.barrier_sync")
        latency = (
            Term(
                "ticks",
                round(seconds[0] / seconds[2]),
                seconds[2],
                found.source,
                found.kind,
                found.check,
                f"{found.conditions}; {ONE_MILLISECOND}",
            ),
        )
    return Estimate(
        name=name,
        hardware=hardware,
        title=title,
        energy_joules=total(terms),
        energy_low_joules=None if ends is None else ends[0],
        energy_high_joules=None if ends is None else ends[1],
        includes_static=includes_static,
        static_joules=None if static is None else static.energy_joules,
        latency_seconds=None if seconds is None else seconds[0],
        latency_low_seconds=None if seconds is None else seconds[0],
        latency_high_seconds=None if seconds is None else seconds[0],
        streamed_seconds=None if seconds is None else seconds[1],
        cores=_cores(case),
        chips=None if case.mapped is None else case.mapped.chips,
        terms=tuple(terms),
        latency_terms=latency,
        static_term=static,
        notes=(*notes, *case.notes()),
        unpublished=unpublished(terms),
        mapped=case.mapped,
    )


def _cores(case: Case) -> int | None:
    if case.mapped is not None:
        return case.mapped.cores
    most = published("spinnaker1")["neurons_per_core"]["value"]
    return sum(math.ceil(p.neurons / most) for p in case.counts.populations)
