"""A SpiNNaker chip's limits, read from the published figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from inflor.targets.chips.limits import published

CHIPS = ("spinnaker1", "spinnaker2")


@dataclass(frozen=True)
class Limits:
    """What one core and one chip hold.

    cores: for applications, on a chip; fewer by one on a board's Ethernet chip. first_core: its number.
    index_bits: of a ring buffer, time slot + synapse type + neuron. dtcm, sdram: bytes per core, per chip.
    cycles: per tick of 1 ms. spike_buffer: packets. per_neuron, per_event, per_packet: instructions.
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
    work = first["instructions"]
    common = (first["spike_buffer_packets"]["value"], work["neuron"], work["event"], work["packet"])
    if chip == "spinnaker1":
        monitors = 2
        return Limits(
            chip,
            first["cores_per_chip"]["value"] - monitors,
            monitors,
            first["neurons_per_core"]["value"],
            first["ring_buffer_index_bits"]["value"],
            first["dtcm_bytes_per_core"]["value"],
            first["sdram_per_chip_bytes"]["value"],
            first["router_entries"]["value"],
            first["clock_hz"]["value"] // 1000,
            *common,
        )
    return Limits(
        chip,
        second["pes_per_chip"]["application_visible"],
        second["pes_per_chip"]["value"] - second["pes_per_chip"]["application_visible"],
        first["neurons_per_core"]["value"],
        first["ring_buffer_index_bits"]["value"],
        second["sram_per_pe_bytes"]["data"],
        second["dram_per_chip_bytes"]["shipping"],
        second["router_entries"]["value"],
        second["clock_hz"]["value"][0] // 1000,
        *common,
    )
