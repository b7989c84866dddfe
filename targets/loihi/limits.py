"""A chip's limits, read from `targets/chips/hardware.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from inflor.targets.chips.limits import published


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one core and one chip hold; None where no figure is published.

    Attributes:
        neurons: per core.
        synapse_bits: memory of synapses per core [bits].
        in_axons, out_axons: entries per core.
        weight_bits: widths that synapses can be stored in.
        index_bits: widths that the index of a sparse synapse can be stored in.
        exponent: largest weight exponent either way.
        thresholds, decays, formats: different thresholds, pairs of decays and kinds of synapse per core.
        delay: longest synaptic delay [steps].
        simulated_delay: the same, or that of the simulator where the chip's is not published [steps].
        shared_convolutions: whether a convolution's kernel is stored once.
        neuron_programs: whether neurons can be programmed.
        graded_bits: payload of a spike [bits].
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
    simulated_delay: int
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
            chip=chip,
            cores_per_chip=value("cores_per_chip"),
            neurons=value("neurons_per_core"),
            synapse_bits=value("synapse_bits_per_core"),
            in_axons=value("in_axons_per_core"),
            out_axons=value("out_axon_slots_per_core"),
            weight_bits=tuple(value("weight_bits_allowed")),
            index_bits=tuple(value("index_bits_allowed")),
            exponent=value("weight_exponent", "nengo_loihi")[1],
            thresholds=value("configs_per_core", "threshold"),
            decays=value("configs_per_core", "compartment"),
            formats=value("configs_per_core", "synapse_format"),
            delay=value("delay_bits", "largest"),  # delay_steps, from another source, says 62
            simulated_delay=value("delay_bits", "largest"),
            shared_convolutions=False,
            neuron_programs=value("microcode"),
            graded_bits=value("spike_payload_bits"),
        )
    return Limits(
        chip=chip,
        cores_per_chip=value("cores_per_chip"),
        neurons=value("neurons_per_core"),
        synapse_bits=8 * value("memory_per_core_bytes", "synapses"),
        in_axons=None,
        out_axons=None,
        weight_bits=(value("weight_bits"),),
        index_bits=None,
        exponent=None,
        thresholds=None,
        decays=None,
        formats=None,
        delay=None,
        simulated_delay=value("delay_steps", "simulated"),
        shared_convolutions=value("conv_weight_sharing"),
        neuron_programs=value("microcode"),
        graded_bits=value("graded_payload_bits", "hardware"),
    )
