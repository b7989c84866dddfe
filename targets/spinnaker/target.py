"""The target's interface: check, place, run, observe."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.record.file import RecordedPopulation, Recorder, recorded_populations
from inflor.targets.registry import Progress
from inflor.targets.spinnaker import report
from inflor.targets.spinnaker.limits import CHIPS, limits
from inflor.targets.spinnaker.numbers import Violation, lower
from inflor.targets.spinnaker.place.machine import Dead, read_dead
from inflor.targets.spinnaker.plan import Options, SpinnakerPlan, build
from inflor.targets.spinnaker.simulate.run import Simulator, Watch

NEURONS = ("custom", "stock")


def check(network: IntegerNetwork, **options: Any) -> list[Violation]:
    """What the network breaks: first of the numbers, then, if these allow a plan, of cores and routers."""
    lowering = lower(network, _choice("neurons", options.get("neurons", "custom"), NEURONS))
    if any(v.fatal for v in lowering.violations):
        return list(lowering.violations)
    return list(place(network, **options).violations)


def place(
    network: IntegerNetwork,
    chip: str = "spinnaker1",
    neurons: str = "custom",
    neurons_per_core: int | None = None,
    cores_per_chip: int | None = None,
    boards: int = 0,
    dead: Dead | str | os.PathLike[str] | None = None,
    placement: str = "traffic",
    rates: Mapping[str, float] | None = None,
    time_scale: int = 0,
) -> SpinnakerPlan:
    """Lay a network out.

    chip: "spinnaker1" or "spinnaker2", for the limits. neurons: "custom" (programs of our own, exact), or "stock"
    (sPyNNaker's, hard reset only, and as exact as they are). neurons_per_core, cores_per_chip: at most. boards: of 48
    chips, 1 or a multiple of 3; 0 for as few as it takes. dead: a JSON file of parts that do not work. placement:
    "traffic" or "naive". rates: spikes per neuron and tick of each population, for the traffic. time_scale:
    milliseconds per tick, which bound what a core can receive and do in it; 0 for as many as the run needs.

    Raises:
        InputError: an option out of range, a rule that the lowering needs is broken, or no machine is large enough.
    """
    _choice("chip", chip, CHIPS)
    _choice("placement", placement, ("traffic", "naive"))
    known = limits(chip)
    _range("neurons-per-core", neurons_per_core, known.neurons)
    _range("cores-per-chip", cores_per_chip, known.cores)
    if boards and (boards < 0 or (boards != 1 and boards % 3)):
        raise InputError(f"--boards {boards}: choose 1 or a multiple of 3")
    if time_scale < 0:
        raise InputError(f"--time-scale {time_scale}: give milliseconds per tick, or 0 for as many as it needs")
    lowering = lower(network, _choice("neurons", neurons, NEURONS))
    fatal = [str(v) for v in lowering.violations if v.fatal]
    if fatal:
        raise InputError(f"{network.source}: cannot be lowered to {chip}: " + "; ".join(fatal))
    parts = dead if isinstance(dead, Dead) else read_dead(dead)
    chosen = Options(
        chip, neurons, neurons_per_core, cores_per_chip, boards, parts, placement == "traffic", rates or {}, time_scale
    )
    return build(lowering, chosen, known)


def populations(plan: SpinnakerPlan) -> tuple[RecordedPopulation, ...]:
    """Every population of the network but the input."""
    return recorded_populations(plan.network)


def run(plan: SpinnakerPlan, inputs: npt.NDArray[Any], recorder: Recorder, progress: Progress | None = None) -> None:
    """Run quantised images [samples, *shape], or frames [samples, T, *shape], streamed back to back.

    Raises:
        InputError: inputs of another shape or type.
    """
    simulator = Simulator(plan)
    simulator.run(inputs, recorder, progress)
    synapses = simulator.synapses
    plan.measured.update(report.load_summary(plan, simulator.load, synapses.unknown, synapses.ways))


def observe(
    plan: SpinnakerPlan, inputs: npt.NDArray[Any], population: str, sample: int, timestep: int, neuron: tuple[int, ...]
) -> tuple[int | None, int | None]:
    """a and v before the reset of one neuron, in integer units, as its core held them; from a second run."""
    shape = plan.network.by_name[population].shape
    simulator = Simulator(plan)
    simulator.run(
        inputs[: sample + 1], None, None, Watch(population, sample, timestep, int(np.ravel_multi_index(neuron, shape)))
    )
    assert simulator.seen is not None
    return simulator.seen


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise InputError(f"--{name} {value}: choose one of {', '.join(choices)}")
    return value


def _range(name: str, value: int | None, most: int) -> None:
    if value is not None and not 1 <= value <= most:
        raise InputError(f"--{name} {value}: choose 1 to {most}")
