"""Populations cut into cores: slices of at most 256 neurons, or 2-D tiles of maps, whichever hears fewer packets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from inflor.quant.operators import IntArray, Shape
from inflor.targets.spinnaker.limits import Limits
from inflor.targets.spinnaker.numbers import Connection, Lowered, Lowering

FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Partition:
    """One population on its cores. core: of each neuron in row-major order; local: its place on it.

    order: row-major neurons, core by core. start: [cores + 1], of each core in `order`. tile: shape of one core's share
    of the population's shape, or its number of neurons. heard: packets per tick that its cores receive if all sources
    fire at their rates. other: the same for the best alternative, by name.
    """

    name: str
    tile: tuple[int, ...]
    core: IntArray
    local: IntArray
    order: IntArray
    start: IntArray
    heard: float = 0.0
    other: Mapping[str, float] | None = None

    @property
    def cores(self) -> int:
        return len(self.start) - 1

    @property
    def sizes(self) -> IntArray:
        return np.diff(self.start)

    @property
    def neuron_bits(self) -> int:
        """Bits that number a neuron on the fullest of the cores."""
        return int(self.sizes.max() - 1).bit_length()


def neurons_per_core(lowered: Lowered, limits: Limits, most: int | None) -> int:
    """What the core and the ring buffer's index allow."""
    slot_bits = (lowered.slots - 1).bit_length()
    left = limits.index_bits - lowered.ports.type_bits - slot_bits
    return min(limits.neurons, 1 << left, most or limits.neurons)


def partition(
    lowering: Lowering, limits: Limits, most: int | None = None, rates: Mapping[str, float] | None = None
) -> dict[str, Partition]:
    """Cut every population. most: neurons per core. rates: spikes per neuron and tick; 1 where unknown."""
    done: dict[str, Partition] = {}
    for lowered in lowering.populations:
        name = lowered.population.name
        incoming = [c for c in lowering.connections if c.target == name]
        allowed = neurons_per_core(lowered, limits, most)
        made = candidates(name, lowered.population.shape, allowed)
        by_packet: dict[tuple[str, int], list[Connection]] = {}  # one packet serves all ports
        for c in incoming:
            by_packet.setdefault((c.source, c.delay), []).append(c)
        reached = [_reach(c, done[c[0].source], rates or {}) for c in by_packet.values() if c[0].source in done]
        # what comes back from populations not cut yet is not weighed
        back = [c for c in by_packet.values() if c[0].source == name]
        heard = [
            float(sum(_heard(cut, *reach) for reach in (*reached, *(_reach(c, cut, rates or {}) for c in back))))
            for cut in made
        ]
        # without spikes to hear, squarest tiles: what comes after sees neighbours on the same core
        best = min(range(len(made)), key=lambda i: (heard[i], made[i].cores, _perimeter(made[i].tile)))
        other = {"x".join(map(str, c.tile)): h for c, h in zip(made, heard, strict=True)}
        done[name] = replace(made[best], heard=heard[best], other=other)
    return done


def candidates(name: str, shape: Shape, most: int) -> list[Partition]:
    """The slice of neighbours in row-major order, and every tile that fills cores as well or nearly so."""
    size = math.prod(shape)
    fewest = -(-size // most)
    even = -(-size // fewest)
    cuts = [make(name, (even,), np.arange(size) // even)]
    if len(shape) != 3:
        return cuts
    channels, height, width = shape
    for h in _shares(height):
        for w in _shares(width):
            if h * w > most:
                continue
            c = -(-channels // -(-channels // min(channels, most // (h * w))))
            index = [np.arange(n) // t for n, t in zip(shape, (c, h, w), strict=True)]
            across = [int(i[-1]) + 1 for i in index]
            if math.prod(across) > 1.25 * fewest:
                continue
            core = (index[0][:, None, None] * across[1] + index[1][:, None]) * across[2] + index[2]
            cuts.append(make(name, (c, h, w), core.ravel()))
    return cuts


def make(name: str, tile: tuple[int, ...], core: IntArray) -> Partition:
    """A partition from the core of every neuron."""
    order = np.argsort(core, kind="stable")
    sizes = np.bincount(core)
    start = np.concatenate([[0], np.cumsum(sizes)])
    local = np.empty_like(order)
    local[order] = np.arange(len(order)) - start[core[order]]
    return Partition(name, tile, core, local, order, start)


def _shares(length: int) -> list[int]:
    """Sensible tile lengths: length over 1, 2, 3, ... rounded up, each once."""
    return sorted({-(-length // n) for n in range(1, length + 1)})


def _perimeter(tile: tuple[int, ...]) -> int:
    return tile[1] + tile[2] if len(tile) == 3 else 1 << 30


def links(connection: Connection, source: Partition, target: Partition) -> IntArray:
    """Synapses from each core of the source to each of the target, int64 [source cores, target cores]."""
    from_core = np.repeat(source.core, np.diff(connection.matrix.indptr))
    pair = from_core * target.cores + target.core[connection.matrix.indices]
    return np.bincount(pair, minlength=source.cores * target.cores).reshape(source.cores, target.cores)


def _reach(
    connections: list[Connection], source: Partition, rates: Mapping[str, float]
) -> tuple[IntArray, IntArray, FloatArray]:
    """Each pair of a source core and a target neuron that it has synapses on, and the packets that each core sends.

    connections: between the same two populations.
    """
    size = connections[0].matrix.shape[1]
    flags = np.zeros(source.cores * size, bool)
    for connection in connections:
        from_core = np.repeat(source.core, np.diff(connection.matrix.indptr))
        flags[from_core * size + connection.matrix.indices] = True
    core, neuron = np.divmod(np.flatnonzero(flags), size)
    sent = (source.sizes * rates.get(connections[0].source, 1.0)).astype(np.float64)
    return core, neuron, sent


def _heard(cut: Partition, core: IntArray, neuron: IntArray, sent: FloatArray) -> float:
    """Packets per tick: every spike of a source core reaches every core that one of its neurons has synapses on."""
    flags = np.zeros((len(sent), cut.cores), bool)
    flags[core, cut.core[neuron]] = True
    return float(sent @ flags.sum(1))
