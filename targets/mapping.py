"""Where the neurons of a network are on a chip: the same plain data for every target that has cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from inflor.quant.operators import IntArray, Operator, Shape

DIRECTIONS = {"square": ("east-west", "north-south", "chip-to-chip"), "hexagonal": ("E", "NE", "N", "W", "SW", "S")}
"""What hops are counted by, per mesh."""


@dataclass(frozen=True, eq=False)
class Wiring:
    """Synapses of the chip from one group of neurons to another.

    operators: of the connection; or matrix, scipy CSR [target, source]. source_shape: without batch. kind: how they
    are stored.
    """

    source: str
    target: str
    source_shape: Shape
    operators: tuple[Operator, ...] | None = None
    matrix: Any = None
    kind: Literal["convolution", "dense", "sparse"] = "sparse"


@dataclass(frozen=True, eq=False)
class Resource:
    """What a core can run out of. used: of each core, int64 [cores]; limit: that a core has."""

    name: str
    used: IntArray
    limit: int


@dataclass(frozen=True, eq=False)
class CoreMap:
    """Groups of neurons on cores.

    cores: core of every neuron of each group, int64 [size], row-major; groups that are on the host are not in it.
    spikes_of: the network's population whose spikes each group repeats: itself, but for relays.
    depth: chip steps by which each group is behind the input, those on the host too.
    position: x, y of each core's tile (Loihi) or chip (SpiNNaker), int64 [cores, 2]; chip_of: its chip, int64 [cores].
    sites: all tiles of the chips in use, or all chips of the machine: mesh, x and y, int64 [sites, 3]; a chip of Loihi
    is a mesh of its own. seats: cores at one of them. resources: what a core holds, and how much of that is taken.
    wiring: None where the network's own projections are the chip's. period: chip steps from one sample to the next, 0
    for the network's timesteps; per_step: chip steps that a step of the network takes; updates: chip steps per sample
    in which neurons are updated, 0 for all of the period.
    multicast: routers copy packets, so that a spike leaves its core once and a core's spikes all take the same tree.
    links: int64 [cores, directions], links that each of its packets crosses; targets: the cores that it reaches.
    boards: 0 where a chip is alone. layout: which arrangement, and where that is published.
    """

    chip: str
    mesh: Literal["square", "hexagonal"]
    layout: str
    cores: Mapping[str, IntArray]
    spikes_of: Mapping[str, str]
    depth: Mapping[str, int]
    position: IntArray
    chip_of: IntArray
    sites: IntArray
    seats: int
    resources: tuple[Resource, ...]
    wiring: tuple[Wiring, ...] | None = None
    period: int = 0
    per_step: int = 1
    updates: int = 0
    multicast: bool = False
    links: IntArray | None = None
    targets: tuple[IntArray, ...] | None = None
    boards: int = 0
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of cores."""
        return len(self.position)

    @property
    def tiles(self) -> int:
        """Tiles (Loihi) or chips (SpiNNaker) that hold a core."""
        return len(np.unique(np.column_stack([self.chip_of, self.position]), axis=0))

    @property
    def chips(self) -> int:
        return len(np.unique(self.chip_of))

    @property
    def site_of(self) -> IntArray:
        """Mesh, x and y of each core's site, int64 [cores, 3]."""
        mesh = self.chip_of if self.mesh == "square" else np.zeros_like(self.chip_of)
        return np.column_stack([mesh, self.position])
