"""snnTorch 1: Leaky, Lapicque, Synaptic, RLeaky, RSynaptic.

    Leaky, RLeaky            v = beta v + a - R th
    Lapicque                 v = (1 - dt / (R C)) v + dt / C a - R th
    Synaptic, RSynaptic      u = alpha u + a;  v = beta v + u - R th

R is whether the step before ended above the threshold: a reset acts a step late. To zero it multiplies what v was
(Leaky) or what it becomes (the others, which so do not integrate in the step after a spike). alpha and beta
are cut to 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import torch

from inflor.converter.errors import InputError
from inflor.converter.modules.forms import Framework, Giving, NeuronForm, Population, Reading
from inflor.converter.modules.neuron_nodes import NEVER, numbers, population, recurrent
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.fields import make_node
from inflor.converter.primitives.step import Dynamics, FloatArray, Reset

_RESETS: dict[str, Reset] = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}


def _form(names: tuple[str, ...], kept: Callable[[Any, Shape], dict[str, FloatArray]], late_zero: bool) -> NeuronForm:
    """A class of neurons.

    Args:
        names: its states, in the order in which it takes them.
        kept: (module, shape) -> what a step keeps and adds, as fields of `Dynamics`.
        late_zero: whether, resetting to zero, it does not integrate in the step after a spike.
    """

    def reads(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reading:
        arriving = args[0] if args else kwargs["input_"]
        given = [args[i + 1] if len(args) > i + 1 else kwargs.get(name) for i, name in enumerate(names)]
        states = [getattr(module, name) if state is None else state for name, state in zip(names, given, strict=True)]
        return Reading(
            arriving=arriving, states=tuple(state if state.shape == arriving.shape else None for state in states)
        )

    def gives(module: Any, output: Any) -> Giving:
        spikes = output[0] if isinstance(output, tuple) else output
        states = tuple(getattr(module, name) for name in names)
        after = not getattr(module, "reset_delay", True)
        return Giving(spikes=spikes, states=states, potential=names.index("mem"), after_reset=after)

    def made(module: Any, shape: Shape, where: str) -> Population:
        return _population(module, kept(module, shape), late_zero, shape)

    def reset(module: Any) -> None:
        module.reset_mem()

    return NeuronForm(reads=reads, gives=gives, population=made, reset=reset)


def _population(module: Any, step: dict[str, Any], late_zero: bool, shape: Shape) -> Population:
    _check(module)
    reset, delayed = _reset_of(module), getattr(module, "reset_delay", True)
    threshold = numbers(module.threshold, shape, "threshold")
    never = bool((threshold >= NEVER).all())
    if reset == "subtract" and not delayed:
        raise InputError(
            "reset_delay=False with 'subtract' raises the threshold while the potential stays above it after a reset; "
            "use reset_delay=True, or reset_mechanism='zero'"
        )
    if reset != "none" and not delayed and (threshold < 0).any():
        raise InputError("reset_delay=False with a threshold below 0 resets in every step; give a threshold above 0")
    if reset == "subtract" and not never and (step["keep"] == 0).any():
        raise InputError(
            "beta is 0, so that it keeps nothing, and what a spike takes off a step later has no form; use "
            "reset_mechanism='zero', or a beta above 0"
        )
    rule = Dynamics(
        **step,
        threshold=threshold,
        strict=not _fires_at_zero(module),
        reset=reset,
        reset_value=threshold if reset == "subtract" else np.zeros(()),
        refractory=reset == "zero" and late_zero and delayed,
    )
    return population(rule, back=_back(module, shape), late=delayed)


def _check(module: Any) -> None:
    if module.inhibition:
        raise InputError("inhibition lets only the neuron with the largest potential fire, which has no form here")
    if module.state_quant:
        raise InputError("state_quant rounds its states; train without, and quantize with inflor")
    if not bool((module.graded_spikes_factor == 1).all()):
        raise InputError("graded_spikes_factor makes spikes of another size than 1; scale the layer behind it instead")


def _reset_of(module: Any) -> Reset:
    reset = _RESETS[module.state_function.__name__]
    if not getattr(module, "reset_delay", True) and list(module.reset_dict)[int(module.reset_mechanism_val)] != reset:
        raise InputError(f"was made with reset_mechanism={reset!r}, and says another one now; make it anew")
    return reset


def _fires_at_zero(module: Any) -> bool:
    """Whether it fires where the potential is the threshold. Its function has to be a step."""
    distance = torch.tensor([-8.0, -1.0, -0.5, -1e-3, -1e-7, 0.0, 1e-7, 1e-3, 0.5, 1.0, 8.0] * 2).to(module.threshold)
    spikes = module.spike_grad(distance).detach().cpu()
    expected = (distance > 0).cpu().to(spikes)
    if bool((spikes[distance.cpu() != 0] != expected[distance.cpu() != 0]).any()):
        raise InputError("its spike_grad gives other values than 0 and 1 by the sign of its input; use one that does")
    return bool(spikes[5] == 1)


def _back(module: Any, shape: Shape) -> dict[str, nir.NIRNode]:
    """What leads the spikes back, where something does."""
    layer: Any = getattr(module, "recurrent", None)
    if layer is None:
        return {}
    if hasattr(layer, "V"):
        scale = np.broadcast_to(numbers(layer.V, shape, "V"), shape).astype(np.float32)
        return {"recurrent": make_node(nir.Scale, {"scale": scale})}
    return {"recurrent": recurrent(layer, shape)}


def _kept(values: Any, shape: Shape, name: str) -> FloatArray:
    return np.clip(numbers(values, shape, name), 0, 1)


def _leaky(module: Any, shape: Shape) -> dict[str, FloatArray]:
    return {"keep": _kept(module.beta, shape, "beta")}


def _synaptic(module: Any, shape: Shape) -> dict[str, FloatArray]:
    return {"current_keep": _kept(module.alpha, shape, "alpha"), "keep": _kept(module.beta, shape, "beta")}


def _lapicque(module: Any, shape: Shape) -> dict[str, FloatArray]:
    resistance, capacity, dt = (numbers(getattr(module, name), shape, name) for name in ("R", "C", "time_step"))
    tau = resistance * capacity / dt
    if (tau < 1).any():
        raise InputError(f"R C is {tau.min():g} steps, so that its potential changes sign in every step; give R C >= 1")
    return {"keep": np.asarray(1 - 1 / tau), "gain": np.asarray(dt / capacity)}


_LSTM = "it is an LSTM, which no target computes; use Leaky, Synaptic, RLeaky or RSynaptic"
_LINEAR = "it does not step its state as the others do; use Leaky"

FRAMEWORK = Framework(
    neurons={
        "Leaky": _form(("mem",), _leaky, late_zero=False),
        "Lapicque": _form(("mem",), _lapicque, late_zero=True),
        "Synaptic": _form(("syn", "mem"), _synaptic, late_zero=True),
        "RLeaky": _form(("spk", "mem"), _leaky, late_zero=True),
        "RSynaptic": _form(("spk", "syn", "mem"), _synaptic, late_zero=True),
    },
    refused={
        "Alpha": "a spike resets its two currents as well, which has no form in NIR; use Synaptic",
        "SLSTM": _LSTM,
        "SConv2dLSTM": _LSTM,
        "LeakyParallel": "it runs a plain RNN; use Leaky",
        **dict.fromkeys(("DeltaLeaky", "LinearLeaky", "StateLeaky", "AssociativeLeaky"), _LINEAR),
    },
)
