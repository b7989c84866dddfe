"""The input ports of a population on a core: two synapse types each, one for either sign of a weight.

What is only added up is one port. A group of ports that spikes reach has a port for each place of its window, masked
where that lies in the padding, and the core takes the largest of their sums at its tick. A group that the graded input
alone reaches has none: the host pools it. Ports share the bits that number a ring buffer with neurons and time slots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse

from inflor.quant.ir.network import Population
from inflor.quant.ir.ports import Group
from inflor.quant.operators import IntArray

INDEX_BITS = 14
"""Of a ring buffer: time slot, synapse type and neuron."""


@dataclass(frozen=True, eq=False)
class Joined:
    """One group of ports of a population.

    Attributes:
        group: what they are in the network.
        places: int64 [ports of a neuron, neurons], the place of the group's map that each reads, -1 where masked.
        first: the first of its ports that have ring buffers; None where the host pools.
        host: what the graded input brings to the map, by delay in steps, scipy CSR [source, map], in integer units.
    """

    group: Group
    places: IntArray
    first: int | None
    host: Mapping[int, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Ports:
    """All ports of a population. count: of those that have ring buffers, that of what is only added up the first.

    plain: whether there is that one, or no other.
    """

    count: int = 1
    joined: tuple[Joined, ...] = ()
    plain: bool = True

    @property
    def types(self) -> int:
        """Synapse types."""
        return 2 * self.count

    @property
    def type_bits(self) -> int:
        """Bits that number a synapse type."""
        return (self.types - 1).bit_length()


def number_ports(population: Population, spiking: Sequence[str], host: Mapping[str, Mapping[int, Any]]) -> Ports:
    """The ports of a population.

    Args:
        spiking: the groups that spikes reach, "" for what is only added up.
        host: by group, what the graded input brings to it, by delay.
    """
    reached = [group.name for group in population.groups if group.name in spiking]
    plain = "" in spiking or not reached
    count, joined = int(plain), []
    for group in population.groups:
        places = group.ports(population.shape).reshape(group.count, population.size)
        own = group.name in reached
        joined.append(Joined(group, places, count if own else None, host.get(group.name, {})))
        count += own * group.count
    return Ports(count, tuple(joined), plain)


def into_ports(joined: Joined, matrix: Any) -> list[tuple[int, Any]]:
    """Synapses on a group's map as those on each of its ports: (port, scipy CSR [source, neuron]).

    matrix: scipy CSR [source, map].
    """
    assert joined.first is not None
    made = []
    for k, places in enumerate(joined.places):
        neurons = np.flatnonzero(places >= 0)
        parts = (np.ones(len(neurons), np.int64), (places[neurons], neurons))
        selected = scipy.sparse.csr_matrix(parts, shape=(matrix.shape[1], len(places)))
        made.append((joined.first + k, (matrix @ selected).tocsr()))
    return made
