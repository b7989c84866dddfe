"""Target `cpu`: the reference. Exact integer arithmetic over whole batches, all timesteps of a population at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy.typing as npt

from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.ir.ranges import OverflowRisk, prove_no_overflow
from inflor.targets.cpu.emulator import States, emulate
from inflor.targets.cpu.emulator import states as trace
from inflor.targets.cpu.plan import DEFAULT_MEMORY, CpuPlan, make_plan
from inflor.targets.cpu.profiles import choose
from inflor.targets.record.file import RecordedPopulation, Recorder, recorded_populations
from inflor.targets.registry import Progress

NAME = "cpu"
SUMMARY = "bit-exact integer emulator: the reference that every chip is compared with"
INPUT: Literal["float", "integer"] = "integer"
OPTIONS: Sequence[str] = ("memory", "threads", "device", "profile", "state_bits", "overflow")


def available() -> str | None:
    """Nothing optional is needed."""
    return None


def check(
    network: IntegerNetwork, profile: str | None = None, state_bits: int | None = None, **options: Any
) -> list[OverflowRisk]:
    """The populations that are not proved to stay within the width of their state; 64 bits are always enough."""
    bits = choose(profile, state_bits, None).state_bits
    return [] if bits is None else prove_no_overflow(network, bits)


def place(
    network: IntegerNetwork,
    memory: int = DEFAULT_MEMORY,
    threads: int | None = None,
    device: str = "cpu",
    profile: str | None = None,
    state_bits: int | None = None,
    overflow: str | None = None,
) -> CpuPlan:
    """Choose number formats and batch; see `inflor.targets.cpu.plan.make_plan` and
    `inflor.targets.cpu.profiles.choose`.
    """
    return make_plan(network, memory, threads, device, choose(profile, state_bits, overflow))


def populations(plan: CpuPlan) -> tuple[RecordedPopulation, ...]:
    """Every population of the network but the input."""
    return recorded_populations(plan.network)


def run(plan: CpuPlan, inputs: npt.NDArray[Any], recorder: Recorder, progress: Progress | None = None) -> None:
    """Run quantised images [samples, *shape], or frames [samples, T, *shape]."""
    emulate(plan, inputs, recorder, progress)


def states(plan: CpuPlan, inputs: npt.NDArray[Any]) -> Mapping[str, States]:
    """u and v of every population at every step; see `inflor.targets.cpu.emulator.states`."""
    return trace(plan, inputs)
