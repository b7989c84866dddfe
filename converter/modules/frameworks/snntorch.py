"""snnTorch 1: Leaky, Lapicque, Synaptic, RLeaky, RSynaptic.

    Leaky, RLeaky            v = beta v + a - R th
    Lapicque                 v = (1 - dt / (R C)) v + dt / C a - R th
    Synaptic, RSynaptic      u = alpha u + a;  v = beta v + u - R th

R is whether the step before ended above the threshold: a reset acts a step late. To zero it multiplies what v was
(Leaky) or what it becomes (the others, which so do not integrate in the step after a spike). alpha and beta
are cut to 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from inflor.converter.errors import InputError
from inflor.converter.modules.forms import Framework, Giving, NeuronForm, Population, Reading
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.fields import make_node

_RESETS = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}
_NEVER = 1e9
"""A threshold from which on a neuron is taken for one that never fires."""
_NO_LEAK = 1e20
"""A time constant of which a step leaks nothing; of neurons that fire, a pass puts it in the place of infinity."""
Numbers = npt.NDArray[np.float64]


def _form(names: tuple[str, ...], fields: Callable[[Any], dict[str, Numbers]], late_zero: bool) -> NeuronForm:
    """A class of neurons.

    Args:
        names: its states, in the order in which it takes them.
        fields: module -> time constants and gains of its node.
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
        return Giving(spikes=spikes, states=states, potential=names.index("mem"))

    def population(module: Any, shape: Shape, where: str) -> Population:
        return _population(module, fields(module), late_zero, shape)

    def reset(module: Any) -> None:
        module.reset_mem()

    return NeuronForm(reads=reads, gives=gives, population=population, reset=reset)


def _population(module: Any, fields: dict[str, Numbers], late_zero: bool, shape: Shape) -> Population:
    _check(module)
    reset, delayed = _reset_of(module), getattr(module, "reset_delay", True)
    threshold, reached = _numbers(module.threshold), _fires_at_zero(module)
    never = bool((threshold >= _NEVER).all())
    node, readout = _nodes(fields, np.minimum(threshold, 1e30))
    if not (never or reset == "none"):
        readout = None
    if reset == "zero":
        node.metadata["refractory"] = late_zero and delayed
    else:
        node.metadata |= {
            "reset": "subtract",
            "reset_value": threshold if reset == "subtract" and not never else np.zeros(()),
        }
    if reset == "none":
        return Population(node=node, readout=readout, back=_back(module, shape), reached=reached)
    if not delayed and reset == "subtract":
        raise InputError(
            "reset_delay=False with 'subtract' raises the threshold while the potential stays above it after a reset; "
            "use reset_delay=True, or reset_mechanism='zero'"
        )
    if not delayed and (threshold < 0).any():
        raise InputError("reset_delay=False with a threshold below 0 resets in every step; give a threshold above 0")
    if (
        reset == "subtract"
        and not never
        and any((time == 1).any() for name, time in fields.items() if name in ("tau", "tau_mem"))
    ):
        raise InputError(
            "beta is 0, so that it keeps nothing, and what a spike takes off a step later has no form; use "
            "reset_mechanism='zero', or a beta above 0"
        )
    late = delayed and reset == "subtract" and not never
    return Population(node=node, readout=readout, back=_back(module, shape), late=late, reached=reached)


def _nodes(fields: Mapping[str, Numbers], threshold: Numbers) -> tuple[nir.NIRNode, nir.NIRNode]:
    """The neuron, and the node that only integrates."""
    fire = {"v_threshold": threshold, "v_reset": np.zeros(())}
    plain = {name: np.minimum(value, _NO_LEAK) for name, value in fields.items()}
    if "tau_syn" in fields:
        leak = {**fields, "v_leak": np.zeros(())}
        return make_node(nir.CubaLIF, {**leak, **fire}), make_node(nir.CubaLI, {**leak, **plain})
    if not np.isfinite(fields["tau"]).any() and fields["tau"].size == 1:
        one = {"r": np.ones(())}
        return make_node(nir.IF, {**one, **fire}), make_node(nir.I, one)
    leak = {**fields, "v_leak": np.zeros(())}
    return make_node(nir.LIF, {**leak, **fire}), make_node(nir.LI, {**leak, **plain})


def _check(module: Any) -> None:
    if module.inhibition:
        raise InputError("inhibition lets only the neuron with the largest potential fire, which has no form here")
    if module.state_quant:
        raise InputError("state_quant rounds its states; train without, and quantize with inflor")
    if not bool((module.graded_spikes_factor == 1).all()):
        raise InputError("graded_spikes_factor makes spikes of another size than 1; scale the layer behind it instead")


def _reset_of(module: Any) -> str:
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
    if isinstance(layer, nn.Linear):
        weight = _numbers(layer.weight).astype(np.float32)
        offset = np.zeros(len(weight)) if layer.bias is None else _numbers(layer.bias)
        return {"recurrent": make_node(nir.Affine, {"weight": weight, "bias": offset.astype(np.float32)})}
    if isinstance(layer, nn.Conv2d):
        offset = np.zeros(shape[0]) if layer.bias is None else _numbers(layer.bias)
        values: dict[str, Any] = {
            "input_shape": shape[1:],
            "weight": _numbers(layer.weight).astype(np.float32),
            "bias": offset.astype(np.float32),
            "stride": layer.stride,
            "padding": layer.padding,
            "dilation": layer.dilation,
            "groups": layer.groups,
        }
        return {"recurrent": make_node(nir.Conv2d, values)}
    if hasattr(layer, "V"):
        scale = np.broadcast_to(_numbers(layer.V), shape).astype(np.float32)
        return {"recurrent": make_node(nir.Scale, {"scale": scale})}
    raise InputError(f"its recurrent layer is a {type(layer).__name__}; use a linear or convolutional one, or V")


def _numbers(values: Any) -> Numbers:
    array: Numbers = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, np.float64)
    return array.reshape(()) if array.size == 1 else array


def _tau(keep: Tensor) -> Numbers:
    """The time constant of which a step keeps so much; infinite where it keeps all."""
    with np.errstate(divide="ignore"):
        return np.asarray(1 / (1 - np.clip(_numbers(keep), 0, 1)))


def _leaky(module: Any) -> dict[str, Numbers]:
    tau = _tau(module.beta)
    return {"tau": tau, "r": tau}


def _synaptic(module: Any) -> dict[str, Numbers]:
    syn, mem = _tau(module.alpha), _tau(module.beta)
    return {"tau_syn": syn, "w_in": syn, "tau_mem": mem, "r": mem}


def _lapicque(module: Any) -> dict[str, Numbers]:
    resistance, capacity, dt = _numbers(module.R), _numbers(module.C), _numbers(module.time_step)
    tau = resistance * capacity / dt
    if (tau < 1).any():
        raise InputError(f"R C is {tau.min():g} steps, so that its potential changes sign in every step; give R C >= 1")
    return {"tau": np.asarray(tau), "r": resistance}


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
