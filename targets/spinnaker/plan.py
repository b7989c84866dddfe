"""A network laid out on a machine: partition, keys, memory, placement, routes and tables, in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.operators import IntArray
from inflor.targets.spinnaker.layout.partition import Partition, links, partition
from inflor.targets.spinnaker.limits import Limits
from inflor.targets.spinnaker.numbers import Lowering, Violation
from inflor.targets.spinnaker.place.keys import Keys, allocate
from inflor.targets.spinnaker.place.machine import Chip, Dead, Machine, make_machine, sizes
from inflor.targets.spinnaker.place.memory import Arriving, CoreMemory, dtcm_bytes, pack
from inflor.targets.spinnaker.place.placement import Placement, place_cores, traffic_matrix
from inflor.targets.spinnaker.place.routing import core_bit, hops
from inflor.targets.spinnaker.place.tables import MISSING, Disagreement, Table, compress, table, verify
from inflor.targets.spinnaker.simulate.packets import Ways, follow


@dataclass(frozen=True)
class Options:
    """neurons: "custom" or "stock". neurons_per_core, cores_per_chip: use no more than these. boards: 0 for as many as
    it takes. optimise: placement by traffic, else in the order of the network. rates: spikes per neuron and tick of
    each population, 1 where unknown. time_scale: milliseconds per tick, 0 for what the load of a run turns out to need.
    """

    chip: str = "spinnaker1"
    neurons: str = "custom"
    neurons_per_core: int | None = None
    cores_per_chip: int | None = None
    boards: int = 0
    dead: Dead = field(default_factory=Dead)
    optimise: bool = True
    rates: Mapping[str, float] = field(default_factory=dict)
    time_scale: int = 0


@dataclass(frozen=True, eq=False)
class SpinnakerPlan:
    """Cores are numbered population by population. targets: cores that each core sends to.

    original, tables: routing tables as routed and as compressed.

    measured: what the last run of it took, filled in by `run`.
    """

    lowering: Lowering
    options: Options
    limits: Limits
    partitions: tuple[Partition, ...]
    keys: Keys
    memories: tuple[CoreMemory, ...]
    machine: Machine
    placement: Placement
    targets: tuple[IntArray, ...]
    original: Mapping[Chip, Table]
    tables: Mapping[Chip, Table]
    violations: tuple[Violation, ...]
    measured: dict[str, Any] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """What was decided, and after a run what it met, as plain data."""
        from inflor.targets.spinnaker.report import summary  # the report is made of plans

        return summary(self)

    @property
    def network(self) -> IntegerNetwork:
        return self.lowering.network

    @cached_property
    def first_core(self) -> IntArray:
        """Number of the first core of each population, and of all cores at the end."""
        return np.concatenate([[0], np.cumsum([p.cores for p in self.partitions])])

    @cached_property
    def neurons(self) -> IntArray:
        """Neurons on every core."""
        return np.concatenate([p.sizes for p in self.partitions])

    @cached_property
    def dtcm(self) -> IntArray:
        """Bytes of DTCM that every core needs."""
        return dtcm_of(self.lowering, self.partitions, self.memories, self.limits)

    @cached_property
    def population_of(self) -> IntArray:
        """Index of every core's population."""
        return np.repeat(np.arange(len(self.partitions)), [p.cores for p in self.partitions])

    def ways(self) -> Ways:
        """The packets of every core that anybody listens to (the others send none), followed through the tables."""
        sources = [
            (core, int(self.keys.key[core]), int(self.keys.mask[core]), self.placement.at(self.machine, core)[0])
            for core, targets in enumerate(self.targets)
            if len(targets)
        ]
        return follow(self.machine, self.tables, sources)

    def compare_tables(self) -> list[Disagreement]:
        """Keys that the compressed tables route otherwise than the original ones; none, unless a table was changed."""
        empty = table([])
        return [d for chip, t in self.original.items() for d in verify(chip, t, self.tables.get(chip, empty))]


def build(lowering: Lowering, options: Options, limits: Limits) -> SpinnakerPlan:
    """Lay the network out.

    Raises:
        InputError: it does not fit the machine asked for, or any machine; or dead links cut it.
    """
    cuts = partition(lowering, limits, options.neurons_per_core, options.rates)
    parts = tuple(cuts.values())
    keys = allocate(parts)
    first = dict(zip(cuts, np.concatenate([[0], np.cumsum([p.cores for p in parts])]).tolist(), strict=False))
    memories: list[CoreMemory] = []
    for lowered in lowering.populations:
        name = lowered.population.name
        memories += pack(cuts[name], _arriving(lowering, name, cuts, first), keys, lowered.slots)
    targets = _targets(lowering, cuts, first, sum(p.cores for p in parts))
    traffic = _traffic(targets, parts, options.rates)
    machine, placement = _place(lowering.network, memories, traffic, options, limits)
    original = route(machine, placement, keys, targets)
    tables = {chip: compress(t, limits.router_entries) for chip, t in original.items()}
    dtcm = dtcm_of(lowering, parts, memories, limits)
    violations = [*lowering.violations, *_memory_rules(parts, dtcm, limits), *_table_rules(tables, limits)]
    plan = SpinnakerPlan(
        lowering,
        options,
        limits,
        parts,
        keys,
        tuple(memories),
        machine,
        placement,
        tuple(targets),
        original,
        tables,
        tuple(violations),
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


def _traffic(targets: list[IntArray], parts: tuple[Partition, ...], rates: Mapping[str, float]) -> Any:
    """Packets per tick from core to core."""
    size = np.concatenate([p.sizes * rates.get(p.name, 1.0) for p in parts])
    pairs = [(np.full(len(t), i), t, np.full(len(t), size[i])) for i, t in enumerate(targets) if len(t)]
    return traffic_matrix(pairs, len(targets))


def _place(
    network: IntegerNetwork, memories: list[CoreMemory], traffic: Any, options: Options, limits: Limits
) -> tuple[Machine, Placement]:
    needed = np.array([4 * len(m.rows) + m.table_bytes for m in memories])
    choices = [options.boards] if options.boards else [n for n in sizes() if n * 48 * limits.cores >= len(needed)]
    for boards in choices:
        machine = make_machine(boards, limits, options.dead, options.cores_per_chip)
        placement = place_cores(traffic, needed, machine, limits.sdram, options.optimise)
        if placement is not None:
            return machine, placement
    given = f"{options.boards} boards" if options.boards else "the largest machine"
    raise InputError(
        f"{network.source}: {len(needed)} cores and {int(needed.sum()) >> 20} MiB of synapses do not fit {given}; "
        "give more boards or use a smaller network"
    )


def dtcm_of(lowering: Lowering, parts: Sequence[Partition], memories: Sequence[CoreMemory], limits: Limits) -> IntArray:
    """Bytes of DTCM that every core needs."""
    words = [p.neurons.words * cut.sizes for p, cut in zip(lowering.populations, parts, strict=True)]
    cores = zip(memories, np.concatenate(words).tolist(), strict=True)
    return np.array([dtcm_bytes(memory, needed, limits.spike_buffer) for memory, needed in cores])


def _memory_rules(parts: Sequence[Partition], dtcm: IntArray, limits: Limits) -> list[Violation]:
    owner = np.repeat(np.arange(len(parts)), [p.cores for p in parts])
    worst = [(p.name, int(dtcm[owner == i].max())) for i, p in enumerate(parts)]
    return [
        Violation(name, "bytes of DTCM on a core", most, limits.dtcm, "use fewer --neurons-per-core", fatal=False)
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
