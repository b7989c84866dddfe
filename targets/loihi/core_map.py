"""Where a plan's cores are on Loihi: tiles of four cores on a mesh."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.operators import Conv, IntArray, Shape
from inflor.targets.api import Rates
from inflor.targets.loihi.layout.linear import Kernel
from inflor.targets.loihi.limits import limits
from inflor.targets.loihi.options import LoihiOptions
from inflor.targets.loihi.place.pack import ON_HOST, compartments
from inflor.targets.loihi.plan import Synapses
from inflor.targets.loihi.target import LoihiPlan, place
from inflor.targets.mapping import CoreMap, Resource, Wiring

CORES_PER_TILE = 4
MESH_HEIGHT = 4
LAYOUT = (
    "32 tiles of 4 cores on a mesh of 8 x 4 tiles, numbered column by column, filled in the order of the network "
    "(SLAM-Lab/SANA-FE@8951ab0:arch/loihi.yaml; Intel publishes no numbering)"
)


def on_chip(network: IntegerNetwork, chip: str, rates: Rates) -> CoreMap:
    """The network with neuron programs where the chip has them, else with stock neurons as far as these go.

    Raises:
        InputError: it cannot be lowered.
    """
    if limits(chip).neuron_programs:
        return core_map(place(network, LoihiOptions(chip=chip), rates))
    try:
        stock = core_map(place(network, LoihiOptions(chip=chip, soft_reset="stock"), rates))
        why = "with stock neurons the host computes all of it"
    except InputError as error:
        stock, why = None, f"stock neurons are refused: {error}"
    if stock is not None and stock.cores:
        return stock
    made = core_map(place(network, LoihiOptions(chip=chip), rates))
    if not made.cores:
        made = core_map(place(network, LoihiOptions(chip=chip, first_layer="chip"), rates))
    note = f"placed with neuron programs, which {chip} does not have, as {why}"
    return replace(made, notes=(*made.notes, note))


def core_map(plan: LoihiPlan) -> CoreMap:
    """Every group that is not the host's on the cores that the mapper gave it; relays and self-inhibition included."""
    mapping = plan.mapping
    groups = {g.name: g for g in plan.layout.groups}
    cores: dict[str, IntArray] = {}
    for number, core in enumerate(mapping.cores):
        group = groups[core.population]
        table = cores.setdefault(group.name, np.zeros(group.size, np.int64)).reshape(group.shape)
        channels, rows = slice(*core.channels), slice(*core.rows)
        table[(channels, rows) if table.ndim > 1 else channels] = number
    chip, within = np.divmod(np.arange(len(mapping.cores)), mapping.cores_per_chip)
    tile = within // CORES_PER_TILE
    known = limits(plan.chip)
    tiles = np.arange(-(-known.cores_per_chip // CORES_PER_TILE))
    mesh = np.repeat(np.unique(chip), len(tiles))
    resources = [Resource("neurons", np.array([c.compartments for c in mapping.cores]), known.neurons)]
    if known.synapse_bits:
        bits = np.array([c.synapse_bits for c in mapping.cores])
        resources.append(Resource("synaptic memory", bits, known.synapse_bits))
    notes = [
        f"computed on the host, whose work and packets to the chip are not counted: {g.name}"
        for g in plan.layout.groups
        if g.role == "encoder"
    ]
    return CoreMap(
        chip=plan.chip,
        cores=cores,
        spikes_of={g.name: g.population.name for g in plan.layout.groups},
        depth={g.name: g.depth for g in plan.layout.groups},
        position=_on_mesh(tile),
        chip_of=chip,
        sites=np.column_stack([mesh, np.tile(_on_mesh(tiles), (len(mesh) // len(tiles), 1))]),
        seats=CORES_PER_TILE,
        layout=LAYOUT,
        resources=tuple(resources),
        wiring=tuple(
            wiring
            for s in plan.layout.synapses
            if groups[s.target].role not in ON_HOST
            for wiring in _wirings(s, groups[s.source].shape, groups[s.target].shape)
        ),
        compartments={g.name: compartments(plan.layout, g, known) for g in plan.layout.groups if g.name in cores},
        period=plan.layout.period,
        notes=(*notes, *(f"the mapping breaks a limit: {v}" for v in mapping.violations)),
    )


def _on_mesh(tile: IntArray) -> IntArray:
    return np.column_stack(np.divmod(tile, MESH_HEIGHT))


def _wirings(synapses: Synapses, source: Shape, target: Shape) -> list[Wiring]:
    """One for each input port of the neurons, so that a spike that comes in by several of them counts in each."""
    ports = synapses.ports
    wiring = Wiring(source=synapses.source, target=synapses.target, source_shape=source)
    if synapses.kernel is None:
        rows = np.arange(ports * math.prod(target)).reshape(target[0], ports, -1)
        matrices = [synapses.matrix[rows[:, k].ravel()] for k in range(ports)] if ports > 1 else [synapses.matrix]
        return [replace(wiring, matrix=matrix, kind=synapses.kind) for matrix in matrices]
    kernel: Kernel = synapses.kernel
    padding = tuple((p, p) for p in kernel.padding)
    convs = [
        Conv(synapses.name, kernel.weight[k::ports], kernel.stride, padding, kernel.dilation, kernel.groups)
        for k in range(ports)
    ]
    return [replace(wiring, source_shape=kernel.in_shape, operators=(c,), kind="convolution") for c in convs]
