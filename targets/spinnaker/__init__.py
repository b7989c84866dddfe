"""Target `spinnaker`: a SpiNNaker machine of cores, packets and routing tables, simulated packet by packet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from inflor.targets.spinnaker.core_map import on_chip
from inflor.targets.spinnaker.draw import draw
from inflor.targets.spinnaker.limits import CHIPS
from inflor.targets.spinnaker.plan import SpinnakerPlan
from inflor.targets.spinnaker.report import describe
from inflor.targets.spinnaker.target import check, observe, place, populations, run

NAME = "spinnaker"
SUMMARY = "SpiNNaker: placed, routed and packed, then run packet by packet in its own arithmetic"
INPUT: Literal["float", "integer"] = "integer"
OPTIONS: Sequence[str] = (
    "chip",
    "neurons",
    "neurons_per_core",
    "cores_per_chip",
    "boards",
    "dead",
    "placement",
    "rates",
    "time_scale",
)


def available() -> str | None:
    """Nothing optional is needed."""
    return None


__all__ = [
    "CHIPS",
    "SpinnakerPlan",
    "available",
    "check",
    "describe",
    "draw",
    "observe",
    "on_chip",
    "place",
    "populations",
    "run",
]
