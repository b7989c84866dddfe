"""Lays a network out on a machine: partition, keys, memory, placement, routes and tables, in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.operators import IntArray
from inflor.targets.api import Rates, Violation
from inflor.targets.spinnaker.layout.partition import Partition, links, partition
from inflor.targets.spinnaker.limits import Limits
from inflor.targets.spinnaker.numbers import Lowering
from inflor.targets.spinnaker.options import SpinnakerOptions
from inflor.targets.spinnaker.place.keys import Keys, allocate
from inflor.targets.spinnaker.place.machine import Chip, Dead, Machine, make_machine, sizes
from inflor.targets.spinnaker.place.memory import Arriving, CoreMemory, pack
from inflor.targets.spinnaker.place.placement import Placement, place_cores, traffic_matrix
from inflor.targets.spinnaker.place.routing import core_bit, hops
from inflor.targets.spinnaker.place.tables import MISSING, Table, compress, table
from inflor.targets.spinnaker.plan import SpinnakerPlan, dtcm_of


def build(lowering: Lowering, options: SpinnakerOptions, dead: Dead, rates: Rates, limits: Limits) -> SpinnakerPlan:
    """Lay the network out.

    Raises:
        InputError: it does not fit the machine asked for, or any machine; or dead links cut it.
    """
    cuts = partition(lowering, limits, options.neurons_per_core, rates)
    parts = tuple(cuts.values())
    keys = allocate(parts)
    first = dict(zip(cuts, np.concatenate([[0], np.cumsum([p.cores for p in parts])]).tolist(), strict=False))
    memories: list[CoreMemory] = []
    for lowered in lowering.populations:
        name = lowered.population.name
        memories += pack(
            cuts[name], _arriving(lowering, name, cuts, first), keys, lowered.slots, lowered.ports.type_bits
        )
    targets = _targets(lowering, cuts, first, sum(p.cores for p in parts))
    traffic = _traffic(targets, parts, rates)
    machine, placement = _place(lowering.network, memories, traffic, options, dead, limits)
    original = route(machine, placement, keys, targets)
    tables = {chip: compress(t, limits.router_entries) for chip, t in original.items()}
    dtcm = dtcm_of(lowering, parts, memories, limits)
    violations = [*lowering.violations, *_memory_rules(parts, dtcm, limits), *_table_rules(tables, limits)]
    plan = SpinnakerPlan(
        lowering=lowering,
        options=options,
        dead=dead,
        rates=rates,
        limits=limits,
        partitions=parts,
        keys=keys,
        memories=tuple(memories),
        machine=machine,
        placement=placement,
        targets=tuple(targets),
        original=original,
        tables=tables,
        violations=tuple(violations),
    )
    wrong = plan.compare_tables()
    assert not wrong, f"compression changed routes: {wrong[:3]}"
    return plan


def route(machine: Machine, placement: Placement, keys: Keys, targets: list[IntArray]) -> dict[Chip, Table]:
    """Uncompressed routing tables. targets: cores that each core sends to."""
    rows: dict[Chip, list[tuple[int, int, int, int]]] = {}
    trees: dict[Any, Any] = {}
    for core, there in enumerate(targets):
        if not len(there):
            continue
        source = machine.chips[int(placement.chip[core])]
        bits: dict[Chip, int] = {}
        for other in there:
            chip, p = placement.at(machine, int(other))
            bits[chip] = bits.get(chip, 0) | core_bit(p)
        wanted = (source, tuple(sorted(bits.items())))
        if wanted not in trees:
            trees[wanted] = hops(machine, source, bits)
        for hop in trees[wanted]:
            entered = MISSING if hop.entered is None else hop.entered
            row = (int(keys.key[core]), int(keys.mask[core]), hop.route, entered)
            rows.setdefault(hop.chip, []).append(row)
    return {chip: table(sorted(found)) for chip, found in sorted(rows.items())}


def _arriving(lowering: Lowering, name: str, cuts: Mapping[str, Partition], first: Mapping[str, int]) -> list[Arriving]:
    found = []
    for connection in lowering.connections:
        if connection.target == name:
            weight, kind = lowering.stored(connection)
            matrix = connection.matrix
            sources = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
            source = cuts[connection.source]
            to_neuron = matrix.indices.astype(np.int64)
            found.append(Arriving(source, first[connection.source], sources, to_neuron, weight, kind, connection.delay))
    return found


def _targets(lowering: Lowering, cuts: Mapping[str, Partition], first: Mapping[str, int], cores: int) -> list[IntArray]:
    """Cores that each core has synapses on."""
    found: list[list[IntArray]] = [[] for _ in range(cores)]
    for connection in lowering.connections:
        source, target = cuts[connection.source], cuts[connection.target]
        for i, row in enumerate(links(connection, source, target)):
            found[first[connection.source] + i].append(np.flatnonzero(row) + first[connection.target])
    return [np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64) for parts in found]


def _traffic(targets: list[IntArray], parts: tuple[Partition, ...], rates: Rates) -> Any:
    """Packets per tick from core to core."""
    size = np.concatenate([p.sizes * rates.get(p.name, 1.0) for p in parts])
    pairs = [(np.full(len(t), i), t, np.full(len(t), size[i])) for i, t in enumerate(targets) if len(t)]
    return traffic_matrix(pairs, len(targets))


def _place(
    network: IntegerNetwork,
    memories: list[CoreMemory],
    traffic: Any,
    options: SpinnakerOptions,
    dead: Dead,
    limits: Limits,
) -> tuple[Machine, Placement]:
    needed = np.array([4 * len(m.rows) + m.table_bytes for m in memories])
    choices = [options.boards] if options.boards else [n for n in sizes() if n * 48 * limits.cores >= len(needed)]
    for boards in choices:
        machine = make_machine(boards, limits, dead, options.cores_per_chip)
        placement = place_cores(traffic, needed, machine, limits.sdram, options.placement == "traffic")
        if placement is not None:
            return machine, placement
    given = f"{options.boards} boards" if options.boards else "the largest machine"
    raise InputError(
        f"{network.source}: {len(needed)} cores and {int(needed.sum()) >> 20} MiB of synapses do not fit {given}; "
        "give more boards or use a smaller network"
    )


def _memory_rules(parts: Sequence[Partition], dtcm: IntArray, limits: Limits) -> list[Violation]:
    owner = np.repeat(np.arange(len(parts)), [p.cores for p in parts])
    worst = [(p.name, int(dtcm[owner == i].max())) for i, p in enumerate(parts)]
    return [
        Violation(name, "bytes of DTCM on a core", most, limits.dtcm, "use fewer `neurons_per_core`", fatal=False)
        for name, most in worst
        if most > limits.dtcm
    ]


def _table_rules(tables: Mapping[Chip, Table], limits: Limits) -> list[Violation]:
    mend = "use more boards, or fewer cores per chip"
    return [
        Violation(f"chip {chip}", "routing entries", len(t), limits.router_entries, mend, fatal=False)
        for chip, t in tables.items()
        if len(t) > limits.router_entries
    ]
