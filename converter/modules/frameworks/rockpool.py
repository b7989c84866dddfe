"""Rockpool's torch modules: LIFTorch, LIFBitshiftTorch, LIFNeuronTorch, and ExpSynTorch as a readout.

    LIF          i = b (i + x + w_rec s);  v = a v + i + bias;  a = exp(-dt / tau_mem), b = exp(-dt / tau_syn)
    LIFNeuron    v = a v + x + bias
    ExpSyn       i = b (i + x); the current is what it gives

It fires at v >= threshold, once a step with max_spikes_per_dt = 1, and then v loses the threshold. A bias stands as the
potential that a neuron leaks to, bias / (1 - a). Everything takes [batch, time, N]; combinators are followed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import torch

from inflor.converter.errors import InputError
from inflor.converter.modules.forms import Framework, Giving, NeuronForm, Population, Reading
from inflor.converter.modules.neuron_nodes import numbers, population
from inflor.converter.modules.values import Axis
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.fields import make_node
from inflor.converter.primitives.step import Dynamics


def _form(names: tuple[str, ...], made: Callable[[Any, Shape, str], Population], *, fires: bool = True) -> NeuronForm:
    """A class of neurons.

    Args:
        names: its states.
        made: as NeuronForm.population.
        fires: whether it gives spikes, not its state.
    """

    def reads(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reading:
        arriving = args[0] if args else next(iter(kwargs.values()))
        return Reading(arriving=arriving, states=tuple(getattr(module, name) for name in names))

    def gives(module: Any, output: Any) -> Giving:
        spikes = output[0] if isinstance(output, tuple) else output
        return Giving(spikes=spikes) if fires else Giving(spikes=spikes.clone(), states=(spikes,), potential=0)

    return NeuronForm(reads=reads, gives=gives, population=made, reset=_reset, lead=_batch_first)


def _reset(module: Any) -> None:
    module.reset_state()


def _batch_first(module: Any) -> tuple[Axis, ...]:
    return ("batch", "time")


def _lif(module: Any, shape: Shape, where: str) -> Population:
    beta = module.beta
    step = {"current_keep": numbers(beta.reshape(-1) if beta.numel() > 1 else beta, shape, "tau_syn")}
    return _population(module, {**step, "current_gain": step["current_keep"]}, module.alpha, shape)


def _neuron(module: Any, shape: Shape, where: str) -> Population:
    return _population(module, {}, torch.exp(-module.dt / module.tau_mem), shape)


def _population(module: Any, step: dict[str, Any], alpha: Any, shape: Shape) -> Population:
    _check_noise(module)
    threshold = numbers(module.threshold, shape, "threshold")
    if float(module.max_spikes_per_dt) != 1:
        raise InputError(
            f"fires up to {float(module.max_spikes_per_dt):g} times in one step, which a spike here cannot say; give "
            "max_spikes_per_dt=1"
        )
    if not (threshold > 0).all():
        raise InputError(f"its threshold is {threshold.min():g}; give thresholds above 0")
    _check_spikes(module)
    keep = numbers(alpha, shape, "tau_mem")
    made = Dynamics(
        **step,
        keep=keep,
        drift=numbers(module.bias, shape, "bias"),
        threshold=threshold,
        strict=False,
        reset="subtract",
        reset_value=threshold,
    )
    return population(made, back=_back(module))


def _check_noise(module: Any) -> None:
    if float(module.noise_std) != 0:
        raise InputError("its noise_std makes it another network in every run; give noise_std=0.0")


def _check_spikes(module: Any) -> None:
    v = torch.tensor([-8.0, -1.0, -1e-3, 0.0, 0.5, 0.999, 1.0, 1.001, 1.5, 2.0, 8.0])
    spikes = module.spike_generation_fn(
        v, torch.tensor(1.0), module.learning_window.cpu(), module.max_spikes_per_dt.cpu()
    )
    if bool((spikes != (v >= 1)).any()):
        raise InputError("its spike_generation_fn gives other values than 0 and 1 by the threshold; use StepPWL")


def _back(module: Any) -> dict[str, nir.NIRNode]:
    if not getattr(module, "_has_rec", False):
        return {}
    weight = np.ascontiguousarray(module.w_rec.detach().cpu().numpy().T)
    return {"w_rec": make_node(nir.Linear, {"weight": weight})}


def _synapse(module: Any, shape: Shape, where: str) -> Population:
    _check_noise(module)
    keep = numbers(torch.exp(-module.dt / module.tau), shape, "tau")
    return population(Dynamics(keep=keep, gain=keep))


_RATE = "it is no spiking neuron; use LIFTorch"
_DROPS = "it drops values at inference too; leave it out after training"

FRAMEWORK = Framework(
    neurons={
        "LIFTorch": _form(("vmem", "spikes", "isyn"), _lif),
        "LIFNeuronTorch": _form(("vmem",), _neuron),
        "ExpSynTorch": _form(("isyn",), _synapse, fires=False),
    },
    refused={
        **dict.fromkeys(("RateTorch", "LowPass"), _RATE),
        **dict.fromkeys(("UnitDropout", "TimeStepDropout"), _DROPS),
        "aLIFTorch": "its spikes hyperpolarize it by a current of their own, which has no form here; use LIFTorch",
        "UpDownTorch": "it makes spikes of the input; do that outside, and give the frames",
        "BooleanState": "it keeps a state that is no neuron's, which has no form here",
    },
)
