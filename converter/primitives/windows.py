"""The windows of a pool over each channel of a map, and the maximum over them.

Along one dimension of n places, window p holds the places p stride + k dilation - padding for k from 0 to kernel - 1,
as far as they are on the map: what lies in the padding is no part of a maximum. There are

    (n + 2 padding - dilation (kernel - 1) - 1) / stride + 1

of them, rounded down, or up with ceil_mode, which leaves out a last window that begins in the padding behind the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inflor.converter.nir.graph import Shape


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows over the dimensions of a map behind its channels.

    Attributes:
        kernel: places of a window, one entry per spatial dimension, as all others.
        stride: from one window to the next.
        padding: places before the first and behind the last of the map.
        dilation: from one place of a window to the next.
        ceil_mode: whether a last window that reaches beyond the padding counts.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool = False

    def pooled(self, shape: Shape) -> Shape:
        """The shape [C, *windows] of a map [C, *places] after pooling; a number below 1 where no window fits."""
        return (shape[0], *(self._count(axis, n) for axis, n in enumerate(shape[1:])))

    def places(self, axis: int, n: int) -> list[list[int]]:
        """The places along one dimension of n that each window holds; -1 where one lies in the padding."""
        kernel, stride, padding, dilation = (v[axis] for v in (self.kernel, self.stride, self.padding, self.dilation))
        at = [[p * stride + k * dilation - padding for k in range(kernel)] for p in range(self._count(axis, n))]
        return [[place if 0 <= place < n else -1 for place in window] for window in at]

    def hold_something(self, shape: Shape) -> bool:
        """Whether every window of a map of this shape holds a place of the map."""
        return all(self._hold_something(axis, n) for axis, n in enumerate(shape[1:]))

    def maximum(self, x: Tensor) -> Tensor:
        """The maximum over every window, in the dtype of `x`, exactly.

        Args:
            x: [N, C, *places], of a shape of which every window holds something.

        Returns:
            [N, C, *windows].
        """
        sizes = tuple(x.shape[2:])
        counts = self.pooled((1, *sizes))[1:]
        pads: list[int] = []
        for axis in reversed(range(len(sizes))):
            reached = (counts[axis] - 1) * self.stride[axis] + self.dilation[axis] * (self.kernel[axis] - 1) + 1
            pads += [self.padding[axis], reached - self.padding[axis] - sizes[axis]]
        if any(pads):
            least = float("-inf") if x.dtype.is_floating_point else torch.iinfo(x.dtype).min
            x = functional.pad(x, pads, value=least)
        if len(sizes) == 2 and x.dtype.is_floating_point:
            return functional.max_pool2d(x, self.kernel, self.stride, dilation=self.dilation)
        for axis, (size, stride, dilation) in enumerate(zip(self.kernel, self.stride, self.dilation, strict=True)):
            x = x.unfold(axis + 2, dilation * (size - 1) + 1, stride)[..., ::dilation].amax(-1)
        return x

    def _count(self, axis: int, n: int) -> int:
        kernel, stride, padding, dilation = (v[axis] for v in (self.kernel, self.stride, self.padding, self.dilation))
        free = n + 2 * padding - dilation * (kernel - 1) - 1
        if not self.ceil_mode:
            return free // stride + 1
        count = -(-free // stride) + 1
        return count - 1 if (count - 1) * stride >= n + padding else count

    def _hold_something(self, axis: int, n: int) -> bool:
        """Along one dimension. Without a list of all places: a file may say a padding and a kernel of millions."""
        kernel, stride, padding, dilation = (v[axis] for v in (self.kernel, self.stride, self.padding, self.dilation))
        count = self._count(axis, n)
        before = np.arange(min(count, -(-padding // stride)), dtype=np.int64) * stride - padding  # windows from below 0
        first = -(before // dilation)  # the number of the first place of each that is not below 0
        inside = (first < kernel) & (before + first * dilation < n)
        return bool(inside.all()) and (count - 1) * stride - padding < n

    def __str__(self) -> str:
        kernel, stride = ("x".join(map(str, v)) for v in (self.kernel, self.stride))
        return f"max {kernel} stride {stride}"
