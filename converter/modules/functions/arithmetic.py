"""Sums, factors and constants; sums and means over time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from inflor.converter.modules.expressions import Array
from inflor.converter.modules.rules import REFUSED, Call, Misplaced, Refused, as_array, follows, shown
from inflor.converter.modules.values import Axis, Traced

_ACTIVATION = (
    "between layers without a neuron, it is not a spiking network's; put a neuron here, or convert the network first "
    "(sinabs, snntoolbox)"
)
_AT_END = "leave it out at the end: the prediction is the same"
_ENCODES = "it makes spikes of the input at random; do that outside, and give the frames"
REFUSED |= {
    **dict.fromkeys(("relu_", "leaky_relu", "gelu", "elu", "silu", "hardtanh", "relu6"), _ACTIVATION),
    **dict.fromkeys(("tanh", "sigmoid", "clamp", "clamp_", "clip"), _ACTIVATION),
    **dict.fromkeys(("softmax", "log_softmax", "argmax", "topk"), _AT_END),
    **dict.fromkeys(("bernoulli", "poisson", "multinomial"), _ENCODES),
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm"), "it depends on the data; train with batch norm"),
    **dict.fromkeys(
        ("gt", "lt", "ge", "le", "__gt__", "__lt__", "__ge__", "__le__", "heaviside"),
        ("a neuron written by hand cannot be followed; use one of a known framework"),
    ),
    **dict.fromkeys(("max", "amax", "min", "amin", "maximum", "minimum"), "only pools take a maximum"),
}


@follows("add", "__add__", "__radd__", "__iadd__", "add_", "sub", "__sub__", "__rsub__", "__isub__", "sub_", "rsub")
def added(call: Call) -> Traced:
    left, right = call.args[0], call.argument(1, "other")
    signs = [1.0, 1.0]
    if "sub" in call.name:
        signs = [-1.0, 1.0] if call.name in ("__rsub__", "rsub") else [1.0, -1.0]
    alpha = call.kwargs.get("alpha", 1)
    signs[1 if call.name not in ("__rsub__", "rsub") else 0] *= alpha
    values = [_signed(call, side, sign) for side, sign in zip((left, right), signs, strict=True)]
    if isinstance(values[0], Traced) and isinstance(values[1], Traced):
        return _sum(call, values[0], values[1])
    value = values[0] if isinstance(values[0], Traced) else values[1]
    other = right if isinstance(values[0], Traced) else left
    assert isinstance(value, Traced)
    return _shifted(call, value, as_array(other) * (signs[1] if other is right else signs[0]))


def _signed(call: Call, side: Any, sign: float) -> Traced | None:
    value = call.look(side) if isinstance(side, Tensor) else None
    if not isinstance(value, Traced):
        return None
    return value.mapped(lambda term: call.store.scale(term, np.asarray(sign), call.site))


def _sum(call: Call, a: Traced, b: Traced) -> Traced:
    if len(a.axes) < len(b.axes):
        a, b = b, a
    same = a.axes[len(a.axes) - len(b.axes) :] == b.axes and call.shape(a) == call.shape(b)
    ahead = a.axes[: len(a.axes) - len(b.axes)]
    if not same or ahead not in ((), ("time",)):
        raise Refused(f"adds {shown(a)} of {call.shape(a)} and {shown(b)} of {call.shape(b)}; add values of one shape")
    terms = b.terms * (len(a.terms) if ahead else 1)
    if len(terms) != len(a.terms):
        raise Refused(f"adds {len(a.terms)} steps to {len(terms)}")
    return Traced(tuple(call.store.add(pair) for pair in zip(a.terms, terms, strict=True)), a.axes)


def _per_value(call: Call, value: Traced, constant: Array) -> npt.NDArray[np.float64]:
    """A constant as one number, or at the shape of the values."""
    if constant.size == 1:
        return np.asarray(constant.reshape(()), np.float64)
    shape, ndim = call.shape(value), len(value.axes)
    full = constant.reshape((1,) * (ndim - constant.ndim) + constant.shape)
    for place, axis in enumerate(value.axes):
        if axis and full.shape[place] != 1:
            if (full != full.take([0], place)).any():
                raise Refused("a constant differs from sample to sample, or from step to step")
            full = full.take([0], place)
    places = [place for place, axis in enumerate(value.axes) if axis == ""]
    kept = full.reshape([full.shape[place] for place in places])
    return np.broadcast_to(kept, shape).astype(np.float64)


def _shifted(call: Call, value: Traced, constant: Array) -> Traced:
    if not constant.any():
        return value
    shift, shape = _per_value(call, value, constant), call.shape(value)
    full = np.broadcast_to(shift, shape)
    channels = full.reshape(shape[0], -1) if shape else full.reshape(1, 1)
    if (channels != channels[:, :1]).any():
        raise Refused("adds a constant that differs within a channel; make it the bias of a layer")
    one = np.ones(len(channels))
    arrays = {"gamma": one, "beta": channels[:, 0], "mean": 0 * one, "var": one}
    return value.mapped(lambda term: call.store.layer("norm", term, shape, call.site, arrays, {"eps": 0.0}))


@follows("mul", "__mul__", "__rmul__", "__imul__", "mul_", "multiply", "div", "__truediv__", "__itruediv__", "div_")
def scaled(call: Call) -> Traced:
    left, right = call.args[0], call.argument(1, "other")
    value = call.look(left) if isinstance(left, Tensor) else None
    other = right
    if not isinstance(value, Traced):
        value, other = call.look(right), left
    if isinstance(other, Tensor) and call.look(other) is not None:
        raise Refused("multiplies two tensors that both come from the input; no target does that")
    if "div" in call.name and other is left:
        raise Refused("divides by what comes from the input")
    if call.kwargs.get("rounding_mode") is not None:
        raise Refused("rounds")
    assert isinstance(value, Traced)
    factor = _per_value(call, value, as_array(other).astype(np.float64))
    if "div" in call.name:
        if (factor == 0).any():
            raise Refused("divides by 0")
        factor = 1 / factor
    if not factor.any():
        return value.mapped(lambda term: call.store.zero(call.store[term].shape))
    return value.mapped(lambda term: call.store.scale(term, factor, call.site))


@follows("neg", "__neg__", "negative")
def negated(call: Call) -> Traced:
    return call.traced().mapped(lambda term: call.store.scale(term, np.asarray(-1.0), call.site))


@follows("sum", "mean")
def reduced(call: Call) -> Traced:
    """Over time; a mean over all of an image is a pool."""
    value = call.traced()
    dim = call.argument(1, "dim", call.kwargs.get("axis"))
    if dim is None:
        raise Refused("adds up samples; say along which axis, as in x.sum(0)")
    dims = sorted(d % len(value.axes) for d in ([dim] if isinstance(dim, int) else dim))
    kept = bool(call.argument(2, "keepdim", False))
    labels = [value.axes[d] for d in dims]
    if labels == ["time"] and not kept:
        total = call.store.add(value.terms)
        if call.name == "mean":
            total = call.store.scale(total, np.asarray(1 / len(value.terms)), call.site)
        return Traced((total,), (*value.axes[: dims[0]], *value.axes[dims[0] + 1 :]))
    shape = call.shape(value)
    if (
        call.name == "mean"
        and labels == ["", ""]
        and len(shape) == 3
        and value.in_order
        and dims[-1] == len(value.axes) - 1
    ):
        return _pooled(call, value, kept)
    raise Misplaced(f"adds up {shown(value)} along {dims}; only time, or all of an image in a mean, has a form")


def _pooled(call: Call, value: Traced, kept: bool) -> Traced:
    channels, *size = call.shape(value)
    options = {"kernel_size": tuple(size), "stride": tuple(size), "padding": (0, 0)}

    def pool(term: int) -> int:
        pooled = call.store.layer("avg_pool2d", term, (channels, 1, 1), call.site, options=options)
        return pooled if kept else call.store.reshape(pooled, (channels,), f"{call.site}.flatten")

    axes: tuple[Axis, ...] = value.axes if kept else value.axes[:-2]
    assert math.prod(size)
    return value.mapped(pool, axes)


@follows("relu")
def relu(call: Call) -> Traced:
    """Nothing happens to spikes, and to sums of them."""
    value = call.traced()
    if not all(map(call.store.nonnegative, value.terms)):
        raise Refused(_ACTIVATION)
    return value
