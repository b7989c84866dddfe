"""A SpiNNaker chip's limits, read from the published figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from inflor.targets.chips.limits import published


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one core and one chip hold.

    Attributes:
        cores: for applications, on a chip; fewer by one on a board's Ethernet chip.
        first_core: the number of the first of them.
        neurons: per core.
        index_bits: of a ring buffer: time slot, synapse type and neuron.
        dtcm: data memory per core [bytes].
        sdram: per chip [bytes].
        router_entries: per chip.
        cycles: of a core in a tick of 1 ms.
        spike_buffer: packets that a core can hold.
        per_neuron, per_event, per_packet: instructions of a core.
    """

    chip: str
    cores: int
    first_core: int
    neurons: int
    index_bits: int
    dtcm: int
    sdram: int
    router_entries: int
    cycles: int
    spike_buffer: int
    per_neuron: int
    per_event: int
    per_packet: int


@cache
def limits(chip: str) -> Limits:
    """The limits of "spinnaker1" or "spinnaker2". What is published for the first only is taken for both."""
    first, second = published("spinnaker1"), published("spinnaker2")
    common: dict[str, int] = {
        "neurons": first["neurons_per_core"]["value"],
        "index_bits": first["ring_buffer_index_bits"]["value"],
        "spike_buffer": first["spike_buffer_packets"]["value"],
        **{f"per_{what}": first["instructions"][what] for what in ("neuron", "event", "packet")},
    }
    if chip == "spinnaker1":
        reserved = first["cores_per_chip"]["reserved"]
        return Limits(
            chip=chip,
            cores=first["cores_per_chip"]["value"] - reserved,
            first_core=reserved,
            dtcm=first["dtcm_bytes_per_core"]["value"],
            sdram=first["sdram_per_chip_bytes"]["value"],
            router_entries=first["router_entries"]["value"],
            cycles=first["clock_hz"]["value"] // 1000,
            **common,
        )
    return Limits(
        chip=chip,
        cores=second["pes_per_chip"]["application_visible"],
        first_core=second["pes_per_chip"]["value"] - second["pes_per_chip"]["application_visible"],
        dtcm=second["sram_per_pe_bytes"]["data"],
        sdram=second["dram_per_chip_bytes"]["shipping"],
        router_entries=second["router_entries"]["value"],
        cycles=second["clock_hz"]["value"][0] // 1000,
        **common,
    )
