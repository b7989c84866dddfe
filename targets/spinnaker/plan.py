"""A network laid out on a machine, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.operators import IntArray
from inflor.targets.api import Rates, Violation
from inflor.targets.record.file import RecordedPopulation, recorded_populations
from inflor.targets.spinnaker.layout.partition import Partition
from inflor.targets.spinnaker.limits import Limits
from inflor.targets.spinnaker.numbers import Lowering
from inflor.targets.spinnaker.options import SpinnakerOptions
from inflor.targets.spinnaker.place.keys import Keys
from inflor.targets.spinnaker.place.machine import Chip, Dead, Machine
from inflor.targets.spinnaker.place.memory import CoreMemory, dtcm_bytes
from inflor.targets.spinnaker.place.placement import Placement
from inflor.targets.spinnaker.place.tables import Disagreement, Table, table, verify
from inflor.targets.spinnaker.simulate.packets import Ways, follow

SECOND = (
    "cores, memory, routing entries and clock are SpiNNaker 2's; boards of 48 chips, keys, rows, neurons per core, "
    "spike buffer and instructions per event are SpiNNaker 1's, because none are published for it"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class SpinnakerPlan:
    """A network on the cores of a machine, which are numbered population by population.

    Attributes:
        dead: parts of the machine that do not work.
        rates: spikes per neuron and tick of each population, 1 where unknown.
        targets: cores that each core sends to.
        original, tables: routing tables as routed and as compressed.
    """

    lowering: Lowering
    options: SpinnakerOptions
    dead: Dead
    rates: Rates
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

    @property
    def populations(self) -> tuple[RecordedPopulation, ...]:
        """Every population of the network but the input."""
        return recorded_populations(self.network)

    def summary(self) -> dict[str, Any]:
        """What was decided, as plain data: sizes, placement and balance."""
        lowering = self.lowering
        entries = [len(t) for t in self.tables.values()]
        return {
            "chip": self.limits.chip,
            "neurons": self.options.neurons,
            "boards": self.machine.boards,
            "chips": len(set(self.placement.chip.tolist())),
            "cores": len(self.neurons),
            "synapses": int(sum(c.matrix.nnz for c in lowering.connections)),
            "sdram_bytes": int(sum(4 * len(m.rows) + m.table_bytes for m in self.memories)),
            "dtcm_bytes_most": int(self.dtcm.max()),
            "routing_entries": {
                "before": sum(map(len, self.original.values())),
                "after": sum(entries),
                "most": max(entries, default=0),
            },
            "traffic": {"packet_hops": self.placement.cost, "naive_order": self.placement.naive},
            "assumed": [] if self.limits.chip == "spinnaker1" else [SECOND],
            "ticks_per_step": lowering.schedule.per_step,
            "guard_steps": lowering.schedule.guard,
            "input": "source currents, computed by the host and written per sample or frame",
            "source_current_bytes_per_sample": 4 * sum(p.host_currents for p in lowering.populations),
            "balanced": [
                {"source": c.source, "target": c.target, "delay": c.delay} for c in lowering.connections if c.waits
            ],
            "violations": [str(v) for v in self.violations],
        }

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


def dtcm_of(lowering: Lowering, parts: Sequence[Partition], memories: Sequence[CoreMemory], limits: Limits) -> IntArray:
    """Bytes of DTCM that every core needs."""
    words = [p.neurons.words * cut.sizes for p, cut in zip(lowering.populations, parts, strict=True)]
    cores = zip(memories, np.concatenate(words).tolist(), strict=True)
    return np.array([dtcm_bytes(memory, needed, limits.spike_buffer) for memory, needed in cores])
