"""From a spike to ring buffers: packets by the tables' ways, rows by the population tables, words as they stand there.

Everything is read from a plan's tables and memories, none of it from the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inflor.quant.operators import IntArray
from inflor.targets.spinnaker.place.keys import COLOUR_BITS
from inflor.targets.spinnaker.place.memory import Rows, read, spans
from inflor.targets.spinnaker.plan import SpinnakerPlan
from inflor.targets.spinnaker.simulate.packets import Ways

COLOURS = 1 << COLOUR_BITS


@dataclass(frozen=True, eq=False)
class Synapses:
    """Deliveries of every neuron's packets, by neuron, and the synapses of every row, by row.

    Neurons are numbered core by core over all populations. start: [neurons + 1], of each one's deliveries. core, row:
    of each delivery; row -1 where the core's population table knows no such key. colors: bit c is set where packets
    of color c are delivered. row_start: [rows + 1]; ring, delay, weight: per synapse. ring: index in one time slot of
    all ring buffers, which start at `ring_base` of each core.
    """

    start: IntArray
    core: IntArray
    row: IntArray
    colors: IntArray
    row_start: IntArray
    ring: IntArray
    delay: IntArray
    weight: npt.NDArray[np.float64]
    ring_base: IntArray
    slots: int
    ways: Ways
    unknown: int
    short_rows: int

    @property
    def ring_size(self) -> int:
        return int(self.ring_base[-1])


def connect(plan: SpinnakerPlan) -> Synapses:
    """Follow every key and decode every row of a plan."""
    rows = read(list(plan.memories))
    bits = np.array([m.neuron_bits + m.type_bits for m in plan.memories])
    slots = np.array([m.slots for m in plan.memories])
    ring_base = np.concatenate([[0], np.cumsum(1 << bits)])
    row_core = np.repeat(rows.table_core, rows.neurons)
    owner = np.repeat(row_core[rows.piece_row], rows.count)
    length = np.bincount(rows.piece_row, rows.count, minlength=len(row_core)).astype(np.int64)
    words = rows.words[spans(rows.begin, rows.count)].astype(np.int64)
    index_bits = bits[owner]
    delay = ((words & 0xFFFF) >> index_bits) & (slots[owner] - 1)
    delay = np.where(delay == 0, slots[owner], delay)
    ways = plan.ways()
    start, core, row, colors = _deliveries(plan, ways, rows)
    return Synapses(
        start,
        core,
        row,
        colors,
        np.concatenate([[0], np.cumsum(length)]),
        ring_base[owner] + (words & ((1 << index_bits) - 1)),
        delay,
        (words >> 16).astype(np.float64),
        ring_base,
        int(delay.max(initial=1)) + 1,
        ways,
        int((row < 0).sum()),
        rows.short,
    )


def _deliveries(plan: SpinnakerPlan, ways: Ways, rows: Rows) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Deliveries by neuron: start, core, row and colors."""
    seat = {}
    for core in range(len(plan.neurons)):
        chip, p = plan.placement.at(plan.machine, core)
        seat[(chip, p)] = core
    first = np.concatenate([[0], np.cumsum(plan.neurons)])
    known = [(d, seat.get((d.chip, d.p), -1)) for d in ways.deliveries]
    neurons, cores, keys, colors = ([np.zeros(0, np.int64)] for _ in range(4))
    low = COLOURS - 1
    for d, core in known:
        sent = int(plan.keys.key[d.source]) + (np.arange(plan.neurons[d.source]) << COLOUR_BITS)
        local = np.flatnonzero(((sent ^ d.key) & d.mask & ~low) == 0)
        neurons.append(first[d.source] + local)
        cores.append(np.full(len(local), core))
        keys.append(sent[local])
        some = sum(1 << c for c in range(COLOURS) if ((c ^ d.key) & d.mask & low) == 0)
        colors.append(np.full(len(local), some))
    neuron, to, key, color = (np.concatenate(parts) for parts in (neurons, cores, keys, colors))
    order = np.argsort(neuron, kind="stable")
    start = np.searchsorted(neuron[order], np.arange(first[-1] + 1))
    return start, to[order], _rows_of(to[order], key[order], rows), color[order]


def _rows_of(core: IntArray, key: IntArray, rows: Rows) -> IntArray:
    """The row that a core's population table gives for a key, -1 for none. Tables are sorted by key."""
    if not len(rows.key) or not len(core):
        return np.full(len(core), -1)
    entry = np.searchsorted((rows.table_core << 32) | rows.key, (core << 32) | key, side="right") - 1
    found = (entry >= 0) & (core >= 0)
    entry = np.maximum(entry, 0)
    local = (key & ~rows.mask[entry] & 0xFFFFFFFF) >> rows.color_bits[entry]
    found &= (rows.table_core[entry] == core) & ((key & rows.mask[entry]) == rows.key[entry])
    found &= local < rows.neurons[entry]
    return np.where(found, rows.first_row[entry] + local, -1)
