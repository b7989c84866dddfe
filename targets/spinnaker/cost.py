"""SpiNNaker 1 by energy per event and by the power of its board, and SpiNNaker 2 by energy per event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inflor.targets.chips.figures import figure
from inflor.targets.chips.limits import published
from inflor.targets.cost.result import Estimate, Term, total
from inflor.targets.cost.terms import Case, energy_term, power_term
from inflor.targets.cost.timing import Tick, tick

MILLISECOND = 1e-3
FIRST, SECOND = "spinnaker1.per_operation", "spinnaker2.per_operation"
SLEEP = "spinnaker2.static.chip_sleep"


@dataclass(frozen=True)
class Ticks:
    """A run in ticks. single: of one sample alone; streamed: between two samples; faster: a tick at the upper clock."""

    single: int
    streamed: int
    tick: Tick
    faster: Tick
    cycles: int

    @property
    def seconds(self) -> tuple[float, float]:
        """Of one sample alone, and between samples that are streamed."""
        each = self.tick.milliseconds * MILLISECOND
        return self.single * each, self.streamed * each


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
    ticks = _ticks(case)
    static = None
    if ticks is not None and mapped is not None:
        static = power_term(
            "idle chips", ticks.seconds[0] * mapped.chips, "spinnaker1.static.chip_idle", "chip-seconds"
        )
    title = "SpiNNaker 1, energy per event"
    return _estimate("spinnaker1", "spinnaker1", title, terms, case, (main, high), ticks, static, notes)


def board(case: Case) -> Estimate:
    """SpiNNaker 1, power of its boards over the time that the run takes in the machine."""
    ticks, mapped = _ticks(case), case.mapped
    title = "SpiNNaker 1, power of the board"
    if ticks is None or mapped is None:
        return _estimate("spinnaker1_board", "spinnaker1", title, [], case, None, None, None, ())
    single, streamed = ticks.seconds
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
    alone = main * single / streamed
    notes = (
        "Low: samples streamed without a gap. High: one sample alone, with the box around the board "
        f"({figure('spinnaker1.static.box_overhead').power} W).",
    )
    ends = (main, max(main + box, alone + box * single / streamed))
    return _estimate(
        "spinnaker1_board", "spinnaker1", title, terms, case, ends, ticks, None, notes, includes_static=True
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
    ticks = _ticks(case)
    static = None
    if ticks is not None and mapped is not None:
        static = power_term(
            "sleeping chips",
            ticks.seconds[0] * mapped.chips,
            f"{SLEEP}_0v5",
            "chip-seconds at 0.5 V and 150 MHz, as the ticks",
        )
    notes: tuple[str, ...] = (
        f"Low: synaptic events at {best.energy:.3g} J ({best.formula}; at 0.8 V).",
        f"High: at least {all_in.energy:.3g} J per synaptic event, all in ({all_in.formula}; at 0.8 V).",
    )
    clock = (
        "Ticks: instructions counted on SpiNNaker 1, at 150 MHz; with them goes the sleep at 0.5 V. Low latency: at "
        f"300 MHz, which takes 0.8 V ({figure(f'{SLEEP}_0v8').power} W asleep)."
    )
    notes += () if ticks is None else (clock,)
    title = "SpiNNaker 2, energy per event of its test chip"
    return _estimate("spinnaker2", "spinnaker2", title, terms, case, (low, high), ticks, static, notes)


def _ticks(case: Case) -> Ticks | None:
    if case.load is None or case.mapped is None:
        return None
    limits = published("spinnaker1")
    work = limits["instructions"]
    instructions = (work["neuron"], work["event"], work["packet"])
    clock = published(case.mapped.chip)["clock_hz"]["value"]
    cycles = [int(c) // 1000 for c in (clock if isinstance(clock, list) else [clock])]
    period, buffer = case.mapped.steps_per_inference, limits["spike_buffer_packets"]["value"]
    slow, fast = (tick(case.load, period, instructions, c, buffer) for c in (cycles[0], cycles[-1]))
    return Ticks(case.load.events.shape[1], period, slow, fast, cycles[0])


def _latency(ticks: Ticks, chip: str) -> Term:
    """Ticks of one sample alone, with the work and the limits that they are as long for."""
    limits = published("spinnaker1")
    work, buffer, clock = limits["instructions"], limits["spike_buffer_packets"], published(chip)["clock_hz"]
    most, length = ticks.tick, ticks.tick.milliseconds
    conditions = (
        f"a tick is {length} ms, the least whole number in which the busiest core takes its {most.instructions:,} "
        f"instructions ({ticks.cycles:,} cycles in a ms) and the {most.packets:,} packets that it receives at most (a "
        f"buffer of {buffer['value']} a ms); {work['neuron']} instructions {_per(work)}"
    )
    sources = f"instructions: {work['source']}; spike buffer: {buffer['source']}; clock: {clock['source']}"
    return Term(
        name="ticks",
        count=ticks.single,
        each=length * MILLISECOND,
        unit="s",
        source=sources,
        kind="derived",
        check="A",
        conditions=conditions,
    )


def _per(work: Mapping[str, Any]) -> str:
    return (
        f"per neuron and tick, {work['event']} per synaptic event, {work['packet']} per packet, as counted in the "
        "official binary IF_curr_exp"
    )


def _estimate(
    name: str,
    hardware: str,
    title: str,
    terms: list[Term],
    case: Case,
    ends: tuple[float, float] | None,
    ticks: Ticks | None,
    static: Term | None,
    notes: tuple[str, ...],
    includes_static: bool = False,
) -> Estimate:
    single, streamed = (None, None) if ticks is None else ticks.seconds
    return Estimate(
        name=name,
        hardware=hardware,
        title=title,
        terms=tuple(terms),
        energy_low_joules=None if ends is None else ends[0],
        energy_high_joules=None if ends is None else ends[1],
        includes_static=includes_static,
        static_term=static,
        latency_seconds=single,
        latency_low_seconds=None if ticks is None else ticks.single * ticks.faster.milliseconds * MILLISECOND,
        latency_high_seconds=single,
        streamed_seconds=streamed,
        latency_terms=() if ticks is None else (_latency(ticks, hardware),),
        notes=(*notes, *case.notes()),
        mapped=case.mapped,
    )
