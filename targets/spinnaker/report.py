"""What a plan decided, and what a run met, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from inflor.targets.api import Described, Violation
from inflor.targets.spinnaker.limits import Limits
from inflor.targets.spinnaker.place.machine import Chip
from inflor.targets.spinnaker.plan import SpinnakerPlan
from inflor.targets.spinnaker.simulate.packets import Ways
from inflor.targets.spinnaker.simulate.run import Load


def _overloads(plan: SpinnakerPlan, met: Mapping[str, Any]) -> list[Violation]:
    """Where a run was too much for the ticks that it was given. met: facts of the run."""
    scale = plan.options.time_scale
    worst = (
        ("dropped_packets", "most_packets", "packets to a core in one tick", plan.limits.spike_buffer),
        ("late_ticks", "most_instructions", "instructions of a core in one tick", plan.limits.cycles),
    )
    found = []
    for count, most, limit, allowed in worst:
        if met[count]:
            number = met[most]["number"]
            mend = f"give `time_scale={-(-number // allowed)}` or more ({met[count]} {count.replace('_', ' ')})"
            found.append(Violation(met[most]["population"], limit, number, scale * allowed, mend, fatal=False))
    return found


COLUMNS = (
    ("name", "population"),
    ("model", "neuron"),
    ("shape", "shape"),
    ("tile", "per core"),
    ("cores", "cores"),
    ("chips", "chips"),
    ("kilobytes", "SDRAM kB"),
    ("limited_by", "limited by"),
)


def describe(plan: SpinnakerPlan) -> Described:
    """All of a plan: machine, populations, placements, keys, routing tables, utilisation and traffic per link."""
    data = _data(plan)
    rows = [p | {"kilobytes": -(-p["sdram_bytes"] // 1000)} for p in data["populations"]]
    traffic, entries = data["traffic"], data["routing_entries"]
    lines = [
        f"{data['cores']} cores on {data['chips']} chips of {data['boards']} boards ({data['chip']}), "
        f"{data['synapses']} synapses, {entries['after']} routing entries ({entries['before']} before compression)",
        f"traffic {traffic['packet_hops']:.0f} packets x hops per tick; in the order of the network it would be "
        f"{traffic['naive_order']:.0f}",
    ]
    if data["guard_steps"] or data["ticks_per_step"] > 1:
        lines.append(
            f"{data['ticks_per_step']} ticks per step, and {data['guard_steps']} guard steps after each sample, for "
            "its cycles and delays"
        )
    lines += [f"note: {note}" for note in data["assumed"]]
    return Described(data=data, columns=COLUMNS, rows=rows, lines=lines)


def _data(plan: SpinnakerPlan) -> dict[str, Any]:
    machine = plan.machine
    ways = plan.ways()
    return {
        **plan.summary(),
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
    rates = plan.rates
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
    met = {
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
    return {**met, "violations": [*map(str, plan.violations), *map(str, _overloads(plan, met))]}


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
        "limited_by": "input ports"
        if lowered.ports.count > 1 and cut.cores * int(cut.sizes.max()) <= 1.25 * sum(cut.sizes)
        else "neurons per core"
        if cut.cores * int(cut.sizes.max()) <= 1.25 * sum(cut.sizes)
        else "tile shape",
        "packets_heard": cut.heard,
        "packets_heard_by_tile": dict(cut.other or {}),
        "unit_bits": lowered.neurons.unit,
        "grain_bits": lowered.neurons.grain,
        "stage": lowered.stage,
        "ring_buffer_shifts": list(lowered.shifts),
        "largest_ring_sums": list(lowered.bound),
        "delay_slots": lowered.slots,
        **({"input_ports": lowered.ports.count} if lowered.ports.joined else {}),
        "sdram_bytes": int(sum(4 * len(m.rows) + m.table_bytes for m in memories)),
        "row_sources": int(max(len(m.entries) for m in memories)),
    }
