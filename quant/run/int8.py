"""8-bit convolutions of oneDNN: bytes in, 32-bit integer sums, exact float32 integers out.

Several times faster than float32 on processors with 8-bit dot products. They are taken only where they are proved
exact, and only on machines where a check at first use gave the very numbers of 64-bit integer arithmetic.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from inflor.quant.operators import Conv, Interval, Shape

LARGEST_ACTIVITY = 128
"""Activities (unsigned bytes) above this could saturate 16-bit pair sums, on processors without 8-bit dot products."""


class Int8Convolution:
    """A convolution of unsigned bytes [N, I, H, W] (channels last) with int8 weights, plus bias, as exact float32.

    weight: int64 [O, I/groups, kH, kW] within -127..127; the result is `conv << exponent` plus bias [O].
    """

    def __init__(self, operator: Conv, exponent: int, bias: Tensor | None):
        self._arguments = (
            list(operator.stride),
            [before for before, _ in operator.padding],
            list(operator.dilation),
            operator.groups,
        )
        stride, padding, dilation, groups = self._arguments
        outputs = operator.weight.shape[0]
        self._scale = torch.full((outputs,), float(1 << exponent))
        self._zero = torch.zeros(outputs, dtype=torch.int64)
        self._bias = bias
        self._weight = torch.ops.onednn.qconv_prepack(
            torch.from_numpy(operator.weight).to(torch.int8), self._scale, 1.0, 0, stride, padding, dilation, groups
        )

    def __call__(self, x: Tensor) -> Tensor:
        stride, padding, dilation, groups = self._arguments
        return torch.ops.onednn.qconv2d_pointwise(
            x.contiguous(memory_format=torch.channels_last),
            *(1.0, 0, self._weight, self._scale, self._zero, self._bias, stride, padding, dilation, groups),
            *(1.0, 0, torch.float32, "none", [], ""),
        )


def suits(operator: Conv, shape: Shape, activity: Interval) -> bool:
    """Whether this convolution of activities [I, H, W] within an interval may run on 8-bit sums.

    Two dimensions, symmetric padding, small enough operands, and no window that lies in the padding or between the
    pixels of a dilated kernel alone: there oneDNN reads past its buffers. Nor a single column of outputs, of which it
    computes wrong sums for some strides (torch 2.13.0).
    """
    return (
        len(operator.stride) == 2
        and operator.output_shape(shape)[2] > 1
        and all(
            before == after and before <= dilation * (kernel - 1) and size >= dilation
            for (before, after), dilation, kernel, size in zip(
                operator.padding, operator.dilation, operator.weight.shape[2:], shape[1:], strict=True
            )
        )
        and activity.low.min() >= 0
        and activity.high.max() <= LARGEST_ACTIVITY
        and int(operator.weight.max(initial=0)) <= 127
        and int(operator.weight.min(initial=0)) >= -127
        and available()
    )


@functools.cache
def available() -> bool:
    """Whether this build of torch has the operator and computes exactly what 64-bit integers do."""
    generator = torch.Generator().manual_seed(0)

    def draw(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, generator=generator)

    try:
        for groups, stride, dilation, kernel in ((1, 1, 1, 3), (2, 2, 1, 3), (16, 1, 2, 3), (1, 2, 1, 1)):
            weight = draw(-127, 128, 32, 16 // groups, kernel, kernel)
            operator = Conv("", weight.numpy(), (stride,) * 2, ((1, 1),) * 2, (dilation,) * 2, groups)
            x, bias = draw(0, LARGEST_ACTIVITY + 1, 2, 16, 9, 9), draw(-5000, 5000, 32)
            expected = (operator.apply(x, weight) << 3) + bias.reshape(-1, 1, 1)
            result = Int8Convolution(operator, 3, bias.float())(x.to(torch.uint8))
            if not torch.equal(result.to(torch.int64), expected):
                return False
    except (AttributeError, RuntimeError, TypeError):
        return False
    return True
