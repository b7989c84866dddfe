"""What a framework's neuron does in a step, as the NIR node that does it: the frameworks' files write neurons so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import nir
import numpy as np
from torch import Tensor, nn

from inflor.converter.errors import InputError
from inflor.converter.modules.forms import Population
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.fields import make_node
from inflor.converter.primitives.step import Dynamics, FloatArray

NEVER = 1e9
"""A threshold from which on a neuron is taken for one that never fires."""

_NO_LEAK = 1e20
"""A time constant of which a step leaks nothing; of neurons that fire, a pass puts it in the place of infinity."""


def numbers(values: Any, shape: Shape, name: str) -> FloatArray:
    """A parameter in float64, as it broadcasts to the shape of the neurons.

    Raises:
        InputError: it does not.
    """
    array: FloatArray = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, np.float64)
    array = array.reshape(array.shape[max(0, array.ndim - len(shape)) :]) if array.size else array
    try:
        np.broadcast_to(array, shape)
    except ValueError as error:
        raise InputError(
            f"{name} has shape {list(array.shape)}, and its neurons {list(shape)}; give one a neuron"
        ) from error
    return array.reshape(()) if array.size == 1 else array


@np.errstate(divide="ignore", invalid="ignore")  # a neuron without a leak has an infinite time constant
def population(
    step: Dynamics,
    *,
    back: Mapping[str, nir.NIRNode] | None = None,
    start: Literal["zero", "v_leak", "v_reset"] = "zero",
    late: bool = False,
    notes: tuple[str, ...] = (),
) -> Population:
    """The nodes of neurons of which a step is known; `step` as `inflor.converter.primitives.step.Dynamics` says.

    Args:
        back, start, late, notes: as in Population.

    Raises:
        InputError: it keeps more than all, or less than nothing, from one step to the next.
    """
    _check_kept("potential", step.keep)
    fields = _integrating(step)
    never = step.threshold is None or bool((step.threshold >= NEVER).all())
    kinds = _KINDS["tau_syn" in fields, "tau" in fields or "tau_mem" in fields]
    plain = {name: np.minimum(value, _NO_LEAK) for name, value in fields.items()}
    readout = make_node(kinds[1], plain) if never or step.reset == "none" else None
    if step.threshold is None:
        assert readout is not None
        return Population(node=readout, readout=readout, start=start, notes=notes)
    fire = {"v_threshold": np.minimum(step.threshold, 1e30), "v_reset": step.v_reset}
    metadata: dict[str, Any] = {}
    if step.refractory:
        metadata = {"refractory": True}
    if step.reset != "zero":
        metadata = {"reset": "subtract", "reset_value": np.zeros(()) if never else step.reset_value}
    node = make_node(kinds[0], {**fields, **fire}, metadata)
    return Population(
        node=node,
        readout=readout,
        back=back or {},
        late=late and step.reset == "subtract" and not never,
        reached=not step.strict,
        start=start,
        notes=notes,
    )


def recurrent(layer: nn.Module, shape: Shape) -> nir.NIRNode:
    """The layer that leads spikes back, as a node.

    Args:
        layer: linear or a convolution.
        shape: of the neurons.

    Raises:
        InputError: it is neither, or does not pad with zeros.
    """
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        raise InputError(f"its recurrent layer is a {type(layer).__name__}; use nn.Linear or nn.Conv2d")
    weight = layer.weight.detach().cpu().numpy().copy()
    bias = np.zeros(len(weight), np.float32) if layer.bias is None else layer.bias.detach().cpu().numpy().copy()
    if isinstance(layer, nn.Linear):
        return make_node(nir.Affine, {"weight": weight, "bias": bias})
    if layer.padding_mode != "zeros":
        raise InputError(f"its recurrent layer pads with {layer.padding_mode}; pad with zeros")
    sizes = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation, "groups": layer.groups}
    return make_node(nir.Conv2d, {"input_shape": shape[1:], "weight": weight, "bias": bias, **sizes})


_KINDS: Mapping[tuple[bool, bool], tuple[type[nir.NIRNode], type[nir.NIRNode]]] = {
    (False, False): (nir.IF, nir.I),
    (False, True): (nir.LIF, nir.LI),
    (True, True): (nir.CubaLIF, nir.CubaLI),
}
"""The neuron and the integrator, by whether it has a synaptic current and whether it leaks."""


def _integrating(step: Dynamics) -> dict[str, FloatArray]:
    """Time constants and gains, of Euler's rule with a step of 1."""
    if step.current_keep is None and (step.keep == 1).all() and not step.drift.any():
        return {"r": step.gain}
    tau = np.asarray(1 / (1 - step.keep))
    leak = {"r": np.asarray(step.gain * tau), "v_leak": np.where(step.drift == 0, 0.0, step.drift * tau)}
    if not np.isfinite(leak["v_leak"]).all():
        raise InputError("a bias without a leak adds up without end; give it a leak, or the layer before it the bias")
    if np.isnan(leak["r"]).any():
        raise InputError("an infinite time constant with an input scaled by it takes nothing in; give a finite one")
    if step.current_keep is None:
        return {"tau": tau, **leak}
    _check_kept("current", step.current_keep)
    syn = np.asarray(1 / (1 - step.current_keep))
    return {"tau_syn": syn, "w_in": np.asarray(step.current_gain * syn), "tau_mem": tau, **leak}


def _check_kept(what: str, keep: FloatArray) -> None:
    if not ((keep >= 0) & (keep <= 1)).all():
        worst = keep.flat[int(np.argmax(np.abs(keep - 0.5)))]
        raise InputError(
            f"a step keeps {worst:g} of its {what}; give time constants of at least a step, so that it is 0 to 1"
        )
