"""The cores of a chip that a network takes, and how full they are."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from converter.errors import InputError
from inflor.page.contents import Chip, Missing
from inflor.page.words import count, listed, percent, plural
from quant.network import IntegerNetwork
from quant.operators import Conv, Linear, output_shape
from targets import registry
from targets.cost.placing import MOST_SYNAPSES
from targets.loihi.core_map import CORES_PER_TILE, MESH_HEIGHT
from targets.loihi.limits import limits
from targets.loihi.target import LoihiPlan
from targets.mapping import CoreMap
from targets.record import Record
from targets.spinnaker.memory import dtcm_bytes
from targets.spinnaker.plan import SpinnakerPlan

MOST_CORES = 20_000
TITLES = {"loihi1": "Loihi 1", "loihi2": "Loihi 2", "spinnaker1": "SpiNNaker 1", "spinnaker2": "SpiNNaker 2"}
TARGETS = {"loihi1": "loihi", "loihi2": "loihi", "spinnaker1": "spinnaker", "spinnaker2": "spinnaker"}


def chip(network: IntegerNetwork, record: Record, name: str) -> Chip | Missing:
    """The network on the cores of one chip of `TARGETS`, where the estimate of `record` has it too.

    Missing where it does not fit or would take too long.
    """
    title = TITLES[name]
    if name != "loihi2" and synapses(network) > MOST_SYNAPSES:
        return Missing(
            f"{title}: with {synapses(network):,} synapses, which it keeps one by one, placing takes long; "
            f"inflor place --target {TARGETS[name]} does it."
        )
    target: Any = registry.find(TARGETS[name])
    steps = max(record.timesteps * record.samples, 1)
    rates = {
        p.name: float(record.counts[p.name].sum()) / (p.size * steps)
        for p in record.populations
        if p.name in record.counts
    }
    options = {"rates": rates} if TARGETS[name] == "spinnaker" else {"soft_reset": "stock"} if name == "loihi1" else {}
    try:
        plan = target.place(network, chip=name, **options)
        found: CoreMap = importlib.import_module(f"targets.{TARGETS[name]}.core_map").core_map(plan)
    except InputError as error:
        return Missing(f"{title}: the network cannot be placed: {error}")
    if found.size > MOST_CORES:
        return Missing(f"{title}: {count(found.size)} cores are too many to draw")
    return _loihi(found, plan, title) if TARGETS[name] == "loihi" else _spinnaker(found, plan, title)


def synapses(network: IntegerNetwork) -> int:
    """Upper bound of the number of connections: multiply-accumulates of one dense step."""
    total = 0
    for projection in network.projections:
        shape = network.by_name[projection.source].shape
        for operator in projection.operators:
            shape = output_shape((operator,), shape)
            if isinstance(operator, Conv | Linear):
                total += operator.weight[0].size * int(np.prod(shape))
    return total


def _loihi(found: CoreMap, plan: LoihiPlan, title: str) -> Chip:
    """All tiles of every chip in use; a core is as full as its neurons or its synaptic memory, whichever is fuller."""
    known, cores = limits(plan.chip), plan.mapping.cores
    parts = [("neurons", [c.neurons for c in cores], known.neurons)]
    if known.synapse_bits:
        parts.append(("synaptic memory", [c.synapse_bits for c in cores], known.synapse_bits))
    tiles = -(-known.cores_per_chip // CORES_PER_TILE)
    mesh = [divmod(tile, MESH_HEIGHT) for tile in range(tiles)]
    sites = tuple((chip, x, y) for chip in range(found.chips) for x, y in mesh)
    summary = (
        f"{plural(found.size, 'core')} of the {count(known.cores_per_chip * found.chips)} "
        f"on {plural(found.chips, 'chip')}"
    )
    return _drawn(found, plan.chip, title, summary, parts, CORES_PER_TILE, sites)


def _spinnaker(found: CoreMap, plan: SpinnakerPlan, title: str) -> Chip:
    """All chips of the machine; a core is as full as its neurons or its data memory, whichever is fuller."""
    known, machine = plan.limits, plan.machine
    memory = [dtcm_bytes(m, int(n), known.spike_buffer) for m, n in zip(plan.memories, plan.neurons, strict=True)]
    parts = [("neurons", plan.neurons.tolist(), known.neurons), ("data memory", memory, known.dtcm)]
    sites = tuple((0, x, y) for x, y in machine.chips)
    summary = (
        f"{plural(found.size, 'core')} on {plural(found.chips, 'chip')} of the {count(len(machine.chips))} on "
        f"{plural(machine.boards, 'board')}"
    )
    return _drawn(
        replace(found, chip_of=np.zeros_like(found.chip_of)),
        plan.limits.chip,
        title,
        summary,
        parts,
        known.cores,
        sites,
    )


def _drawn(
    found: CoreMap,
    name: str,
    title: str,
    summary: str,
    parts: Sequence[tuple[str, Sequence[int], int]],
    seats: int,
    sites: tuple[tuple[int, int, int], ...],
) -> Chip:
    """parts: what a core can run out of: its name, how much of it every core takes, and how much there is."""
    on_core: list[dict[str, int]] = [{} for _ in range(found.size)]
    for group, cores in found.cores.items():
        for core, neurons in zip(*np.unique(cores, return_counts=True), strict=True):
            on_core[int(core)][group] = int(neurons)
    taken: dict[tuple[int, ...], int] = {}
    rows = []
    for core, held in enumerate(on_core):
        place = (int(found.chip_of[core]), *map(int, found.position[core]))
        taken[place] = taken.get(place, -1) + 1
        first = max(held, key=lambda group: held[group], default="")
        rows.append(
            {
                "core": core,
                "population": found.spikes_of.get(first, first),
                "holds": ", ".join(held),
                "chip": place[0],
                "x": place[1],
                "y": place[2],
                "seat": taken[place],
                "neurons": sum(held.values()),
                "fill": max(used[core] / most for _, used, most in parts),
            }
        )
    shares = [f"{percent(sum(used) / (found.size * most), 0)} of their {what}" for what, used, most in parts]
    text = f"{summary}; they use {listed(shares)}"
    unit = "tile" if found.mesh == "square" else "chip"
    return Chip(name, title, text, unit, seats, tuple(rows), sites, found.size, found.layout)
