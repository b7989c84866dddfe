"""Pools: averages, and maxima of spikes or currents."""

from __future__ import annotations

from typing import Any

import numpy as np

from inflor.converter.modules.rules import REFUSED, Call, Refused, follows, sizes
from inflor.converter.modules.values import Traced

_ONE = "pools in other than two dimensions have no form yet; use a second dimension of size 1"
REFUSED |= dict.fromkeys(("avg_pool3d", "max_pool1d", "max_pool3d", "adaptive_avg_pool1d", "adaptive_max_pool1d"), _ONE)
REFUSED["max_pool2d_with_indices"] = "it gives the places of the maxima too; use return_indices=False"
REFUSED |= dict.fromkeys(("lp_pool2d", "fractional_max_pool2d", "max_unpool2d"), "use an average or a maximum")


def _made(call: Call, op: str, value: Traced, options: dict[str, Any]) -> Traced:
    shape = (call.shape(value)[0], *call.result.shape[2:])
    return value.mapped(lambda term: call.store.layer(op, term, shape, call.site, options=options))


@follows("avg_pool2d")
def average(call: Call) -> Traced:
    value = call.samples(dims=3)
    kernel = sizes(call.argument(1, "kernel_size"), 2)
    stride = sizes(call.argument(2, "stride") or kernel, 2)
    padding, ceil = sizes(call.argument(3, "padding", 0), 2), bool(call.argument(4, "ceil_mode", False))
    counted, divisor = call.argument(5, "count_include_pad", True), call.argument(6, "divisor_override")
    if divisor is not None:
        raise Refused("divisor_override has no form; scale the weights behind it")
    if any(padding) and not counted:
        raise Refused("count_include_pad=False divides by less at the border; use count_include_pad=True")
    if ceil and not _whole(call.shape(value)[1:], kernel, stride, padding):
        raise Refused("ceil_mode pools less than a whole window at the border; use ceil_mode=False")
    return _made(call, "avg_pool2d", value, {"kernel_size": kernel, "stride": stride, "padding": padding})


@follows("avg_pool1d")
def average_of_a_row(call: Call) -> Traced:
    """NIR has no such pool. Over one channel it is a matrix, as SpikingJelly's vote of ten neurons a class, else a
    convolution channel by channel."""
    value = call.samples(dims=2)
    (kernel,), (padding,) = sizes(call.argument(1, "kernel_size"), 1), sizes(call.argument(3, "padding", 0), 1)
    (stride,) = sizes(call.argument(2, "stride") or kernel, 1)
    channels, length = call.shape(value)
    pooled, store = int(call.result.shape[-1]), call.store
    if (pooled - 1) * stride + kernel > length + 2 * padding:
        raise Refused("ceil_mode pools less than a whole window at the border; use ceil_mode=False")
    if padding and not call.argument(5, "count_include_pad", True):
        raise Refused("count_include_pad=False divides by less at the border; use count_include_pad=True")
    if channels == 1:
        start = stride * np.arange(pooled)[:, None] - padding
        within = (np.arange(length) >= start) & (np.arange(length) < start + kernel)
        weight = {"weight": (within / kernel).astype(np.float32)}

        def weighed(term: int) -> int:
            row = store.reshape(term, (length,), call.site)
            return store.reshape(store.layer("linear", row, (pooled,), call.site, weight), (1, pooled), call.site)

        return value.mapped(weighed)
    options: dict[str, Any] = {"stride": (stride,), "padding": (padding,), "dilation": (1,), "groups": channels}
    arrays = {"weight": np.full((channels, 1, kernel), 1 / kernel, np.float32)}
    return value.mapped(lambda term: store.layer("conv1d", term, (channels, pooled), call.site, arrays, options))


def _whole(size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...]) -> bool:
    return all((n + 2 * p - k) % s == 0 for n, k, s, p in zip(size, kernel, stride, padding, strict=True))


@follows("max_pool2d")
def maximum(call: Call) -> Traced:
    value = call.samples(dims=3)
    kernel = sizes(call.argument(1, "kernel_size"), 2)
    stride = sizes(call.argument(2, "stride") or kernel, 2)
    padding, dilation = sizes(call.argument(3, "padding", 0), 2), sizes(call.argument(4, "dilation", 1), 2)
    ceil = bool(call.argument(5, "ceil_mode", False))
    options = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil}
    return _made(call, "max_pool2d", value, options)


def _adaptive(call: Call, op: str, more: dict[str, Any]) -> Traced:
    value = call.samples(dims=3)
    size, pooled = call.shape(value)[1:], tuple(call.result.shape[2:])
    if any(n % m for n, m in zip(size, pooled, strict=True)):
        raise Refused(
            f"makes {list(pooled)} of {list(size)} by windows of several sizes; make the one divide the other"
        )
    kernel = tuple(n // m for n, m in zip(size, pooled, strict=True))
    return _made(call, op, value, {"kernel_size": kernel, "stride": kernel, "padding": (0, 0), **more})


@follows("adaptive_avg_pool2d")
def adaptive_average(call: Call) -> Traced:
    return _adaptive(call, "avg_pool2d", {})


@follows("adaptive_max_pool2d")
def adaptive_maximum(call: Call) -> Traced:
    return _adaptive(call, "max_pool2d", {"dilation": (1, 1), "ceil_mode": False})
