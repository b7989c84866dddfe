"""The networks of the suite with inputs and with what they must do, and how a target takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InflorError
from inflor.quant.ir import reference
from inflor.quant.ir.features import Feature
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.ir.reference import State
from inflor.quant.ir.types import IntArray
from inflor.targets import running
from inflor.targets.api import Plan, Progress, Target
from inflor.targets.conformance.networks import networks
from inflor.targets.record.file import Record

SAMPLES = 3


class Failure(AssertionError):
    """What a target does wrong, in plain words."""


@dataclass(frozen=True, eq=False)
class Example:
    """A network with inputs, and what it must do with them.

    Attributes:
        inputs: int8 [samples, *shape], or [samples, T, *shape] where it takes a frame per step.
        states: what `inflor.quant.ir.reference.run` says of each sample.
    """

    network: IntegerNetwork
    inputs: npt.NDArray[np.int8]
    states: tuple[Mapping[str, list[list[State]]], ...]

    def due(self, name: str) -> IntArray:
        """The spikes of a population, or the potentials of a readout, int64 [samples, T, *shape]."""
        population = self.network.by_name[name]
        field = "spike" if population.role == "spiking" else "v"
        values = [[[getattr(state, field) for state in step] for step in sample[name]] for sample in self.states]
        return np.array(values, np.int64).reshape(len(self.inputs), -1, *population.shape)

    def first(self, samples: int) -> Example:
        """The first samples alone."""
        return Example(self.network, self.inputs[:samples], self.states[:samples])


@cache
def examples() -> tuple[Example, ...]:
    """One of each network."""
    return tuple(example(network, SAMPLES) for network in networks())


@cache
def example(network: IntegerNetwork, samples: int) -> Example:
    """The network on inputs of its own, of which no two are equal."""
    frames = (network.info.timesteps,) * (Feature.FRAMES in network.features())
    shape = (samples, *frames, *network.inputs[0].shape)
    inputs = np.random.default_rng(samples).integers(-3, 4, shape).astype(np.int8)
    inputs[0].flat[:2] = (127, -128)
    return Example(network, inputs, tuple(reference.run(network, sample) for sample in inputs))


def placed(target: Target, network: IntegerNetwork, **options: Any) -> Plan | str:
    """The target's plan, or why it refuses the network.

    Raises:
        Failure: it ended in another error than those that say why (`InflorError`).
    """
    try:
        return running.place(target, network, options)
    except InflorError as error:
        return str(error)
    except Exception as error:
        raise Failure(f"{network.source}: placing it ended in {type(error).__name__}: {error}") from error


def taken(target: Target) -> Iterator[tuple[Example, Plan]]:
    """The examples that the target takes, with their plans.

    Raises:
        Failure: it takes none.
    """
    none = True
    for one in examples():
        plan = placed(target, one.network)
        if not isinstance(plan, str):
            none = False
            yield one, plan
    if none:
        raise Failure(f"it takes none of {len(examples())} small networks; the last refusal: {plan}")


def recorded(target: Target, plan: Plan, one: Example, progress: Progress | None = None) -> Record:
    """What a run of the example records.

    Raises:
        Failure: the run ended in an error.
    """
    try:
        return running.record(target, plan, one.network, one.inputs, progress)
    except Exception as error:
        raise Failure(f"{one.network.source}: running it ended in {type(error).__name__}: {error}") from error


def difference(one: Example, record: Record) -> str | None:
    """Where a record first differs from what is due, in causal order; None where it does not."""
    depth = one.network.depth
    for p in sorted(record.populations, key=lambda p: depth[p.name]):
        due, spiking = one.due(p.name), one.network.by_name[p.name].role == "spiking"
        got = record.spikes(p.name).astype(np.int64) if spiking else record.outputs[p.name].reshape(due.shape)
        if (got != due).any():
            step, *neuron, sample = map(int, np.argwhere(np.moveaxis(got != due, 0, -1))[0])
            at = (sample, step, *neuron)
            what = "spike" if spiking else "potential"
            return (
                f"{one.network.source}: population {p.name!r} first differs in sample {sample}, step {step}, neuron "
                f"{tuple(neuron)}: its {what} is {got[at]}, and {due[at]} is due"
            )
        if spiking and (record.counts[p.name] != due.reshape(len(due), -1).sum(1)).any():
            return f"{one.network.source}: the counts of population {p.name!r} are not those of its spikes"
    answer = one.network.outputs[0]
    due = one.due(answer)
    scores = due[:, -1] if one.network.by_name[answer].role == "readout" else due.sum(1)
    if (record.predictions != one.network.predictions(scores)).any():
        return f"{one.network.source}: its predictions are not those of output {answer!r}"
    return None
