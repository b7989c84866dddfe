"""What the emulator decides before it runs: a number format per population, and how many samples fit in memory."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch

from inflor.converter.errors import InputError, MissingPartError
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.ir.ranges import prove_no_overflow, state_ranges
from inflor.quant.run.kernel import Kernel, Profile
from inflor.targets.api import Rates, Violation
from inflor.targets.cpu.options import CpuOptions
from inflor.targets.cpu.profiles import choose
from inflor.targets.record.file import RecordedPopulation, recorded_populations

CACHE = 1 << 25
"""Bytes of activations that run fastest: a larger batch leaves the processor's caches and gains nothing."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CpuPlan:
    """A network ready to be emulated.

    groups: populations that run together, in order; more than one where they form a cycle. last_use: index of the group
    after which a source can be forgotten.
    """

    network: IntegerNetwork
    groups: tuple[tuple[Kernel, ...], ...]
    last_use: dict[str, int]
    batch: int
    threads: int | None
    device: str
    profile: Profile

    @property
    def populations(self) -> tuple[RecordedPopulation, ...]:
        """Every population of the network but the input."""
        return recorded_populations(self.network)

    def summary(self) -> dict[str, Any]:
        formats = Counter(str(k.dtype).removeprefix("torch.") for group in self.groups for k in group)
        return {
            "batch": self.batch,
            "device": self.device,
            "state_bits": self.profile.state_bits,
            "overflow": self.profile.overflow,
            "formats": dict(formats),
        }


def violations(network: IntegerNetwork, options: CpuOptions) -> list[Violation]:
    """The populations that are not proved to stay within the width of their state; 64 bits are always enough."""
    bits = choose(options).state_bits
    risks = [] if bits is None else prove_no_overflow(network, bits)
    mend = "allow more `state_bits`, or choose `overflow='saturate'`"
    return [Violation(r.population, "state bits", r.bits_needed, bits, mend, fatal=False) for r in risks]


def place(network: IntegerNetwork, options: CpuOptions, rates: Rates) -> CpuPlan:
    """Compile every population: choose number formats, and a batch that fits into memory.

    Raises:
        InputError: one sample alone needs more memory. MissingPartError: no such device.
    """
    profile, device, memory = choose(options), options.device, options.memory
    if device == "cuda" and not torch.cuda.is_available():
        raise MissingPartError("`device='cuda'` needs a CUDA device and build of torch; run with `device='cpu'`")
    ranges = state_ranges(network)
    groups = tuple(
        tuple(Kernel(network, network.by_name[name], ranges[name], profile, device) for name in component)
        for component in network.components
        if network.by_name[component[0]].role != "input"
    )
    last_use = {q.source: i for i, group in enumerate(groups) for kernel in group for q in kernel.projections}
    needed = _bytes_per_sample(network, groups, last_use)
    if needed > memory:
        raise InputError(f"one sample needs {needed} bytes, more than `memory` allows; allow more", option="memory")
    return CpuPlan(
        network=network,
        groups=groups,
        last_use=last_use,
        batch=max(1, min(memory, CACHE) // needed),
        threads=options.threads,
        device=device,
        profile=profile,
    )


def _bytes_per_sample(network: IntegerNetwork, groups: tuple[tuple[Kernel, ...], ...], last_use: dict[str, int]) -> int:
    """Peak of live spikes, currents, outputs and what a projection makes on the way, over the groups."""
    peak = 1
    live: dict[str, int] = {}
    for index, group in enumerate(groups):
        peak = max(peak, sum(live.values()) + sum(_working_bytes(network, kernel) for kernel in group))
        for kernel in group:
            live[kernel.population.name] = kernel.dtype.itemsize * network.info.timesteps * kernel.population.size
        live = {n: b for n, b in live.items() if last_use.get(n, -1) > index}
    return peak


def _working_bytes(network: IntegerNetwork, kernel: Kernel) -> int:
    """What one population holds while it runs, and what the largest of its projections makes on the way."""
    passing = 0
    for projection in kernel.projections:
        shape, largest = network.by_name[projection.source].shape, 0
        for operator in projection.operators:
            largest = max(largest, operator.working_elements(shape))
            shape = operator.output_shape(shape)
        passing = max(passing, largest + math.prod(shape))
    passing += sum(2 * math.prod(group.shape) for group in kernel.population.groups)  # their maps, also padded
    return kernel.dtype.itemsize * network.info.timesteps * (passing + 3 * kernel.population.size)
