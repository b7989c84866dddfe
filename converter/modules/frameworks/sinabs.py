"""Sinabs: IAF, LIF, ExpLeak, their Squeeze and recurrent forms, and what sinabs.from_torch makes of an ANN.

    i = a_syn (i + x) with a tau_syn, else x;  v = a v + (1 - a) i, or a v + i without norm_input;  a = exp(-1 / tau)

It fires at v >= spike_threshold, once a step with SingleSpike, and then v loses the threshold (MembraneSubtract) or
becomes 0 (MembraneReset). It takes all steps, [batch, time, ...], of Squeeze layers as one axis.
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.modules.forms import Framework, Giving, NeuronForm, Population, Reading
from inflor.converter.modules.neuron_nodes import numbers, population, recurrent
from inflor.converter.modules.values import Axis
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.step import Dynamics


def _form(*, squeezed: bool = False, fires: bool = True) -> NeuronForm:
    """A class of neurons.

    Args:
        squeezed: whether batch and time are one axis.
        fires: whether it gives spikes, not its potential.
    """
    lead: tuple[Axis, ...] = ("joined_second",) if squeezed else ("batch", "time")

    def gives(module: Any, output: Any) -> Giving:
        return Giving(spikes=output) if fires else Giving(spikes=output.clone(), states=(output,), potential=0)

    return NeuronForm(
        reads=_reads,
        gives=gives,
        population=_population,
        reset=_reset,
        lead=lambda module: lead,
        prepare=_tell if squeezed else _nothing,
    )


def _reads(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reading:
    kept = dict(module.named_buffers(recurse=False))
    return Reading(arriving=args[0] if args else kwargs["input_data"], states=tuple(kept.values()))


def _reset(module: Any) -> None:
    module.reset_states()


def _tell(module: Any, batch: int) -> None:
    module.batch_size, module.num_timesteps = batch, -1


def _nothing(module: Any, batch: int) -> None:
    """It sees the batch in its input."""


def _population(module: Any, shape: Shape, where: str) -> Population:
    if module.min_v_mem is not None:
        raise InputError("give min_v_mem=None; the floor of the potential has no form here")
    keep = numbers(module.alpha_mem_calculated, shape, "tau_mem")
    gain = 1 - keep if module.norm_input else np.ones(())
    step: dict[str, Any] = {"keep": keep, "gain": gain, "strict": False}
    if module.alpha_syn_calculated is not None:
        syn = numbers(module.alpha_syn_calculated, shape, "tau_syn")
        step |= {"current_keep": syn, "current_gain": syn}
    if module.spike_fn is None:
        return population(Dynamics(**step))
    threshold = numbers(module.spike_threshold, shape, "spike_threshold")
    _check_spikes(module.spike_fn, threshold)
    return population(
        Dynamics(**step, threshold=threshold, **_reset_of(module.reset_fn, shape, threshold)), back=_back(module, shape)
    )


def _check_spikes(function: Any, threshold: Any) -> None:
    name = getattr(function, "__name__", type(function).__name__)
    if name == "SingleSpike" or (
        name == "MaxSpike" and function.max_num_spikes_per_bin == 1 and bool((threshold > 0).all())
    ):
        return
    if name in ("MultiSpike", "MaxSpike"):
        raise InputError(
            f"{name} fires several times in one step where the potential reaches twice the threshold, which a spike "
            "here cannot say; give spike_fn=sinabs.activation.SingleSpike"
        )
    raise InputError(f"its spike_fn {name} has no form here; give spike_fn=sinabs.activation.SingleSpike")


def _reset_of(function: Any, shape: Shape, threshold: Any) -> dict[str, Any]:
    name = type(function).__name__
    if name == "MembraneSubtract":
        amount = function.subtract_value
        return {
            "reset": "subtract",
            "reset_value": threshold if amount is None else numbers(amount, shape, "subtract_value"),
        }
    if name == "MembraneReset":
        if numbers(function.reset_value, shape, "reset_value").any():
            raise InputError("MembraneReset adds its reset_value in every step; give reset_fn=MembraneReset(0.0)")
        return {"reset": "zero"}
    raise InputError(f"its reset_fn {name} has no form here; use MembraneSubtract or MembraneReset")


def _back(module: Any, shape: Shape) -> dict[str, nir.NIRNode]:
    """What leads the spikes back, of a recurrent layer."""
    layer = getattr(module, "rec_connect", None)
    if layer is None:
        return {}
    if getattr(layer, "bias", None) is not None and bool(layer.bias.any()):
        raise InputError(
            "the bias of its rec_connect is left out in the first step; give bias=False, or the layer before it"
        )
    return {"rec_connect": recurrent(layer, shape)}


_ADAPTIVE = "its threshold adapts, which no target computes; use LIF"
_ENCODES = "it makes spikes of the input; do that outside, and give the frames"
_QUANTIZES = "it rounds; train without, and quantize with inflor"

FRAMEWORK = Framework(
    neurons={
        "IAF": _form(),
        "IAFSqueeze": _form(squeezed=True),
        "IAFRecurrent": _form(),
        "LIF": _form(),
        "LIFSqueeze": _form(squeezed=True),
        "LIFRecurrent": _form(),
        "ExpLeak": _form(fires=False),
        "ExpLeakSqueeze": _form(squeezed=True, fires=False),
    },
    refused={
        **dict.fromkeys(("ALIF", "ALIFRecurrent"), _ADAPTIVE),
        **dict.fromkeys(("Img2SpikeLayer", "Sig2SpikeLayer"), _ENCODES),
        **dict.fromkeys(("NeuromorphicReLU", "QuantizeLayer"), _QUANTIZES),
        "SpikingMaxPooling2dLayer": "it counts all spikes before to choose which passes; use nn.MaxPool2d",
        "ChannelShift": "it adds channels of zeros; give the layer before it so many channels",
        "Cropping2dLayer": "it cuts images at their borders, which has no form yet; crop the data",
        "SumPool2d": "use nn.AvgPool2d, with the weights behind it scaled",
    },
)
