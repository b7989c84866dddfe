"""Loihi 1 by Intel's pre-silicon figures and by SANA-FE's fitted ones, and Loihi 2 by those of Loihi 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from inflor.targets.chips.figures import figure
from inflor.targets.cost.result import Estimate, Term, total
from inflor.targets.cost.terms import Case, energy_term, latency_term, power_term
from inflor.targets.cost.timing import Steps, stepped

PROXY = "figure of Loihi 1 as a proxy: no energy per operation of Loihi 2 is public"
INTEL, FITTED = "loihi1.per_operation", "loihi1.sanafe_fitted"
PILOTNET = "loihi2.measured_workload_pilotnet_lif"
EVENTS, UPDATES = "synaptic events, busiest core", "neuron updates, busiest core"
BUSIEST = "of each step, summed over the steps"
KINDS = {"convolution": "synapse_conv", "dense": "synapse_dense", "sparse": "synapse_sparse"}


def davies(case: Case) -> Estimate:
    """Loihi 1 after Davies et al. 2018."""
    case = _without_host(case)
    terms = _intel_terms(case, "")
    fast, slow = _intel_steps(case)
    notes = ("An active update is one in which the neuron receives an event, has a bias or fires (docs/cost.md).",)
    return _estimate(
        "loihi1",
        "loihi1",
        "Loihi 1, pre-silicon figures of Intel",
        terms,
        case,
        (_all_updates(terms, "inactive"), _all_updates(terms, "active")),
        (fast, slow, slow),
        _intel_latency(slow),
        "loihi1.static.chip_idle",
        notes,
    )


def sanafe(case: Case) -> Estimate:
    """Loihi 1 after the fitted figures of SANA-FE."""
    case = _without_host(case)
    samples, mapped = case.samples, case.mapped
    terms = [
        energy_term("neuron accesses", case.by_population("neuron_updates"), samples, f"{FITTED}.neuron_access"),
        energy_term("neuron updates", case.by_population("stirred_updates"), samples, f"{FITTED}.neuron_update"),
        energy_term("spikes", case.by_population("spikes"), samples, f"{FITTED}.spike_out"),
    ]
    if mapped is None:
        events = case.by_population("synaptic_events")
        terms.append(energy_term("synaptic events", events, samples, f"{FITTED}.synapse_sparse"))
    else:
        for kind, name in KINDS.items():
            if mapped.by_kind.get(kind):
                counted = mapped.by_kind[kind]
                terms.append(energy_term(f"synaptic events ({kind})", counted, samples, f"{FITTED}.{name}"))
        terms += [
            energy_term("packets out", mapped.packets, samples, f"{FITTED}.message_out"),
            energy_term("packets in", mapped.deliveries, samples, f"{FITTED}.message_in"),
            energy_term("hops east-west", mapped.hops["east-west"], samples, f"{FITTED}.hop_east_west"),
            energy_term("hops north-south", mapped.hops["north-south"], samples, f"{FITTED}.hop_north_south"),
            _between_chips(mapped.hops, samples, ""),
        ]
    everything = total(terms) or 0.0
    steps = _sanafe_steps(case)
    return _estimate(
        "loihi1_sanafe",
        "loihi1",
        "Loihi 1, figures fitted by SANA-FE",
        terms,
        case,
        (everything, everything),
        (steps, steps, steps),
        _sanafe_latency(steps, case),
        "loihi1.static.chip_idle",
        (
            "Synaptic events are all taken to be of sparse synapses."
            if mapped is None
            else "Latency leaves out the handling of messages, which SANA-FE schedules: a lower bound.",
        ),
    )


def loihi2(case: Case) -> Estimate:
    """Loihi 2, with the energies of Loihi 1."""
    terms = _intel_terms(case, PROXY, takes_graded=True)
    events = sum(case.by_population("synaptic_events").values()) + sum(case.by_population("input_events").values())
    whole = figure(f"{PILOTNET}.derived_dynamic_energy_per_synop").values["high_if_2e4"] * events / case.samples
    seen = figure(f"{PILOTNET}.derived_time_per_synop_busiest_core").values
    per_event, per_update = figure("loihi2.per_operation.synaptic_op"), figure("loihi2.per_operation.neuron_update")
    barrier = figure("loihi2.per_operation.barrier_sync").latency_max or 0.0
    steps: tuple[Steps, Steps, Steps] | None = None
    latency: tuple[Term, ...] = ()
    if case.load is not None and case.mapped is not None:
        period = case.mapped.steps_per_inference
        main = stepped(case.load, period, per_event.latency or 0.0, per_update.latency or 0.0, barrier)
        slow = stepped(case.load, period, seen["high"], per_update.latency or 0.0, barrier)
        steps = (main, main, slow)
        latency = (
            latency_term(EVENTS, main.events, per_event.name, conditions=BUSIEST),
            latency_term(UPDATES, main.updates, per_update.name, conditions=BUSIEST),
            latency_term("barriers", main.steps, "loihi2.per_operation.barrier_sync", barrier),
        )
    return _estimate(
        "loihi2",
        "loihi2",
        "Loihi 2, energies of Loihi 1 as a proxy",
        terms,
        case,
        (_all_updates(terms, "inactive"), max(_all_updates(terms, "active"), whole)),
        steps,
        latency,
        None,
        (
            "High: at least all dynamic energy of Intel's PilotNet run per synaptic event, in the higher reading of "
            f"its counters ({figure(PILOTNET).source}).",
        ),
        static=_board_idle(steps, case),
    )


def _without_host(case: Case) -> Case:
    """A case that was not placed, without the neurons that Loihi 1 leaves to the host: those of the graded input alone.

    Placed, they are on no core.
    """
    if case.mapped is not None:
        return case
    network = case.activity.network
    hosts = tuple(
        p.name
        for p in case.counts.populations
        if p.kind != "readout" and {network.by_name[q.source].role for q in network.incoming[p.name]} == {"input"}
    )
    if not hosts:
        return case
    kept = tuple(p for p in case.counts.populations if p.name not in hosts)
    reason = f"{case.reason}; computed on the host and not counted: {', '.join(hosts)}"
    return replace(case, counts=replace(case.counts, populations=kept), reason=reason)


def _intel_terms(case: Case, conditions: str, takes_graded: bool = False) -> list[Term]:
    """takes_graded: the graded input is the chip's also where the network is not placed on its cores."""
    samples, mapped = case.samples, case.mapped
    updates, active = case.by_population("neuron_updates"), case.by_population("active_updates")
    inactive = {name: count - active.get(name, 0) for name, count in updates.items()}
    terms = [
        energy_term(
            "synaptic events", case.by_population("synaptic_events"), samples, f"{INTEL}.synaptic_op", conditions
        ),
        energy_term("neuron updates, active", active, samples, f"{INTEL}.neuron_update_active", conditions),
        energy_term("neuron updates, inactive", inactive, samples, f"{INTEL}.neuron_update_inactive", conditions),
    ]
    graded = case.by_population("input_events")
    if any(graded.values()) and (mapped is not None or takes_graded):
        terms.insert(1, energy_term("graded input events", graded, samples, f"{INTEL}.synaptic_op", conditions))
    if mapped is not None:
        terms += [
            energy_term("packets", mapped.packets, samples, f"{INTEL}.spike_within_tile", conditions),
            energy_term("hops east-west", mapped.hops["east-west"], samples, f"{INTEL}.hop_east_west", conditions),
            energy_term(
                "hops north-south", mapped.hops["north-south"], samples, f"{INTEL}.hop_north_south", conditions
            ),
            _between_chips(mapped.hops, samples, conditions),
        ]
    return terms


def _between_chips(hops: Mapping[str, Mapping[str, int]], samples: int, conditions: str) -> Term:
    return energy_term("packets between chips", hops["chip-to-chip"], samples, f"{INTEL}.hop_between_chips", conditions)


def _all_updates(terms: list[Term], kind: str) -> float:
    """Joules if every neuron update were of one kind."""
    updates = [t for t in terms if t.name.startswith("neuron updates")]
    unit = figure(f"{INTEL}.neuron_update_{kind}").energy or 0.0
    return (total(t for t in terms if t not in updates) or 0.0) + sum(t.count for t in updates) * unit


def _intel_steps(case: Case) -> tuple[Steps | None, Steps | None]:
    """Fastest and slowest reading: idle updates and the barrier of one tile; active updates and that of 32 tiles."""
    if case.load is None or case.mapped is None:
        return None, None
    period = case.mapped.steps_per_inference
    event, barrier = figure(f"{INTEL}.synaptic_op").latency or 0.0, figure(f"{INTEL}.barrier_sync")
    inactive, active = (figure(f"{INTEL}.neuron_update_{kind}").latency or 0.0 for kind in ("inactive", "active"))
    fast = stepped(case.load, period, event, inactive, barrier.latency_min or 0.0)
    return fast, stepped(case.load, period, event, active, barrier.latency_max or 0.0)


def _intel_latency(steps: Steps | None) -> tuple[Term, ...]:
    if steps is None:
        return ()
    return (
        latency_term(EVENTS, steps.events, f"{INTEL}.synaptic_op", conditions=BUSIEST),
        latency_term(UPDATES, steps.updates, f"{INTEL}.neuron_update_active", conditions=BUSIEST),
        latency_term("barriers", steps.steps, f"{INTEL}.barrier_sync", figure(f"{INTEL}.barrier_sync").latency_max),
    )


def _sanafe_steps(case: Case) -> Steps | None:
    if case.load is None or case.mapped is None:
        return None
    update = sum(figure(f"{FITTED}.{name}").latency or 0.0 for name in ("neuron_access", "neuron_update"))
    event = figure(f"{FITTED}.{_slowest_synapse()}").latency or 0.0
    return stepped(case.load, case.mapped.steps_per_inference, event, update, _sanafe_barrier(case.mapped.tiles))


def _slowest_synapse() -> str:
    """The kind of synapse whose events take longest: all are taken to be of it."""
    return max(KINDS.values(), key=lambda name: figure(f"{FITTED}.{name}").latency or 0.0)


def _sanafe_barrier(tiles: int) -> float:
    """Of the smallest number of tiles in the table that is not below `tiles`, or of the largest."""
    table: dict[int, float] = figure(f"{FITTED}.barrier_sync").values["latency_table_by_tiles"]
    return next((seconds for most, seconds in sorted(table.items()) if most >= tiles), max(table.values()))


def _sanafe_latency(steps: Steps | None, case: Case) -> tuple[Term, ...]:
    if steps is None or case.mapped is None:
        return ()
    return (
        latency_term(EVENTS, steps.events, f"{FITTED}.{_slowest_synapse()}", conditions=BUSIEST),
        latency_term("neuron accesses, busiest core", steps.updates, f"{FITTED}.neuron_access", conditions=BUSIEST),
        latency_term(UPDATES, steps.updates, f"{FITTED}.neuron_update", conditions=BUSIEST),
        latency_term("barriers", steps.steps, f"{FITTED}.barrier_sync", _sanafe_barrier(case.mapped.tiles)),
    )


def _board_idle(steps: tuple[Steps, Steps, Steps] | None, case: Case) -> Term | None:
    """Idle power of Intel's single-chip board, for every chip."""
    if steps is None or case.mapped is None:
        return None
    found = figure(PILOTNET)
    seconds = steps[0].single * case.mapped.chips
    return Term(
        name="idle",
        count=seconds,
        each=found.values["power_static"],
        unit="W",
        source=found.source,
        kind="measured",
        check=found.check,
        conditions="static power of a board with one chip (oheogulch), for each chip; chip-seconds",
    )


def _estimate(
    name: str,
    hardware: str,
    title: str,
    terms: list[Term],
    case: Case,
    ends: tuple[float, float],
    steps: tuple[Steps | None, Steps | None, Steps | None] | None,
    latency: tuple[Term, ...],
    idle: str | None,
    notes: tuple[str, ...],
    static: Term | None = None,
) -> Estimate:
    """steps: lowest, main and highest reading of the time, in the order low, main, high where they differ."""
    low, main, high = steps if steps is not None else (None, None, None)
    chips = None if case.mapped is None else case.mapped.chips
    if idle is not None and main is not None and chips is not None:
        static = power_term("idle", main.single * chips, idle, "chip-seconds")
    return Estimate(
        name=name,
        hardware=hardware,
        title=title,
        terms=tuple(terms),
        energy_low_joules=min(ends),
        energy_high_joules=max(ends),
        static_term=static,
        latency_seconds=None if main is None else main.single,
        latency_low_seconds=None if low is None else low.single,
        latency_high_seconds=None if high is None else high.single,
        streamed_seconds=None if main is None else main.streamed,
        latency_terms=latency,
        notes=(*notes, *case.notes()),
        mapped=case.mapped,
    )
