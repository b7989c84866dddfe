"""Target `cpu`: the reference. Exact integer arithmetic over whole batches, all timesteps of a population at once."""

from __future__ import annotations

from inflor.quant.ir.features import Feature
from inflor.targets.api import Target, deferred
from inflor.targets.cpu.options import CpuOptions

TARGET = Target(
    name="cpu",
    summary="bit-exact integer emulator: the reference that every chip is compared with",
    options=CpuOptions,
    features=frozenset(Feature) - {Feature.SEVERAL_INPUTS},  # the conformance suite holds it to every one
    violations=deferred("inflor.targets.cpu.plan:violations"),
    place=deferred("inflor.targets.cpu.plan:place"),
    run=deferred("inflor.targets.cpu.emulator:run"),
)
