"""What each core holds, packed to the byte as sPyNNaker 1!7.4.1 lays it out: population table and synaptic rows.

Row: words 0, number of synapses, 0, then one word per synapse,
`weight << 16 | delay << (n_bits + t_bits) | type << n_bits | neuron`, padded to the longest row of its block. A delay
equal to the number of time slots is written as 0, which the ring buffer takes for the same slot one turn later.
Population table: one entry of five words per source core, sorted by key, then the address list. There is one block of
rows per source core, delay and input port, one after the other in the address list, and an entry's core mask is 0.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.quant.operators import IntArray
from inflor.targets.spinnaker.layout.partition import Partition
from inflor.targets.spinnaker.place.keys import COLOUR_BITS, FULL, Keys

Words = npt.NDArray[np.uint32]
HEADER = 3
"""Words of a row before its synapses."""
MOST_SYNAPSES = 256
MOST_ADDRESSES = 1 << 13
"""Blocks of rows of a core: 13 bits say where an entry's begin."""
ADDRESS_UNIT = 4
"""Words: addresses of blocks count 16 bytes."""
ENTRY = np.dtype(
    [("key", "<u4"), ("mask", "<u4"), ("start", "<u4"), ("core", "<u4"), ("neurons", "<u4")]
)  # start: 13 bits, color bits: 3, count: 16; core: mask 16, shift 16; neurons: 16, words of a bit field: 16
BASE_BYTES, ENTRY_BYTES, ADDRESS_BYTES = 8, 20, 4
SYSTEM_DTCM = 8192
"""Stack, heap and globals of the official binaries, rounded up."""


@dataclass(frozen=True, eq=False)
class CoreMemory:
    """One core. rows: synaptic blocks in SDRAM; entries, addresses: its population table.

    neuron_bits, type_bits, slots: how its words are read.
    """

    rows: Words
    entries: npt.NDArray[Any]
    addresses: Words
    neuron_bits: int
    slots: int
    type_bits: int = 1

    @property
    def table_bytes(self) -> int:
        return BASE_BYTES + ENTRY_BYTES * len(self.entries) + ADDRESS_BYTES * len(self.addresses)


@dataclass(frozen=True, eq=False)
class Arriving:
    """Synapses into one population from one other: row-major neurons, stored weights, types (int64 each)."""

    source: Partition
    first_core: int
    from_neuron: IntArray
    to_neuron: IntArray
    weight: IntArray
    type: IntArray
    delay: int


def dtcm_bytes(memory: CoreMemory, neuron_words: int, spike_buffer: int) -> int:
    """Tightly coupled memory that a core needs: ring buffers, neurons, population table, two row buffers, spikes.

    neuron_words: of state and parameters of all of its neurons.
    """
    ring = 2 * memory.slots << (memory.neuron_bits + memory.type_bits)
    rows = 2 * 4 * (HEADER + MOST_SYNAPSES)
    return SYSTEM_DTCM + ring + 4 * neuron_words + memory.table_bytes + rows + 4 * spike_buffer


def pack(target: Partition, arriving: list[Arriving], keys: Keys, slots: int, type_bits: int = 1) -> list[CoreMemory]:
    """The memory of every core of one population."""
    bits = target.neuron_bits
    blocks = [_blocks(part, target, bits, type_bits, slots) for part in arriving]
    made = []
    for core in range(target.cores):
        pieces, rows, address, at = [], [], [], 0
        for part, (words, starts, sources, lengths) in zip(arriving, blocks, strict=True):
            for i in range(starts[core], starts[core + 1]):
                block = words[i]
                source = part.first_core + sources[i]
                pieces.append((int(keys.key[source]), int(keys.mask[source]), int(part.source.sizes[sources[i]])))
                address.append((at // ADDRESS_UNIT) << 8 | (lengths[i] - 1))
                rows.append(block)
                at += len(block)
        made.append(replace(_core(target.name, pieces, rows, address, bits, slots), type_bits=type_bits))
    return made


def _core(
    name: str, pieces: list[tuple[int, int, int]], rows: list[Words], address: list[int], bits: int, slots: int
) -> CoreMemory:
    if len(pieces) > MOST_ADDRESSES:
        raise InputError(
            f"population {name!r}: a core receives from {len(pieces)} blocks of rows (one for each source core, delay "
            f"and input port), allowed are {MOST_ADDRESSES}; pool over smaller windows, or use fewer delays"
        )
    order = sorted(range(len(pieces)), key=lambda i: pieces[i][0])
    blocks = Counter(pieces)
    entries = np.zeros(len(blocks), ENTRY)
    place = 0
    for at, (key, mask, neurons) in enumerate(sorted(blocks)):
        low = (FULL ^ mask).bit_length()
        count = blocks[(key, mask, neurons)]
        start = place | COLOUR_BITS << 13 | count << 16
        entries[at] = (key, mask, start, low << 16, neurons | -(-neurons // 32) << 16)
        place += count
    addresses = np.array([address[i] for i in order], np.uint32)
    memory = np.concatenate(rows) if rows else np.zeros(0, np.uint32)
    return CoreMemory(memory, entries, addresses, bits, slots)


def _blocks(
    part: Arriving, target: Partition, bits: int, type_bits: int, slots: int
) -> tuple[list[Words], list[int], list[int], list[int]]:
    """Blocks by target core and then source core: their words, the first of each target core, source, row length."""
    source = part.source
    core_to, core_from = target.core[part.to_neuron], source.core[part.from_neuron]
    pair = core_to * source.cores + core_from
    most = int(source.sizes.max())
    row = pair * most + source.local[part.from_neuron]
    order = np.argsort(row, kind="stable")
    used, first, counts = np.unique(row[order], return_index=True, return_counts=True)
    word = (
        part.weight[order] << 16
        | (part.delay % slots) << (bits + type_bits)
        | part.type[order] << bits
        | target.local[part.to_neuron[order]]
    ).astype(np.uint32)
    pairs, first_row, pair_of_row = np.unique(used // most, return_index=True, return_inverse=True)
    length = np.maximum.reduceat(counts, first_row) if len(pairs) else counts
    neurons = source.sizes[pairs % source.cores]
    size = neurons * (HEADER + length)
    size += -size % ADDRESS_UNIT
    begin = np.concatenate([[0], np.cumsum(size)])
    memory = np.zeros(int(begin[-1]), np.uint32)
    at = begin[pair_of_row] + (used % most) * (HEADER + length[pair_of_row])
    memory[at + 1] = counts
    rank = np.arange(len(word)) - np.repeat(first, counts)
    memory[np.repeat(at + HEADER, counts) + rank] = word
    starts = np.searchsorted(pairs // source.cores, np.arange(target.cores + 1))
    words = [memory[begin[i] : begin[i + 1]] for i in range(len(pairs))]
    return words, starts.tolist(), (pairs % source.cores).tolist(), length.tolist()


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows of all cores as read back from memory.

    table_core, key, mask, first_row, neurons: per population table entry of any core. A row is in as many pieces as its
    entry has addresses. piece_row, begin, count: per piece, by row: whose it is, where its synapses start in `words`
    and how many there are. words: the memory of all cores in a line. short: pieces whose header says more synapses than
    their block has room for; only those that fit are taken.
    """

    table_core: IntArray
    key: IntArray
    mask: IntArray
    first_row: IntArray
    neurons: IntArray
    color_bits: IntArray
    piece_row: IntArray
    begin: IntArray
    count: IntArray
    words: Words
    short: int


def read(memories: list[CoreMemory]) -> Rows:
    """Follow the population tables of all cores into their rows, as a core does for each packet."""
    sizes = [len(m.rows) for m in memories]
    offset = np.concatenate([[0], np.cumsum(sizes)])
    words = np.concatenate([m.rows for m in memories]) if memories else np.zeros(0, np.uint32)
    entries = np.concatenate([m.entries for m in memories])
    core = np.repeat(np.arange(len(memories)), [len(m.entries) for m in memories])
    listed = np.concatenate([m.addresses for m in memories]).astype(np.int64)
    list_offset = np.concatenate([[0], np.cumsum([len(m.addresses) for m in memories])])
    start, neurons = entries["start"].astype(np.int64), (entries["neurons"] & 0xFFFF).astype(np.int64)
    first_row = np.concatenate([[0], np.cumsum(neurons)])
    blocks = start >> 16
    entry = np.repeat(np.arange(len(entries)), blocks)  # of every block of rows
    address = listed[spans(list_offset[core] + (start & 0x1FFF), blocks)]
    length, block = (address & 0xFF) + 1, offset[core[entry]] + (address >> 8) * ADDRESS_UNIT
    local = spans(np.zeros(len(entry), np.int64), neurons[entry])
    row = np.repeat(first_row[entry], neurons[entry]) + local
    order = np.argsort(row, kind="stable")
    at = (np.repeat(block, neurons[entry]) + local * np.repeat(HEADER + length, neurons[entry]))[order]
    said = words[at + 1].astype(np.int64)
    count = np.minimum(said, np.repeat(length, neurons[entry])[order])
    return Rows(
        core,
        entries["key"].astype(np.int64),
        entries["mask"].astype(np.int64),
        first_row,
        neurons,
        (start >> 13) & 7,
        row[order],
        at + HEADER,
        count,
        words,
        int((said > count).sum()),
    )


def spans(begin: IntArray, count: IntArray) -> IntArray:
    """The numbers begin[0], begin[0] + 1, ... (count[0] of them), then those from begin[1], and so on."""
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(begin - (ends - count), count) + np.arange(total)
