"""Reads a network back from what the machine holds, and compares it with the one that was lowered.

From the keys that cores send, through compressed routing tables and population tables, to the words of the rows: each
synapse that a spike would reach, on whatever core.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inflor.quant.operators import IntArray
from inflor.targets.spinnaker.place.memory import spans
from inflor.targets.spinnaker.plan import SpinnakerPlan
from inflor.targets.spinnaker.simulate.synapses import connect


@dataclass(frozen=True, eq=False)
class Difference:
    """Synapses of the lowered network that the machine does not hold, and those that it holds beyond them.

    Both int64 [n, 5]: source neuron, target neuron (numbered core by core), type, delay, magnitude as stored.
    """

    missing: IntArray
    surplus: IntArray

    def __bool__(self) -> bool:
        return bool(len(self.missing) or len(self.surplus))


def compare_synapses(plan: SpinnakerPlan) -> Difference:
    """What differs between the machine's memories and tables, and the network."""
    wanted, held = lowered_synapses(plan), held_synapses(plan)
    return Difference(_without(wanted, held), _without(held, wanted))


def lowered_synapses(plan: SpinnakerPlan) -> IntArray:
    """All synapses of the lowered network, int64 [n, 5] as in `Difference`, sorted."""
    first = np.concatenate([[0], np.cumsum(plan.neurons)])
    number = {}
    for i, cut in enumerate(plan.partitions):
        core = plan.first_core[i] + cut.core
        number[cut.name] = first[core] + cut.local
    parts = [np.zeros((0, 5), np.int64)]
    for connection in plan.lowering.connections:
        matrix = connection.matrix
        source = np.repeat(number[connection.source], np.diff(matrix.indptr))
        target = number[connection.target][matrix.indices]
        weight, kind = plan.lowering.stored(connection)
        parts.append(np.stack([source, target, kind, np.full(matrix.nnz, connection.delay), weight], axis=1))
    return _sorted(np.concatenate(parts))


def held_synapses(plan: SpinnakerPlan) -> IntArray:
    """All synapses that the machine holds and a packet reaches, int64 [n, 5] as in `Difference`, sorted."""
    synapses = connect(plan)
    first = np.concatenate([[0], np.cumsum(plan.neurons)])
    source = np.repeat(np.arange(int(first[-1])), np.diff(synapses.start))
    known = synapses.row >= 0
    row, source = synapses.row[known], source[known]
    length = synapses.row_start[row + 1] - synapses.row_start[row]
    index = spans(synapses.row_start[row], length)
    ring = synapses.ring[index]
    core = np.searchsorted(synapses.ring_base, ring, side="right") - 1
    bits = np.array([m.neuron_bits for m in plan.memories])[core]
    local = ring - synapses.ring_base[core]
    target = first[core] + (local & ((1 << bits) - 1))
    weight = synapses.weight[index].astype(np.int64)
    columns = [np.repeat(source, length), target, local >> bits, synapses.delay[index], weight]
    return _sorted(np.stack(columns, axis=1))


def _sorted(synapses: IntArray) -> IntArray:
    return synapses[np.lexsort(synapses.T[::-1])]


def _without(one: IntArray, other: IntArray) -> IntArray:
    """The rows of one that the other does not have, or has less often."""
    if np.array_equal(one, other):
        return one[:0]
    both = np.concatenate([one, other])
    rows, inverse = np.unique(both, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    surplus = np.bincount(inverse[: len(one)], minlength=len(rows)) - np.bincount(
        inverse[len(one) :], minlength=len(rows)
    )
    return rows[surplus > 0]
