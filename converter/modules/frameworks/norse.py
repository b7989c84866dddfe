"""Norse: LIFCell, LIFBoxCell, IAFCell, LICell, LILinearCell, their recurrent and multi-step forms.

    LIF          u = (1 - dt / tau_syn) u + x;  v = v + dt / tau_mem (v_leak - v + u)
    LIFBox       v = v + dt / tau_mem (v_leak - v + x)
    IAF          v = v + x
    LI, LIBox    as LIF and LIFBox; the potential is what it gives

It fires at v > v_th, and then v = v_reset, or v - v_th with LIFBox's reset_subtract. v starts at v_leak, of IAF at
v_reset. Recurrent cells lead their input in by input_weights and their last spikes back by recurrent_weights.
SequentialState, Lift and the other containers are followed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.modules.forms import Framework, Giving, NeuronForm, Population, Reading
from inflor.converter.modules.neuron_nodes import numbers, population
from inflor.converter.modules.values import Axis
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.fields import make_node
from inflor.converter.primitives.step import Dynamics

Start = Literal["zero", "v_leak", "v_reset"]


def _form(
    names: tuple[str, ...], step: Callable[[Any, Shape], Dynamics], *, start: Start = "v_leak", every: bool = False
) -> NeuronForm:
    """A class of neurons.

    Args:
        names: the fields of its state.
        step: (module, shape) -> what it does in a step.
        start: the field that its potential starts at.
        every: whether a call takes all steps.
    """

    lead: tuple[Axis, ...] = ("time", "batch") if every else ("batch",)

    def reads(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reading:
        arriving = args[0] if args else kwargs["input_tensor"]
        given = args[1] if len(args) > 1 else kwargs.get("state")
        anew = given is None or _initial(module, given, names, start, arriving.dim() - every)
        return Reading(
            arriving=arriving,
            states=tuple(None if anew else getattr(given, name) for name in names),
            weight=getattr(module, "input_weights", None),
        )

    def gives(module: Any, output: Any) -> Giving:
        result, state = output
        states = () if every else tuple(getattr(state, name) for name in names)
        if step not in (_li, _li_box):
            shown = None if every else names.index("v")
            return Giving(spikes=result, states=states, potential=shown, after_reset=True)
        return Giving(spikes=result.clone(), states=(result,) if every else states, potential=0)

    def made(module: Any, shape: Shape, where: str) -> Population:
        return population(step(module, shape), back=_back(module), start=start)

    return NeuronForm(reads=reads, gives=gives, population=made, reset=_nothing_kept, lead=lambda module: lead)


def _initial(module: Any, state: Any, names: tuple[str, ...], start: Start, dims: int) -> bool:
    """Whether a state is what the module's initial_state makes, which sets requires_grad; computed ones have none here.

    Args:
        dims: of a state that was computed.
    """
    before = 0.0 if start == "zero" else getattr(module.p, start)
    fresh = state.v.dim() < dims or bool(state.v.requires_grad)
    others = (getattr(state, name) for name in names if name != "v")
    return fresh and bool((state.v == before).all()) and not any(bool(other.any()) for other in others)


def _nothing_kept(module: Any) -> None:
    """States are handed on by the caller."""


def _back(module: Any) -> dict[str, nir.NIRNode]:
    weight = getattr(module, "recurrent_weights", None)
    if weight is None:
        return {}
    return {"recurrent": make_node(nir.Linear, {"weight": weight.detach().cpu().numpy().copy()})}


def _rate(module: Any, name: str, shape: Shape) -> Any:
    """dt / tau, as Norse computes it."""
    rate = numbers(module.dt * getattr(module.p, name), shape, name)
    if not ((rate > 0) & (rate <= 1)).all():
        raise InputError(f"dt * {name} is {rate.max():g}; give one above 0 and at most 1, for Euler's rule to follow")
    return rate


def _parameter(module: Any, name: str, shape: Shape) -> Any:
    return numbers(getattr(module.p, name), shape, name)


def _lif(module: Any, shape: Shape) -> Dynamics:
    rate = _rate(module, "tau_mem_inv", shape)
    return Dynamics(
        current_keep=1 - _rate(module, "tau_syn_inv", shape),
        keep=1 - rate,
        gain=rate,
        drift=np.asarray(rate * _parameter(module, "v_leak", shape)),
        threshold=_parameter(module, "v_th", shape),
        reset="zero",
        v_reset=_parameter(module, "v_reset", shape),
    )


def _lif_box(module: Any, shape: Shape) -> Dynamics:
    rate, threshold = _rate(module, "tau_mem_inv", shape), _parameter(module, "v_th", shape)
    leak = _parameter(module, "v_leak", shape)
    method = module.p.reset_method.__name__
    if method not in ("reset_value", "reset_subtract"):
        raise InputError(f"its reset_method {method} has no form here; use reset_value or reset_subtract")
    step = Dynamics(keep=1 - rate, gain=rate, drift=np.asarray(rate * leak), threshold=threshold)
    if method == "reset_subtract":
        return Dynamics(**{**vars(step), "reset": "subtract", "reset_value": threshold})
    return Dynamics(**{**vars(step), "reset": "zero", "v_reset": _parameter(module, "v_reset", shape)})


def _iaf(module: Any, shape: Shape) -> Dynamics:
    reset = _parameter(module, "v_reset", shape)
    return Dynamics(threshold=_parameter(module, "v_th", shape), reset="zero", v_reset=reset)


def _from_zero(module: Any, shape: Shape) -> None:
    if _parameter(module, "v_leak", shape).any():
        raise InputError(
            "its potential starts at its v_leak, which is not 0; a readout here starts at 0: give v_leak=0"
        )


def _li(module: Any, shape: Shape) -> Dynamics:
    _from_zero(module, shape)
    rate = _rate(module, "tau_mem_inv", shape)
    return Dynamics(current_keep=1 - _rate(module, "tau_syn_inv", shape), keep=1 - rate, gain=rate)


def _li_box(module: Any, shape: Shape) -> Dynamics:
    _from_zero(module, shape)
    rate = _rate(module, "tau_mem_inv", shape)
    return Dynamics(keep=1 - rate, gain=rate)


_ADAPTIVE = "its threshold or its currents adapt, which no target computes; use LIFCell"
_NONLINEAR = "its potential does not follow a linear equation, which no target computes; use LIFCell"
_REFRACTORY = "it is silent for a number of steps after a spike, which has no form here; use LIFCell"
_PARTS = "a neuron of it has several coupled potentials, which has no form here; use LIFCell"
_ENCODES = "it makes spikes of the input; do that outside, and give the frames"
_PLASTIC = "it changes with what it sees; use LIFCell with the weights that it ended with"

FRAMEWORK = Framework(
    neurons={
        "LIFCell": _form(("v", "i"), _lif),
        "LIF": _form(("v", "i"), _lif, every=True),
        "LIFRecurrentCell": _form(("z", "v", "i"), _lif),
        "LIFRecurrent": _form(("z", "v", "i"), _lif, every=True),
        "LIFBoxCell": _form(("v",), _lif_box),
        "IAFCell": _form(("v",), _iaf, start="v_reset"),
        "IAF": _form(("v",), _iaf, start="v_reset", every=True),
        "LICell": _form(("v", "i"), _li, start="zero"),
        "LI": _form(("v", "i"), _li, start="zero", every=True),
        "LILinearCell": _form(("v", "i"), _li, start="zero"),
        "LIBoxCell": _form(("v",), _li_box, start="zero"),
    },
    refused={
        **dict.fromkeys(("LSNNCell", "LSNNRecurrentCell", "LSNN", "LSNNRecurrent"), _ADAPTIVE),
        **dict.fromkeys(("LIFAdExCell", "LIFAdExRecurrentCell", "LIFAdEx", "LIFAdExRecurrent"), _NONLINEAR),
        **dict.fromkeys(("LIFExCell", "LIFExRecurrentCell", "LIFEx", "LIFExRecurrent", "CobaLIFCell"), _NONLINEAR),
        **dict.fromkeys(("IzhikevichCell", "IzhikevichRecurrentCell", "Izhikevich", "IzhikevichRecurrent"), _NONLINEAR),
        **dict.fromkeys(("LIFAdExRefracCell", "LIFAdExRefracRecurrentCell", "LIFAdExRefracRecurrent"), _NONLINEAR),
        **dict.fromkeys(("LIFRefracCell", "LIFRefracRecurrentCell", "LIFRefracRecurrent"), _REFRACTORY),
        **dict.fromkeys(("LIFMCRecurrentCell", "LIFMCRefracRecurrentCell"), _PARTS),
        **dict.fromkeys(("ConstantCurrentLIFEncoder", "PoissonEncoder", "PoissonEncoderStep"), _ENCODES),
        **dict.fromkeys(("PopulationEncoder", "SignedPoissonEncoder", "SignedPoissonEncoderStep"), _ENCODES),
        **dict.fromkeys(("SpikeLatencyLIFEncoder", "SpikeLatencyEncoder"), _ENCODES),
        "LIFCorrelation": _PLASTIC,
        "ExpFilter": "it keeps a state that is no neuron's; use LICell at the end, or LIFCell, which filters its input",
        "LConv2d": "use nn.Conv2d within Lift, which is the same",
    },
)
