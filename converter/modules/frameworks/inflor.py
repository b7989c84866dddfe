"""Our own neurons: SpikingNeuron and Readout of `inflor.converter.train.neurons`, which take all steps at once."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
from torch import Tensor

from inflor.converter.modules.forms import Framework, Giving, NeuronForm, Population, Reading
from inflor.converter.modules.values import Axis
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.fields import make_node
from inflor.converter.train.export import neuron_node


def _reads(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reading:
    return Reading(arriving=args[0] if args else kwargs["x"], states=())


def _nothing_kept(module: Any) -> None:
    """Potentials start at 0 in every call."""


def _time_first(module: Any) -> tuple[Axis, ...]:
    return ("time", "batch")


def _spiking(module: Any, shape: Shape, where: str) -> Population:
    return Population(node=neuron_node(module.config, shape))


def _spikes(module: Any, output: Tensor) -> Giving:
    return Giving(spikes=output)


def _potential(module: Any, output: Tensor) -> Giving:
    return Giving(spikes=output.clone(), states=(output,), potential=0)


def _integrator(module: Any, shape: Shape, where: str) -> Population:
    node = make_node(nir.I, {"r": np.ones(shape, np.float32)})
    return Population(node=node, readout=node)


_SHARED: dict[str, Any] = {"reads": _reads, "reset": _nothing_kept, "lead": _time_first}

FRAMEWORK = Framework(
    neurons={
        "SpikingNeuron": NeuronForm(gives=_spikes, population=_spiking, **_SHARED),
        "Readout": NeuronForm(gives=_potential, population=_integrator, **_SHARED),
    }
)
