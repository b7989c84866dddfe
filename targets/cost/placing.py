"""Places a network on the cores of a chip for its estimate, where it can be placed in reasonable time."""

from __future__ import annotations

from inflor.converter.errors import InputError
from inflor.targets import registry
from inflor.targets.chips.limits import published
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.mapped import count_mapped
from inflor.targets.cost.result import Counts
from inflor.targets.cost.terms import Case
from inflor.targets.cost.updates import Updates
from inflor.targets.mapping import CoreMap

MOST_SYNAPSES = 30_000_000
"""That are laid out one by one, for a chip that stores every connection."""
SYNAPSE_BITS = 8 + 12
"""Of a sparse synapse on Loihi 1: weight and index (hardware.yaml, loihi1.synapse_block)."""


def place(activity: Activity, chip: str) -> CoreMap:
    """The network on the cores of a chip.

    Raises:
        InputError: it cannot be lowered, is too large to be placed here, or nothing places on the chip.
    """
    target = registry.of_chip(chip)
    if target is None or target.core_map is None:
        raise InputError(f"no target places networks on {chip}")
    synapses = sum(int(c.fan_out.sum()) for c in activity.connections.values())
    if synapses > MOST_SYNAPSES and target.chips[chip].every_synapse:
        raise InputError(f"{_too_many(chip, synapses)}; inflor place does it, on target {target.name!r}, in its time")
    return target.core_map(activity.network, chip, activity.record.rates)


def count_on(core_map: CoreMap, activity: Activity, counts: Counts, updates: Updates) -> Case:
    """What the record does on those cores."""
    mapped, load = count_mapped(activity, core_map, updates)
    return Case(activity=activity, counts=counts, mapped=mapped, load=load)


def _too_many(chip: str, synapses: int) -> str:
    reason = f"{synapses:.3g} synapses, and more than {MOST_SYNAPSES:.0e} are not laid out here"
    memory = published(chip).get("synapse_bits_per_core")
    if memory is None:
        return reason
    cores = -(-synapses * SYNAPSE_BITS // memory["value"])
    return (
        f"{reason} (their memory alone would take {cores} cores of {published(chip)['cores_per_chip']['value']} a chip)"
    )
