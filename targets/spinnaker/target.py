"""Places, runs and looks into networks on a SpiNNaker machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.api import Facts, Progress, Rates, UnplaceableError, Violation
from inflor.targets.record.recorder import Recorder
from inflor.targets.spinnaker import report
from inflor.targets.spinnaker.limits import limits
from inflor.targets.spinnaker.numbers import lower
from inflor.targets.spinnaker.options import SpinnakerOptions
from inflor.targets.spinnaker.place.build import build
from inflor.targets.spinnaker.place.machine import Dead, read_dead
from inflor.targets.spinnaker.plan import SpinnakerPlan
from inflor.targets.spinnaker.simulate.run import Simulator, Watch


def violations(network: IntegerNetwork, options: SpinnakerOptions) -> tuple[Violation, ...]:
    """What the network breaks: of the numbers, or, if these allow a plan, of cores and routers too."""
    try:
        return place(network, options, {}).violations
    except UnplaceableError as error:
        return error.violations


def place(network: IntegerNetwork, options: SpinnakerOptions, rates: Rates) -> SpinnakerPlan:
    """Lay a network out.

    Args:
        rates: spikes per neuron and tick of each population, for the traffic.

    Raises:
        InputError: an option out of range, a rule that the lowering needs is broken, or no machine is large enough.
    """
    known = limits(options.chip)
    for name, value, most in (
        ("neurons_per_core", options.neurons_per_core, known.neurons),
        ("cores_per_chip", options.cores_per_chip, known.cores),
    ):
        if value is not None and value > most:
            raise InputError(f"`{name}` {value}: choose 1 to {most}", option=name)
    if options.boards > 1 and options.boards % 3:
        raise InputError(f"`boards` {options.boards}: choose 1 or a multiple of 3", option="boards")
    lowering = lower(network, options.neurons)
    if any(v.fatal for v in lowering.violations):
        raise UnplaceableError(network.source, options.chip, [v for v in lowering.violations if v.fatal])
    dead = options.dead if isinstance(options.dead, Dead) else read_dead(options.dead)
    return build(lowering, options, dead, rates, known)


def run(plan: SpinnakerPlan, inputs: npt.NDArray[np.integer], recorder: Recorder, progress: Progress | None) -> Facts:
    """Run quantized images [samples, *shape], or frames [samples, T, *shape], streamed back to back.

    Raises:
        InputError: inputs of another shape or type.
    """
    simulator = Simulator(plan)
    simulator.run(inputs, recorder, progress)
    synapses = simulator.synapses
    return report.load_summary(plan, simulator.load, synapses.unknown, synapses.ways)


def observe(
    plan: SpinnakerPlan,
    inputs: npt.NDArray[np.integer],
    population: str,
    sample: int,
    timestep: int,
    neuron: tuple[int, ...],
) -> tuple[int | None, int | None]:
    """a and v before the reset of one neuron, in integer units, as its core held them; from a second run."""
    shape = plan.network.by_name[population].shape
    simulator = Simulator(plan)
    simulator.run(
        inputs[: sample + 1], None, None, Watch(population, sample, timestep, int(np.ravel_multi_index(neuron, shape)))
    )
    assert simulator.seen is not None
    return simulator.seen
