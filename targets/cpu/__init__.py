"""Target `cpu`: the reference. Exact integer arithmetic over whole batches, all timesteps of a population at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy.typing as npt

from quant.network import IntegerNetwork
from quant.ranges import OverflowRisk, prove_no_overflow
from targets.cpu.emulator import emulate
from targets.cpu.plan import DEFAULT_MEMORY, CpuPlan, make_plan
from targets.record import RecordedPopulation, Recorder, recorded_populations
from targets.registry import Progress

NAME = "cpu"
SUMMARY = "bit-exact integer emulator: the reference that every chip is compared with"
INPUT: Literal["float", "integer"] = "integer"
OPTIONS: Sequence[str] = ("memory", "threads", "device", "state_bits", "overflow")


def available() -> str | None:
    """Nothing optional is needed."""
    return None


def check(network: IntegerNetwork, state_bits: int | None = None, **options: Any) -> list[OverflowRisk]:
    """The populations that are not proved to stay within `state_bits`; 64 bits are always enough."""
    return [] if state_bits is None else prove_no_overflow(network, state_bits)


def place(
    network: IntegerNetwork,
    memory: int = DEFAULT_MEMORY,
    threads: int | None = None,
    device: str = "cpu",
    state_bits: int | None = None,
    overflow: str = "error",
) -> CpuPlan:
    """Choose number formats and batch; see `targets.cpu.plan.make_plan`."""
    return make_plan(network, memory, threads, device, state_bits, overflow)


def populations(plan: CpuPlan) -> tuple[RecordedPopulation, ...]:
    """Every population of the network but the input."""
    return recorded_populations(plan.network)


def run(plan: CpuPlan, inputs: npt.NDArray[Any], recorder: Recorder, progress: Progress | None = None) -> None:
    """Run quantised images [samples, *shape]."""
    emulate(plan, inputs, recorder, progress)
