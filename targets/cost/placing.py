"""Places a network on the cores of a chip for its estimate, where it can be placed in reasonable time."""

from __future__ import annotations

import dataclasses

from converter.errors import InputError
from targets.cost.activity import Activity
from targets.cost.limits import published
from targets.cost.mapped import count_mapped
from targets.cost.models.terms import Case
from targets.cost.result import Counts
from targets.cost.updates import Updates
from targets.mapping import CoreMap

MOST_SYNAPSES = 30_000_000
"""That are laid out one by one, for a chip that stores every connection."""
SYNAPSE_BITS = 8 + 12
"""Of a sparse synapse on Loihi 1: weight and index (hardware.yaml, loihi1.synapse_block)."""


def place(activity: Activity, counts: Counts, updates: Updates, chip: str) -> Case:
    """The record on the cores of a chip; without cores, and with the reason, where the network cannot be placed."""
    synapses = int(counts.total("synapses"))
    if chip != "loihi2" and synapses > MOST_SYNAPSES:
        return Case(activity, counts, reason=_too_many(chip, synapses))
    try:
        core_map = _loihi(activity, chip) if chip.startswith("loihi") else _spinnaker(activity, chip)
    except InputError as error:
        return Case(activity, counts, reason=f"not placed on {chip} ({error})")
    mapped, load = count_mapped(activity, core_map, updates)
    return Case(activity, counts, mapped, load)


def _too_many(chip: str, synapses: int) -> str:
    reason = f"not placed on {chip}: {synapses:.3g} synapses, and more than {MOST_SYNAPSES:.0e} are not laid out here"
    if chip != "loihi1":
        return reason
    cores = -(-synapses * SYNAPSE_BITS // published(chip)["synapse_bits_per_core"]["value"])
    return (
        f"{reason} (their memory alone would take {cores} cores of {published(chip)['cores_per_chip']['value']} a chip)"
    )


def _loihi(activity: Activity, chip: str) -> CoreMap:
    from targets.loihi.core_map import core_map
    from targets.loihi.target import place

    if chip == "loihi2":
        return core_map(place(activity.network, chip=chip))
    try:
        return core_map(place(activity.network, chip=chip, soft_reset="stock"))
    except InputError as error:
        note = f"placed with neuron programs, which {chip} does not have, as stock neurons are refused: {error}"
        made = core_map(place(activity.network, chip=chip))
        return dataclasses.replace(made, notes=(*made.notes, note))


def _spinnaker(activity: Activity, chip: str) -> CoreMap:
    from targets.spinnaker.core_map import core_map
    from targets.spinnaker.target import place

    totals, steps = activity.totals, activity.steps
    rates = {
        p.name: float(totals[p.name].sum()) / (p.size * steps)
        for p in activity.network.populations
        if activity.fires(p.name)
    }
    return core_map(place(activity.network, chip=chip, rates=rates))
