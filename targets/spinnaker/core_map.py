"""Where a plan's cores are on the machine, and the trees that their packets take."""

from __future__ import annotations

import numpy as np

from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.operators import IntArray
from inflor.targets.api import Rates
from inflor.targets.mapping import CoreMap, Resource, Wiring
from inflor.targets.spinnaker.options import SpinnakerOptions
from inflor.targets.spinnaker.place.machine import LINKS, Chip
from inflor.targets.spinnaker.place.routing import tree
from inflor.targets.spinnaker.plan import SpinnakerPlan
from inflor.targets.spinnaker.target import place


def on_chip(network: IntegerNetwork, chip: str, rates: Rates) -> CoreMap:
    """The network on as few boards as it takes, placed by the traffic of these spike rates.

    Raises:
        InputError: it cannot be lowered, or no machine is large enough.
    """
    return core_map(place(network, SpinnakerOptions(chip=chip), rates))


def core_map(plan: SpinnakerPlan) -> CoreMap:
    """Every population on its cores; x, y are those of the machine's chips."""
    machine, names = plan.machine, [p.name for p in plan.partitions]
    first = dict(zip(names, plan.first_core.tolist(), strict=False))
    lowering, schedule = plan.lowering, plan.lowering.schedule
    shapes = {p.name: p.shape for p in plan.network.populations}
    place = "plan of traffic" if plan.options.placement == "traffic" else "order of the network"
    return CoreMap(
        chip=plan.limits.chip,
        mesh="hexagonal",
        layout=f"{machine.boards} board{'s' if machine.boards > 1 else ''} of 48 chips on a hexagonal mesh, cores "
        f"placed by {place}, multicast trees longest dimension first",
        cores={p.name: p.core + first[p.name] for p in plan.partitions},
        spikes_of={name: name for name in names},
        depth=dict(schedule.stage),
        position=np.array(machine.chips)[plan.placement.chip],
        chip_of=plan.placement.chip,
        sites=np.array([(0, *chip) for chip in machine.chips]),
        seats=plan.limits.cores,
        resources=(
            Resource("neurons", plan.neurons, plan.limits.neurons),
            Resource("data memory", plan.dtcm, plan.limits.dtcm),
        ),
        wiring=tuple(
            Wiring(source=c.source, target=c.target, source_shape=shapes[c.source], matrix=c.matrix.T.tocsr())
            for c in lowering.connections
        ),
        period=schedule.per_step * (schedule.timesteps + schedule.guard),
        per_step=schedule.per_step,
        updates=schedule.timesteps,
        multicast=True,
        links=_links(plan),
        targets=plan.targets,
        boards=machine.boards,
        notes=(
            "the host computes the current of the graded input and writes it to the chip: not counted here",
            *(f"the mapping breaks a limit: {v}" for v in plan.violations),
        ),
    )


def _links(plan: SpinnakerPlan) -> IntArray:
    """Links of each direction in the tree of every core, int64 [cores, 6]."""
    found = np.zeros((len(plan.targets), len(LINKS)), np.int64)
    known: dict[tuple[Chip, tuple[Chip, ...]], IntArray] = {}
    for core, there in enumerate(plan.targets):
        source = plan.machine.chips[int(plan.placement.chip[core])]
        chips = tuple(sorted({plan.machine.chips[int(plan.placement.chip[t])] for t in there}))
        if (source, chips) not in known:
            links = [link for _, out in tree(plan.machine, source, chips).values() for link in out]
            known[source, chips] = np.bincount(np.array(links, np.int64), minlength=len(LINKS))
        found[core] = known[source, chips]
    return found
