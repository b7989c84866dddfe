"""What a plan decided, and what a run met, as plain data."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from inflor.targets.spinnaker.limits import Limits
from inflor.targets.spinnaker.numbers import Violation
from inflor.targets.spinnaker.place.machine import Chip
from inflor.targets.spinnaker.plan import SpinnakerPlan
from inflor.targets.spinnaker.simulate.packets import Ways
from inflor.targets.spinnaker.simulate.run import Load

SECOND = (
    "cores, memory, routing entries and clock are SpiNNaker 2's; boards of 48 chips, keys, rows, neurons per core, "
    "spike buffer and instructions per event are SpiNNaker 1's, because none are published for it"
)


def summary(plan: SpinnakerPlan) -> dict[str, Any]:
    """For a run's record: sizes, placement, balance and, after a run, its load."""
    lowering = plan.lowering
    largest = max((len(t) for t in plan.tables.values()), default=0)
    return {
        "chip": plan.limits.chip,
        "neurons": plan.options.neurons,
        "boards": plan.machine.boards,
        "chips": len(set(plan.placement.chip.tolist())),
        "cores": len(plan.neurons),
        "synapses": int(sum(c.matrix.nnz for c in lowering.connections)),
        "sdram_bytes": int(sum(4 * len(m.rows) + m.table_bytes for m in plan.memories)),
        "dtcm_bytes_most": int(plan.dtcm.max()),
        "routing_entries": {"before": sum(map(len, plan.original.values())), "after": _entries(plan), "most": largest},
        "traffic": {"packet_hops": plan.placement.cost, "naive_order": plan.placement.naive},
        "assumed": [] if plan.limits.chip == "spinnaker1" else [SECOND],
        "ticks_per_step": lowering.schedule.per_step,
        "guard_steps": lowering.schedule.guard,
        "input": "source currents, computed by the host and written per sample or frame",
        "source_current_bytes_per_sample": 4 * sum(p.population.size * len(p.host) for p in lowering.populations),
        "balanced": [
            {"source": c.source, "target": c.target, "delay": c.delay} for c in lowering.connections if c.waits
        ],
        "violations": [*map(str, plan.violations), *map(str, overloads(plan))],
        **plan.measured,
    }


def overloads(plan: SpinnakerPlan) -> list[Violation]:
    """Where the last run was too much for the ticks that it was given."""
    met, scale = plan.measured, plan.options.time_scale
    worst = (
        ("dropped_packets", "most_packets", "packets to a core in one tick", plan.limits.spike_buffer),
        ("late_ticks", "most_instructions", "instructions of a core in one tick", plan.limits.cycles),
    )
    found = []
    for count, most, limit, allowed in worst:
        if met.get(count):
            number = met[most]["number"]
            mend = f"give --time-scale {-(-number // allowed)} or more ({met[count]} {count.replace('_', ' ')})"
            found.append(Violation(met[most]["population"], limit, number, scale * allowed, mend, fatal=False))
    return found


def describe(plan: SpinnakerPlan) -> dict[str, Any]:
    """All of a plan: machine, populations, placements, keys, routing tables, utilisation and traffic per link."""
    machine = plan.machine
    ways = plan.ways()
    return {
        **summary(plan),
        "network": plan.network.source,
        "machine": {
            "boards": machine.boards,
            "width": machine.width,
            "height": machine.height,
            "wraps": machine.wraps,
            "chips": len(machine.chips),
            "cores": sum(len(c) for c in machine.cores.values()),
            "ethernet": [list(c) for c in machine.ethernet],
            "dead": {
                "chips": sorted(map(list, machine.dead.chips)),
                "cores": sorted(map(list, machine.dead.cores)),
                "links": sorted(map(list, machine.dead.links)),
            },
        },
        "populations": [_population(plan, i) for i in range(len(plan.partitions))],
        "placements": placements(plan),
        "routing_tables": [
            {
                "chip": list(chip),
                "entries": [
                    {"key": k, "mask": m, "route": r}
                    for k, m, r in zip(t.key.tolist(), t.mask.tolist(), t.route.tolist(), strict=True)
                ],
            }
            for chip, t in plan.tables.items()
        ],
        "links": [
            {"chip": list(chip), "link": link, "packets": packets}
            for (chip, link), packets in sorted(link_traffic(plan, ways).items())
        ],
    }


def placements(plan: SpinnakerPlan) -> list[dict[str, Any]]:
    """One row per core."""
    rows = []
    for core, population in enumerate(plan.population_of):
        (x, y), p = plan.placement.at(plan.machine, core)
        cut = plan.partitions[population]
        number = core - int(plan.first_core[population])
        neurons = cut.order[cut.start[number] : cut.start[number + 1]]
        consecutive = bool((np.diff(neurons) == 1).all())
        rows.append(
            {
                "population": cut.name,
                "core": number,
                "x": x,
                "y": y,
                "p": p,
                "neurons": len(neurons),
                "slice": [int(neurons[0]), int(neurons[-1]) + 1] if consecutive else neurons.tolist(),
                "key": int(plan.keys.key[core]),
                "mask": int(plan.keys.mask[core]),
                "sdram_bytes": 4 * len(plan.memories[core].rows) + plan.memories[core].table_bytes,
                "dtcm_bytes": int(plan.dtcm[core]),
            }
        )
    return rows


def link_traffic(plan: SpinnakerPlan, ways: Ways) -> dict[tuple[Chip, int], float]:
    """Packets per tick over each link, at the plan's rates."""
    rates = plan.options.rates
    sent = [
        float(n) * rates.get(plan.partitions[p].name, 1.0)
        for n, p in zip(plan.neurons, plan.population_of, strict=True)
    ]
    traffic: dict[tuple[Chip, int], float] = {}
    for place, blocks in ways.links.items():
        traffic[place] = sum(sent[source] * _share(mask, int(plan.keys.mask[source])) for source, _, mask in blocks)
    return traffic


def load_summary(plan: SpinnakerPlan, load: Load, unknown: int, ways: Ways) -> dict[str, Any]:
    """What a run met. time_scale: milliseconds per tick that its load needs, or those that were asked for."""
    limits = plan.limits
    asked = plan.options.time_scale
    return {
        "ticks": load.ticks,
        "spikes": load.spikes,
        "packets_delivered": load.packets,
        "synaptic_events": load.events,
        "neuron_updates": load.updates,
        "source_current_bytes": load.written,
        "time_scale": asked or needed_scale(load, limits),
        "most_packets": _place(plan, load.most_packets),
        "most_instructions": _place(plan, load.most_instructions),
        "dropped_packets": load.dropped,
        "first_drop": _when(plan, load.first_drop),
        "late_ticks": load.late,
        "first_late": _when(plan, load.first_late),
        "saturated": dict(load.saturated),
        "wrapped": dict(load.wrapped),
        "packets_without_row": unknown,
        "lost_routes": len(ways.lost),
        "circulating": len(ways.circulating),
    }


def needed_scale(load: Load, limits: Limits) -> int:
    """Milliseconds per tick with which no spike buffer fills and no core is late, if packets come evenly spread."""
    return max(1, -(-load.most_packets[0] // limits.spike_buffer), -(-load.most_instructions[0] // limits.cycles))


def _place(plan: SpinnakerPlan, worst: tuple[int, int, int]) -> dict[str, Any]:
    number, core, tick = worst
    return {"number": number, "tick": tick, **_where(plan, core)}


def _when(plan: SpinnakerPlan, first: tuple[int, int] | None) -> dict[str, Any] | None:
    return None if first is None else {"tick": first[1], **_where(plan, first[0])}


def _where(plan: SpinnakerPlan, core: int) -> dict[str, Any]:
    population = int(plan.population_of[core])
    chip, p = plan.placement.at(plan.machine, core)
    number = core - int(plan.first_core[population])
    return {"population": plan.partitions[population].name, "core": number, "x": chip[0], "y": chip[1], "p": p}


def _entries(plan: SpinnakerPlan) -> int:
    return sum(map(len, plan.tables.values()))


def _share(part: int, whole: int) -> float:
    """Share of a source's keys that a block of them holds."""
    return float(2.0 ** -(part & ~whole).bit_count())


def _population(plan: SpinnakerPlan, index: int) -> dict[str, Any]:
    cut, lowered = plan.partitions[index], plan.lowering.populations[index]
    mine = slice(int(plan.first_core[index]), int(plan.first_core[index + 1]))
    memories = plan.memories[mine]
    chips = Counter(plan.placement.chip[mine].tolist())
    return {
        "name": cut.name,
        "model": lowered.neurons.model,
        "shape": list(lowered.population.shape),
        "cores": cut.cores,
        "chips": len(chips),
        "tile": list(cut.tile),
        "neurons_per_core": int(cut.sizes.max()),
        "limited_by": "neurons per core" if cut.cores * int(cut.sizes.max()) <= 1.25 * sum(cut.sizes) else "tile shape",
        "packets_heard": cut.heard,
        "packets_heard_by_tile": dict(cut.other or {}),
        "unit_bits": lowered.neurons.unit,
        "grain_bits": lowered.neurons.grain,
        "stage": lowered.stage,
        "ring_buffer_shifts": list(lowered.shifts),
        "largest_ring_sums": list(lowered.bound),
        "delay_slots": lowered.slots,
        "sdram_bytes": int(sum(4 * len(m.rows) + m.table_bytes for m in memories)),
        "row_sources": int(max(len(m.entries) for m in memories)),
    }
