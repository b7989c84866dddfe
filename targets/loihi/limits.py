"""A chip's limits, read from `targets/chips/hardware.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from inflor.targets.chips.limits import published


@dataclass(frozen=True)
class Limits:
    """What one core and one chip hold; None where no figure is published.

    synapse_bits: per core. in_axons, out_axons: entries per core. weight_bits: widths that synapses can be stored in.
    exponent: largest weight exponent either way. thresholds, decays, formats (of synapses): different ones per core.
    delay: steps.
    """

    chip: str
    cores_per_chip: int
    neurons: int
    synapse_bits: int
    in_axons: int | None
    out_axons: int | None
    weight_bits: tuple[int, ...]
    index_bits: tuple[int, ...] | None
    exponent: int | None
    thresholds: int | None
    decays: int | None
    formats: int | None
    delay: int | None
    shared_convolutions: bool
    neuron_programs: bool
    graded_bits: int

    @property
    def unpublished(self) -> tuple[str, ...]:
        """Names of the limits that are not known."""
        return tuple(name for name, value in vars(self).items() if value is None)


@cache
def limits(chip: str) -> Limits:
    """The limits of "loihi1" or "loihi2". Where sources disagree, the stricter figure."""
    data = published(chip)

    def value(name: str, key: str = "value") -> Any:
        return data.get(name, {}).get(key)

    if chip == "loihi1":
        return Limits(
            chip,
            value("cores_per_chip"),
            value("neurons_per_core"),
            value("synapse_bits_per_core"),
            value("in_axons_per_core"),
            value("out_axon_slots_per_core"),
            tuple(value("weight_bits_allowed")),
            tuple(value("index_bits_allowed")),
            value("weight_exponent", "nengo_loihi")[1],
            value("configs_per_core", "threshold"),
            value("configs_per_core", "compartment"),
            value("configs_per_core", "synapse_format"),
            (1 << 3) - 1,  # delay_bits: a field of 3 bits; delay_steps, from another source, says 62
            False,
            value("microcode"),
            value("spike_payload_bits"),
        )
    return Limits(
        chip,
        value("cores_per_chip"),
        value("neurons_per_core"),
        8 * SYNAPTIC_BYTES,
        None,
        None,
        (value("weight_bits"),),
        None,
        None,
        None,
        None,
        None,
        None,
        value("conv_weight_sharing"),
        value("microcode"),
        value("graded_payload_bits", "hardware"),
    )


SYNAPTIC_BYTES = 131_072
"""Of the 192 KiB of a Loihi 2 core, the most that synapses can have: note of loihi2.memory_per_core_bytes."""
