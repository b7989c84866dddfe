"""SpikingJelly (activation_based): IFNode, LIFNode, ParametricLIFNode, CUBALIFNode, in both step modes.

    IF           v = v + x
    LIF          v = v + (x - (v - v_reset)) / tau                 v - (v - v_reset) / tau + x without decay_input
    PLIF         likewise, with 1 / tau = sigmoid(w)
    CUBALIF      c = c_decay c + x;  v = v_decay v + c

It fires at v >= v_threshold, and then v = v_reset, or v - v_threshold where v_reset is None, which leaks to 0.
v starts at v_reset, of the Simple neurons at 0. Its layers and containers are followed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.converter.modules.forms import Framework, Giving, NeuronForm, Population, Reading
from inflor.converter.modules.neuron_nodes import numbers, population
from inflor.converter.modules.values import Axis
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.step import Dynamics, FloatArray

_METHODS = (
    *("single_step_functional_forward", "multi_step_functional_forward", "single_step_forward", "multi_step_forward"),
    *("neuronal_charge", "neuronal_fire", "neuronal_reset"),
)
"""What a neuron of the user's own may say otherwise than the class that it inherits from."""


def _form(kind: str, names: tuple[str, ...], step: Callable[[Any, Shape], Dynamics], start: bool = True) -> NeuronForm:
    """A class of neurons.

    Args:
        kind: its name.
        names: its memories.
        step: (module, shape) -> what it does in a step, but for the threshold and the reset.
        start: whether its potential starts at v_reset.
    """

    def reads(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reading:
        arriving = args[0] if args else next(iter(kwargs.values()))
        shape = arriving.shape[1:] if _multi(module) else arriving.shape
        kept = [getattr(module, name) for name in names]
        return Reading(
            arriving=arriving,
            states=tuple(v if isinstance(v, Tensor) and v.shape == shape else None for v in kept),
        )

    def gives(module: Any, output: Any) -> Giving:
        if _multi(module):
            seq = getattr(module, "v_seq", None)
            states, shown = ((), None) if seq is None else ((seq,), 0)
        else:
            states, shown = tuple(getattr(module, name) for name in names), 0
        return Giving(spikes=output, states=states, potential=shown, after_reset=True)

    def made(module: Any, shape: Shape, where: str) -> Population:
        return _population(module, kind, step(module, shape), start, shape)

    return NeuronForm(reads=reads, gives=gives, population=made, reset=_reset, lead=_lead)


def _reset(module: Any) -> None:
    module.reset()


def _lead(module: Any) -> tuple[Axis, ...]:
    return ("time", "batch") if _multi(module) else ("batch",)


def _multi(module: Any) -> bool:
    return bool(module.step_mode == "m")


def _population(module: Any, kind: str, step: Dynamics, start: bool, shape: Shape) -> Population:
    _check(module, kind)
    threshold = numbers(module.v_threshold, shape, "v_threshold")
    if module.v_reset is None:
        if not np.isfinite(threshold).all():
            raise InputError("an infinite v_threshold with v_reset=None makes NaN of its potential; give v_reset=0.0")
        fires = _with(step, threshold=threshold, reset="subtract", reset_value=threshold)
        return population(fires)
    reset = numbers(module.v_reset, shape, "v_reset")
    return population(
        _with(step, threshold=threshold, reset="zero", v_reset=reset), start="v_reset" if start else "zero"
    )


def _with(step: Dynamics, **values: Any) -> Dynamics:
    return Dynamics(**{**vars(step), "strict": False, **values})


def _check(module: Any, kind: str) -> None:
    for owner in type(module).__mro__:
        if owner.__name__ == kind and owner.__module__.startswith("spikingjelly."):
            break
        changed = [method for method in _METHODS if method in vars(owner)]
        if changed:
            raise InputError(f"its class {owner.__name__} writes {changed[0]} of {kind} anew; use {kind} itself")
    if getattr(module, "_neuron_precision", None) is not None:
        raise InputError("it computes in another precision than float32; make it without neuron_precision")
    surrogate = module.surrogate_function
    if not getattr(surrogate, "spiking", True):
        raise InputError("its surrogate function gives no spikes; call set_spiking_mode(True) of it")
    distance = torch.tensor([-8.0, -1.0, -0.5, -1e-3, -1e-7, 0.0, 1e-7, 1e-3, 0.5, 1.0, 8.0] * 2)
    with torch.no_grad():
        spikes = surrogate(distance)
    if bool((spikes != (distance >= 0)).any()):
        name = type(surrogate).__name__
        raise InputError(
            f"its surrogate function {name} gives other values than 0 and 1 by the sign; use ATan or Sigmoid"
        )


def _if(module: Any, shape: Shape) -> Dynamics:
    return Dynamics()


def _lif(module: Any, shape: Shape) -> Dynamics:
    return _leaking(module, 1 / numbers(module.tau, shape, "tau"), shape)


def _plif(module: Any, shape: Shape) -> Dynamics:
    return _leaking(module, numbers(module.w.detach().sigmoid(), shape, "w"), shape)


def _leaking(module: Any, rate: FloatArray, shape: Shape) -> Dynamics:
    """rate: 1 / tau."""
    rest = numbers(0.0 if module.v_reset is None else module.v_reset, shape, "v_reset")
    gain = rate if module.decay_input else np.ones(())
    return Dynamics(keep=1 - rate, gain=gain, drift=np.asarray(rate * rest))


def _cuba(module: Any, shape: Shape) -> Dynamics:
    return Dynamics(
        current_keep=numbers(module.c_decay, shape, "c_decay"), keep=numbers(module.v_decay, shape, "v_decay")
    )


_NONLINEAR = "its potential does not follow a linear equation, which no target computes; use LIFNode"
_GRADED = "it gives other values than 0 and 1; use LIFNode or IFNode"
_ALL_STEPS = "it looks at all steps at once, or at several before; use LIFNode"
_OF_OWN = "it has no form here; use IFNode or LIFNode with the same parameters"
_ONLINE = "it is for training only; make a LIFNode with the same parameters and weights"
_READOUT = (
    "it gives a list or one value for all steps; use IFNode or LIFNode, step by step, with v_threshold=1e9, and give "
    "its v after the last step"
)
_KEEPS = "it keeps a state that is no neuron's, which has no form here; write it as a loop"
_ATTENTION = "it multiplies activities, which no target computes"

FRAMEWORK = Framework(
    neurons={
        "IFNode": _form("IFNode", ("v",), _if),
        "LIFNode": _form("LIFNode", ("v",), _lif),
        "ParametricLIFNode": _form("ParametricLIFNode", ("v",), _plif),
        "CUBALIFNode": _form("CUBALIFNode", ("v", "c"), _cuba),
        "SimpleIFNode": _form("SimpleIFNode", ("v",), _if, start=False),
        "SimpleLIFNode": _form("SimpleLIFNode", ("v",), _lif, start=False),
    },
    refused={
        **dict.fromkeys(("QIFNode", "EIFNode", "IzhikevichNode", "KLIFNode", "RAFNode", "AdaptBaseNode"), _NONLINEAR),
        **dict.fromkeys(("ILIFNode", "LIAFNode", "TernaryIFNode", "TernaryLIFNode", "STBIFNode"), _GRADED),
        **dict.fromkeys(("PSN", "MaskedPSN", "SlidingPSN", "FewSpikeNode", "OutlierAwareThresholdNode"), _ALL_STEPS),
        **dict.fromkeys(("GatedLIFNode", "ComplementaryLIFNode", "HalfThresholdIFNode", "FlexSN", "HGNode"), _OF_OWN),
        **dict.fromkeys(("ActivationAwareIFNode", "MPBNBaseNode", "MPBNLIFNode", "ILCBaseNode", "ILCIFNode"), _OF_OWN),
        **dict.fromkeys(("ILCLIFNode", "ILCCUBALIFNode", "DSRIFNode", "DSRLIFNode", "NoisyBaseNode"), _OF_OWN),
        **dict.fromkeys(("OTTTLIFNode", "SLTTLIFNode", "OTTTSequential", "GradwithTrace", "SpikeTraceOp"), _ONLINE),
        **dict.fromkeys(("NonSpikingIFNode", "NonSpikingLIFNode", "NoisyNonSpikingBaseNode"), _READOUT),
        **dict.fromkeys(("SynapseFilter", "NeuNorm", "Delay"), _KEEPS),
        **dict.fromkeys(("LinearRecurrentContainer", "ElementWiseRecurrentContainer"), _KEEPS),
        **dict.fromkeys(("TemporalWiseAttention", "MultiDimensionalAttention", "SpikingSelfAttention"), _ATTENTION),
        **dict.fromkeys(("QKAttention", "SpikeDrivenSelfAttention"), _ATTENTION),
        "DropConnectLinear": "it draws weights at random at inference too; use layer.Linear with layer.Dropout",
    },
)
