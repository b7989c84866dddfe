"""Applies the operators of a projection to batches of activations, in the dtype of the activations.

In float32 and float64 the result is exact for integer operands as long as every partial sum stays within 2**24 and
2**53 (`inflor.quant.ir.ranges` proves it); int64 is exact always, and slower. Convolutions on CPU go through direct
kernels and elsewhere through explicit windows and a matrix product: Winograd and FFT kernels, which are not exact, are
never used.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from inflor.quant.operators import Conv, Flatten, Linear, Operator, Scale, SumPool, Weights, weighted

torch.backends.nnpack.set_flags(False)  # type: ignore[no-untyped-call]  # its convolutions are Winograd and FFT
DIRECT_CONVOLUTION_DEVICES = ("cpu",)
"""Where torch's own floating-point convolutions sum products and nothing else."""


def apply_chain(operators: tuple[Operator, ...], x: Tensor, weight: Tensor | None) -> Tensor:
    """Apply a chain to `x` [N, *shape]; `weight` is the tensor of its one weighted operator."""
    for operator in operators:
        x = apply_operator(operator, x, weight)
    return x


def apply_operator(operator: Operator, x: Tensor, weight: Tensor | None) -> Tensor:
    """Apply one operator to `x` [N, *shape]."""
    if isinstance(operator, Flatten):
        return x.flatten(operator.start + 1, operator.end + 1)
    if isinstance(operator, SumPool):
        return _sum_pool(operator, x)
    assert weight is not None
    if isinstance(operator, Scale):
        return x * weight
    if isinstance(operator, Linear):
        return x @ weight.T
    return _convolve(operator, x, weight)


def weight_tensor(operators: tuple[Operator, ...], dtype: torch.dtype, device: str = "cpu") -> Tensor | None:
    """The chain's weights as a tensor, or None where it has none."""
    operator = weighted(operators)
    return None if operator is None else torch.as_tensor(operator.weight).to(device=device, dtype=dtype)


def torch_padding(padding: tuple[tuple[int, int], ...]) -> list[int]:
    """Padding in the order of `torch.nn.functional.pad`: last dimension first."""
    return [amount for pair in reversed(padding) for amount in pair]


def _convolve(operator: Conv, x: Tensor, weight: Tensor) -> Tensor:
    if not x.dtype.is_floating_point or x.device.type not in DIRECT_CONVOLUTION_DEVICES:
        return _convolve_windows(operator, x, weight)
    padding: tuple[int, ...] = tuple(before for before, _ in operator.padding)
    if any(before != after for before, after in operator.padding):
        x, padding = F.pad(x, torch_padding(operator.padding)), (0,) * len(padding)
    convolve = F.conv2d if len(padding) == 2 else F.conv1d
    return convolve(x, weight, None, operator.stride, padding, operator.dilation, operator.groups)


def windows(operator: Conv, x: Tensor) -> Tensor:
    """Every window that a convolution sees, from `x` [N, I, *spatial]: [N, I, *out, *kernel], a view of padded x."""
    x = F.pad(x, torch_padding(operator.padding))
    kernel = operator.weight.shape[2:]
    for axis, (size, stride, dilation) in enumerate(zip(kernel, operator.stride, operator.dilation, strict=True)):
        x = x.unfold(axis + 2, dilation * (size - 1) + 1, stride)[..., ::dilation]
    return x


def _convolve_windows(operator: Conv, x: Tensor, weight: Tensor) -> Tensor:
    """The same convolution as one matrix product per group: [N, G, positions, K] x [G, K, O/G]."""
    view = windows(operator, x)
    spatial = len(operator.stride)
    out, batch, groups = view.shape[2 : 2 + spatial], view.shape[0], operator.groups
    columns = torch.unflatten(view, 1, (groups, -1)).movedim(2, 2 + spatial)  # [N, G, *out, I/G, *kernel]
    columns = columns.reshape(batch, groups, math.prod(out), -1)
    matrix = weight.reshape(groups, weight.shape[0] // groups, -1).transpose(1, 2)
    return (columns @ matrix).transpose(2, 3).reshape(batch, weight.shape[0], *out)


def _sum_pool(operator: SumPool, x: Tensor) -> Tensor:
    if x.dtype.is_floating_point and len(operator.kernel) == 2 and not any(operator.padding):
        return F.avg_pool2d(x, operator.kernel, operator.stride, divisor_override=1)
    x = F.pad(x, torch_padding(tuple((p, p) for p in operator.padding)))
    for axis, (size, stride) in enumerate(zip(operator.kernel, operator.stride, strict=True)):
        x = x.unfold(axis + 2, size, stride)
    return x.sum(dim=tuple(range(-len(operator.kernel), 0)))


def channels_first(values: Weights, ndim: int) -> Weights:
    """Per-channel values [C] as [C, 1, ...] with `ndim` dimensions, so that they broadcast against a population."""
    return values.reshape(-1, *(1,) * (ndim - 1))
