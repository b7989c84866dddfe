"""Layers with weights, normalizations, dropout and padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from inflor.converter.modules.rules import REFUSED, Call, Refused, follows, sizes
from inflor.converter.modules.values import Traced

_TRANSPOSED = "a transposed convolution has no form yet; use Upsample-free layers, or a convolution"
REFUSED |= {
    "conv3d": "NIR has no convolution in three dimensions; fold the third one into the channels",
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _TRANSPOSED),
    "interpolate": "upsampling has no form yet; leave it out, or use a larger stride before",
    "embedding": "it looks rows up by the input; no target does that",
    "bilinear": "it multiplies activities; no target does that",
    "einsum": "write it as F.linear",
}


@follows("linear")
def linear(call: Call) -> Traced:
    return _linear(call, call.traced(), call.constant(1, "weight"), call.constant(2, "bias"))


@follows("matmul", "__matmul__", "mm")
def product(call: Call) -> Traced:
    weight = call.constant(1, "other")
    if weight is None or weight.ndim != 2:
        raise Refused("multiplies by something else than a matrix")
    return _linear(call, call.traced(), weight.T, None)


def _linear(call: Call, value: Traced, weight: Any, bias: Any) -> Traced:
    shape = call.shape(value)
    if len(shape) != 1 or not value.in_order:
        raise Refused(f"takes values of shape {list(shape)}; flatten them to one dimension before it")
    arrays = {"weight": weight, "bias": bias}
    return value.mapped(lambda term: call.store.layer("linear", term, (len(weight),), call.site, arrays))


def _convolved(call: Call, count: int) -> Traced:
    value = call.samples(dims=count + 1)
    padding = call.argument(4, "padding", 0)
    options = {
        "stride": sizes(call.argument(3, "stride", 1), count),
        "padding": padding if isinstance(padding, str) else sizes(padding, count),
        "dilation": sizes(call.argument(5, "dilation", 1), count),
        "groups": int(call.argument(6, "groups", 1)),
    }
    arrays = {"weight": call.constant(1, "weight"), "bias": call.constant(2, "bias")}
    shape = tuple(call.result.shape[1:])
    return value.mapped(lambda term: call.store.layer(call.name, term, shape, call.site, arrays, options))


@follows("conv1d")
def conv1d(call: Call) -> Traced:
    return _convolved(call, 1)


@follows("conv2d")
def conv2d(call: Call) -> Traced:
    return _convolved(call, 2)


@follows("batch_norm")
def batch_norm(call: Call) -> Traced:
    value = call.samples()
    mean, var = call.constant(1, "running_mean"), call.constant(2, "running_var")
    if call.argument(5, "training", False) or mean is None or var is None:
        raise Refused(
            "normalizes by the batch at hand, so that a sample's result depends on the others; keep running statistics "
            "(track_running_stats=True) and evaluate with them"
        )
    gamma, beta = call.constant(3, "weight"), call.constant(4, "bias")
    arrays = {
        "gamma": np.ones_like(mean) if gamma is None else gamma,
        "beta": np.zeros_like(mean) if beta is None else beta,
        "mean": mean,
        "var": var,
    }
    eps = float(call.argument(7, "eps", 1e-5))
    return value.mapped(lambda term: call.store.layer("norm", term, call.shape(value), call.site, arrays, {"eps": eps}))


@follows("dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
def dropout(call: Call) -> Traced:
    if call.argument(2, "training", True) and call.argument(1, "p", 0.5):
        raise Refused("drops values at inference too; give training=self.training, or use nn.Dropout")
    return call.traced()


@follows("pad")
def padded(call: Call) -> Traced:
    value, sides = call.traced(), [int(side) for side in call.argument(1, "pad")]
    if call.argument(2, "mode", "constant") != "constant" or (call.argument(3, "value") or 0) != 0:
        raise Refused("pads with something else than zeros; pad with zeros")
    sides += [0] * (4 - len(sides))
    if len(sides) > 4 or min(sides) < 0 or len(call.shape(value)) != 3 or not value.in_order:
        raise Refused("pads other dimensions than the two of images, or cuts them; that has no form yet")
    shape = (call.shape(value)[0], *call.result.shape[-2:])
    left, right, top, bottom = sides
    options = {"sides": (top, bottom, left, right)}
    return value.mapped(lambda term: call.store.layer("pad", term, shape, call.site, options=options))
