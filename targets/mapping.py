"""Where the neurons of a network are on a chip: the same plain data for every target that has cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.operators import IntArray, Operator, Shape

DIRECTIONS = {"square": ("east-west", "north-south", "chip-to-chip"), "hexagonal": ("E", "NE", "N", "W", "SW", "S")}
"""What hops are counted by, per mesh."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Wiring:
    """Synapses of the chip from one group of neurons to another: operators, or a matrix.

    Attributes:
        source, target: names of the groups.
        source_shape: without batch.
        operators: of the connection.
        matrix: scipy CSR [target, source].
        kind: how the synapses are stored.
    """

    source: str
    target: str
    source_shape: Shape
    operators: tuple[Operator, ...] | None = None
    matrix: Any = None
    kind: Literal["convolution", "dense", "sparse"] = "sparse"


@dataclass(frozen=True, eq=False)
class Resource:
    """What a core can run out of.

    Attributes:
        name: in the plural, as in "80 % of their neurons".
        used: of each core, int64 [cores].
        limit: what a core has.
    """

    name: str
    used: IntArray
    limit: int


@dataclass(frozen=True, eq=False, kw_only=True)
class CoreMap:
    """Groups of neurons on cores. `on_grid` makes one for a plain chip.

    Attributes:
        chip: its name.
        cores: core of every neuron of each group, int64 [size], row-major; groups that are on the host are not in it.
        spikes_of: the network's population whose spikes each group repeats: itself, but for relays.
        depth: chip steps by which each group is behind the input, those on the host too.
        position: x, y of each core's site, int64 [cores, 2].
        chip_of: the chip of each core, int64 [cores].
        sites: every place that can hold cores, used or not: chip (0 where the mesh is hexagonal), x and y, int64
            [sites, 3].
        seats: cores at one site.
        mesh: "square" where each chip is a mesh of tiles, "hexagonal" where the machine is one mesh of chips.
        layout: which arrangement, and where that is published.
        resources: what a core holds, and how much of that is taken.
        wiring: None where the network's own projections are the chip's.
        period: chip steps from one sample to the next; 0 for the network's timesteps.
        per_step: chip steps that a step of the network takes.
        updates: chip steps per sample in which neurons are updated; 0 for all of the period.
        multicast: routers copy packets, so that a spike leaves its core once and a core's spikes all take the same
            tree.
        links: links that each packet of a core crosses, int64 [cores, directions]; with multicast.
        targets: the cores that each core's packets reach; with multicast.
        boards: 0 where a chip is alone.
        compartments: that the chip updates for each neuron of a group, 1 where it does not say.
        notes: what a reader must know of the placement.
    """

    chip: str
    cores: Mapping[str, IntArray]
    spikes_of: Mapping[str, str]
    depth: Mapping[str, int]
    position: IntArray
    chip_of: IntArray
    sites: IntArray
    seats: int = 1
    mesh: Literal["square", "hexagonal"] = "square"
    layout: str = ""
    resources: tuple[Resource, ...] = ()
    wiring: tuple[Wiring, ...] | None = None
    period: int = 0
    per_step: int = 1
    updates: int = 0
    multicast: bool = False
    links: IntArray | None = None
    targets: tuple[IntArray, ...] | None = None
    boards: int = 0
    compartments: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of cores."""
        return len(self.position)

    @property
    def tiles(self) -> int:
        """Sites that hold a core."""
        return len(np.unique(np.column_stack([self.chip_of, self.position]), axis=0))

    @property
    def chips(self) -> int:
        return len(np.unique(self.chip_of))

    @property
    def site_of(self) -> IntArray:
        """Mesh, x and y of each core's site, int64 [cores, 3]."""
        mesh = self.chip_of if self.mesh == "square" else np.zeros_like(self.chip_of)
        return np.column_stack([mesh, self.position])


def on_grid(
    network: IntegerNetwork,
    chip: str,
    cores: Mapping[str, IntArray],
    *,
    columns: int,
    rows: int,
    resources: tuple[Resource, ...] = (),
    layout: str = "",
) -> CoreMap:
    """A network on chips that are grids of cores, numbered row by row and chip after chip.

    Args:
        cores: of every neuron of each population but the input, int64 [size], row-major.
        columns, rows: cores of a chip.
    """
    used = 1 + max(int(core.max()) for core in cores.values())
    number, within = np.divmod(np.arange(used), columns * rows)
    chips, places = np.meshgrid(np.unique(number), np.arange(columns * rows), indexing="ij")
    return CoreMap(
        chip=chip,
        cores=cores,
        spikes_of={p.name: p.name for p in network.populations},
        depth=network.depth,
        position=np.column_stack([within % columns, within // columns]),
        chip_of=number,
        sites=np.column_stack([chips.ravel(), places.ravel() % columns, places.ravel() // columns]),
        resources=resources,
        layout=layout,
    )
