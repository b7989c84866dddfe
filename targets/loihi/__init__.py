"""Target `loihi`: Lava's fixed-point simulation of Loihi 2, and a mapper for Loihi 1 and 2.

Functions import what they need when they are called: the worker, a lean interpreter, imports this package too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy.typing as npt

    from inflor.quant.ir.network import IntegerNetwork
    from inflor.targets.loihi.rules import Violation
    from inflor.targets.loihi.target import LoihiPlan
    from inflor.targets.mapping import CoreMap
    from inflor.targets.record.file import RecordedPopulation, Recorder
    from inflor.targets.registry import Progress

NAME = "loihi"
SUMMARY = "Loihi 2 in Lava's fixed-point simulation, spike for spike"
INPUT: Literal["float", "integer"] = "integer"
OPTIONS: Sequence[str] = (
    "chip",
    "soft_reset",
    "balance",
    "guard",
    "first_layer",
    "exact_lava",
    "timeout",
    "run_config",
    "rates",
)
CHIPS: Sequence[str] = ("loihi1", "loihi2")


def available() -> str | None:
    """None, or the command that installs Lava."""
    from inflor.targets.loihi.simulate.session import INSTALL, missing

    return INSTALL if missing() else None


def check(network: IntegerNetwork, **options: Any) -> list[Violation]:
    """The limits of the chip, and of its stock neurons where they are asked for, that the network breaks."""
    from inflor.targets.loihi.target import check

    return check(network, **options)


def place(network: IntegerNetwork, **options: Any) -> LoihiPlan:
    """Lower the network and split it over cores; see `inflor.targets.loihi.target.place`."""
    from inflor.targets.loihi.target import place

    return place(network, **options)


def on_chip(network: IntegerNetwork, chip: str = "loihi2", rates: Mapping[str, float] | None = None) -> CoreMap:
    """Where the network's neurons are on the chip as it is; see `inflor.targets.loihi.core_map.on_chip`."""
    from inflor.targets.loihi.core_map import on_chip

    return on_chip(network, chip)


def describe(plan: LoihiPlan) -> dict[str, Any]:
    """The mapping and the costs of both soft resets as plain data; as text, a line per core and way, under "table"."""
    from inflor.targets.loihi.report import table

    summary = plan.summary()
    parts = [plan.mapping.table(), "", table(plan.costs, plan.rates)]
    if summary["unproved_states"]:
        names = ", ".join(summary["unproved_states"])
        parts.append(f"not proved to stay within 24 bits, so runs watch them: {names}")
    costs = [cost.to_json() for cost in plan.costs]
    return {"target": NAME, **summary, "soft_resets": costs, "table": "\n".join(parts)}


def populations(plan: LoihiPlan) -> tuple[RecordedPopulation, ...]:
    """Every population of the network but the input."""
    from inflor.targets.loihi.target import populations

    return populations(plan)


def run(plan: LoihiPlan, inputs: npt.NDArray[Any], recorder: Recorder, progress: Progress | None = None) -> None:
    """Run quantised images [samples, *shape] in a worker process."""
    from inflor.targets.loihi.target import run

    run(plan, inputs, recorder, progress)


def observe(
    plan: LoihiPlan, inputs: npt.NDArray[Any], population: str, sample: int, timestep: int, neuron: tuple[int, ...]
) -> tuple[int | None, int | None]:
    """Input and potential before the reset of one neuron at one step, as the simulation held them."""
    from inflor.targets.loihi.target import observe

    return observe(plan, inputs, population, sample, timestep, neuron)
