"""Convolution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from itertools import product
from math import prod
from typing import Any, ClassVar

import nir
import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.converter.primitives.fields import make_node
from inflor.quant.ir.types import IntArray, Shape
from inflor.quant.operators.arrays import Weights, largest, narrow
from inflor.quant.operators.base import Weighted
from inflor.quant.operators.interval import Interval

DIRECT_CONVOLUTION_DEVICES = ("cpu",)
"""Where torch's own floating-point convolutions sum products and nothing else, NNPACK's left out."""


@dataclass(frozen=True, eq=False)
class Conv(Weighted):
    """Cross-correlation over 1 or 2 spatial dimensions, as in torch: `y[o] = sum_{i,k} w[o,i,k] x[i, s*p + d*k - pad]`.

    Attributes:
        weight: [O, I/groups, *kernel].
        stride: one entry per spatial dimension.
        padding: (before, after) per spatial dimension, filled with zeros.
        dilation: one entry per spatial dimension.
        groups: into how many blocks the channels are split, of input and output alike.
    """

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    NODES: ClassVar = (nir.Conv1d, nir.Conv2d)

    @property
    def blocks(self) -> int:
        return self.groups

    @property
    def symmetric(self) -> bool:
        """Whether both ends of every dimension are padded alike."""
        return all(before == after for before, after in self.padding)

    def output_shape(self, shape: Shape) -> Shape:
        spatial = tuple(
            (n + sum(pad) - d * (k - 1) - 1) // s + 1
            for n, k, s, pad, d in zip(
                shape[1:], self.weight.shape[2:], self.stride, self.padding, self.dilation, strict=True
            )
        )
        return (self.weight.shape[0], *spatial)

    def matrix(self, shape: Shape) -> Any:
        out_shape, dims = self.output_shape(shape), len(shape) - 1
        out_channels, inner = self.weight.shape[:2]
        source = (np.arange(out_channels) // (out_channels // self.groups))[:, None] * inner + np.arange(inner)
        target = np.broadcast_to(np.arange(out_channels)[:, None], source.shape)  # both [O, I/groups]
        places = np.indices(out_shape[1:]).reshape(dims, -1)  # [dims, P]
        rows, columns, values = [], [], []
        for tap, k in enumerate(product(*(range(n) for n in self.weight.shape[2:]))):
            weight = self.weight.reshape(out_channels, inner, -1)[:, :, tap]
            used = weight != 0
            at = [self.stride[a] * places[a] + self.dilation[a] * k[a] - self.padding[a][0] for a in range(dims)]
            inside = reduce(np.logical_and, [(at[a] >= 0) & (at[a] < shape[a + 1]) for a in range(dims)])
            flat_in = np.ravel_multi_index([x[inside] for x in at], shape[1:])
            flat_out = np.flatnonzero(inside)
            rows.append((target[used][:, None] * places.shape[1] + flat_out).ravel())
            columns.append((source[used][:, None] * prod(shape[1:]) + flat_in).ravel())
            values.append(np.repeat(weight[used], flat_out.size))
        parts = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return scipy.sparse.csr_matrix(parts, shape=(prod(out_shape), prod(shape)), dtype=self.weight.dtype)

    def apply(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """Direct kernels on CPU, and elsewhere a matrix product over explicit windows.

        Winograd and FFT kernels, NNPACK's among them, are not exact: they are never used.
        """
        assert weight is not None
        if not x.dtype.is_floating_point or x.device.type not in DIRECT_CONVOLUTION_DEVICES:
            return self._apply_windows(x, weight, bias)
        padding: tuple[int, ...] = tuple(before for before, _ in self.padding)
        if not self.symmetric:
            x, padding = F.pad(x, torch_padding(self.padding)), (0,) * len(padding)
        convolve = F.conv2d if len(padding) == 2 else F.conv1d
        # torch's own context manager takes several times as long as this
        (enabled,) = torch.backends.nnpack.set_flags(False)  # type: ignore[no-untyped-call]
        try:
            return convolve(x, weight, bias, self.stride, padding, self.dilation, self.groups)
        finally:
            torch.backends.nnpack.set_flags(enabled)  # type: ignore[no-untyped-call]

    def adds_bias(self, shape: Shape) -> bool:
        return True

    def gain(self, shape: Shape) -> int:
        return prod(self.weight.shape[1:]) * largest(self.weight)

    def bounds(self, x: Interval, shape: Shape) -> Interval:
        out = self.weight.shape[0]
        low, high = (
            np.repeat(end.reshape(self.groups, -1), out // self.groups, axis=0)  # [O, I/groups]
            for end in (x.with_zero().low, x.with_zero().high)
        )
        spatial = tuple(range(2, self.weight.ndim))
        positive, negative = np.maximum(self.weight, 0).sum(spatial), np.minimum(self.weight, 0).sum(spatial)
        return Interval((positive * low + negative * high).sum(1), (positive * high + negative * low).sum(1))

    def products(self, shape: Shape) -> int:
        return prod(self.output_shape(shape)) * prod(self.weight.shape[1:])

    def working_elements(self, shape: Shape) -> int:
        return prod(shape)

    def as_convolution(self, shape: Shape) -> Conv:
        return self

    def columns(self, x: Tensor, rng: np.random.Generator, count: int) -> Tensor:
        view = self._windows(x)
        dimensions = len(self.stride)
        spatial = view.shape[2 : 2 + dimensions]
        drawn = [torch.from_numpy(rng.integers(0, n, count)) for n in (len(x), *spatial)]
        return view.movedim(1, 1 + dimensions)[tuple(drawn)].flatten(1).T  # [I * kernel, count]

    def scaled_inputs(self, factor: Weights) -> Conv:
        factor = factor.reshape(-1)
        if factor.size > 1:  # [I] -> [O, I/groups]: each group of outputs sees its own inputs
            factor = np.repeat(factor.reshape(self.groups, -1), self.weight.shape[0] // self.groups, axis=0)
        else:
            factor = factor.reshape(1, 1)
        return replace(self, weight=self.weight * factor.reshape(*factor.shape, *(1,) * len(self.stride)))

    def to_nir(self, shape: Shape, bias: IntArray | None = None) -> nir.NIRNode:
        if not self.symmetric and self.padding != same_padding(self.weight.shape[2:], self.dilation):
            raise InputError(f"NIR has no padding {self.padding}", node=self.name, mend="pad both ends alike")
        padding: Any = tuple(before for before, _ in self.padding) if self.symmetric else "same"
        one = len(self.stride) == 1
        fields = {
            "input_shape": shape[1] if one else tuple(shape[1:]),
            "weight": narrow(self.weight),
            "stride": self.stride[0] if one else self.stride,
            "padding": padding[0] if one and self.symmetric else padding,
            "dilation": self.dilation[0] if one else self.dilation,
            "groups": self.groups,
            "bias": narrow(np.broadcast_to(np.ravel(0 if bias is None else bias), self.weight.shape[0]).copy()),
        }
        return make_node(nir.Conv1d if one else nir.Conv2d, fields, {})

    @classmethod
    def from_nir(cls, name: str, node: nir.NIRNode, shape: Shape) -> Conv:
        kernel = node.weight.shape[2:]
        if node.padding == "same":
            padding = same_padding(kernel, node.dilation)
        elif node.padding == "valid":
            padding = ((0, 0),) * len(kernel)
        else:
            padding = tuple((p, p) for p in node.padding)
        return cls(name, np.asarray(node.weight, np.float64), node.stride, padding, node.dilation, int(node.groups))

    def __str__(self) -> str:
        groups = f" in {self.groups} groups" if self.groups > 1 else ""
        return f"conv {'x'.join(map(str, self.weight.shape[2:]))} stride {'x'.join(map(str, self.stride))}{groups}"

    def _windows(self, x: Tensor) -> Tensor:
        """Every window, from `x` [N, I, *spatial]: [N, I, *out, *kernel], a view of padded x."""
        x = F.pad(x, torch_padding(self.padding))
        kernel = self.weight.shape[2:]
        for axis, (size, stride, dilation) in enumerate(zip(kernel, self.stride, self.dilation, strict=True)):
            x = x.unfold(axis + 2, dilation * (size - 1) + 1, stride)[..., ::dilation]
        return x

    def _apply_windows(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """As one matrix product per group: [N, G, positions, K] x [G, K, O/G]."""
        view = self._windows(x)
        spatial = len(self.stride)
        out, batch, groups = view.shape[2 : 2 + spatial], view.shape[0], self.groups
        columns = torch.unflatten(view, 1, (groups, -1)).movedim(2, 2 + spatial)  # [N, G, *out, I/G, *kernel]
        columns = columns.reshape(batch, groups, prod(out), -1)
        matrix = weight.reshape(groups, weight.shape[0] // groups, -1).transpose(1, 2)
        result = (columns @ matrix).transpose(2, 3).reshape(batch, weight.shape[0], *out)
        return result if bias is None else result + bias.reshape(-1, *(1,) * spatial)


def same_padding(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Padding "same" in numbers: an odd amount has its larger half at the end, as in torch."""
    extra = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return tuple((e // 2, e - e // 2) for e in extra)


def torch_padding(padding: tuple[tuple[int, int], ...]) -> list[int]:
    """Padding in the order of `torch.nn.functional.pad`: last dimension first."""
    return [amount for pair in reversed(padding) for amount in pair]
