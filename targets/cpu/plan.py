"""What the emulator decides before it runs: a number format per population, and how many samples fit in memory."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, get_args

import torch

from converter.errors import InputError, MissingPartError
from quant.network import IntegerNetwork
from quant.operators import SumPool
from quant.ranges import state_ranges
from quant.semantics import Kernel, Overflow, Profile

DEFAULT_MEMORY = 1 << 30
CACHE = 1 << 25
"""Bytes of activations that run fastest: a larger batch leaves the processor's caches and gains nothing."""


@dataclass(frozen=True, eq=False)
class CpuPlan:
    """A network ready to be emulated. last_use: index of the population after which a source can be forgotten."""

    network: IntegerNetwork
    kernels: tuple[Kernel, ...]
    last_use: dict[str, int]
    batch: int
    threads: int | None
    device: str
    profile: Profile

    def summary(self) -> dict[str, Any]:
        formats = Counter(str(k.dtype).removeprefix("torch.") for k in self.kernels)
        return {
            "batch": self.batch,
            "device": self.device,
            "state_bits": self.profile.state_bits,
            "overflow": self.profile.overflow,
            "formats": dict(formats),
        }


def make_plan(
    network: IntegerNetwork, memory: int, threads: int | None, device: str, state_bits: int | None, overflow: str
) -> CpuPlan:
    """Compile every population. memory: bytes that activations may take; the batch follows from it.

    Raises:
        InputError: an option out of range, or one sample alone needs more memory. MissingPartError: no such device.
    """
    if overflow not in get_args(Overflow):
        raise InputError(f"--overflow {overflow}: choose one of {', '.join(get_args(Overflow))}")
    if state_bits is not None and not 2 <= state_bits <= 63:
        raise InputError(f"--state-bits {state_bits}: choose a width from 2 to 63")
    if threads is not None and threads < 1:
        raise InputError(f"--threads {threads}: give at least 1")
    if device not in ("cpu", "cuda"):
        raise InputError(f"--device {device}: choose cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise MissingPartError("--device cuda needs a CUDA device and build of torch; run with --device cpu")
    profile = Profile(state_bits, overflow)  # type: ignore[arg-type]
    ranges = state_ranges(network)
    targets = [p for p in network.populations if p.kind != "input"]
    kernels = tuple(Kernel(network, p, ranges[p.name], profile, device) for p in targets)
    last_use = {q.source: i for i, p in enumerate(targets) for q in network.incoming[p.name]}
    needed = _bytes_per_sample(network, kernels, last_use)
    if needed > memory:
        raise InputError(f"one sample needs {needed} bytes, more than --memory allows; allow more")
    return CpuPlan(network, kernels, last_use, max(1, min(memory, CACHE) // needed), threads, device, profile)


def _bytes_per_sample(network: IntegerNetwork, kernels: tuple[Kernel, ...], last_use: dict[str, int]) -> int:
    """Peak of live spikes, current, output and what a projection makes on the way, over the populations."""
    timesteps, peak = network.info.timesteps, 1
    live: dict[str, int] = {}
    for index, kernel in enumerate(kernels):
        size = kernel.dtype.itemsize * timesteps
        passing = 0
        for projection in kernel.projections:
            shape, largest = network.by_name[projection.source].shape, 0
            for operator in projection.operators:
                largest = max(largest, math.prod(shape) * (2 if isinstance(operator, SumPool) else 1))
                shape = operator.output_shape(shape)
            passing = max(passing, largest + math.prod(shape))
        own = kernel.population.size
        peak = max(peak, sum(live.values()) + size * (passing + 3 * own))
        live[kernel.population.name] = size * own
        live = {n: b for n, b in live.items() if last_use.get(n, -1) > index}
    return peak
