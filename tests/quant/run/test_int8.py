"""8-bit convolutions give the very numbers of 64-bit integers wherever they are taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inflor.quant.operators import Conv, Interval
from inflor.quant.run.int8 import Int8Convolution, available, suits


@pytest.mark.skipif(not available(), reason="this build of torch has no 8-bit convolution that is exact")
def test_every_geometry_that_suits_is_exact():
    """Small maps, on which windows in the padding, single columns and unequal strides come up often."""
    rng = np.random.default_rng(1)
    taken = 0
    for _ in range(1500):
        groups = int(rng.choice([1, 1, 2, 3, 4]))
        kernel, stride, dilation, padding, size = (
            tuple(int(n) for n in rng.integers(low, high, 2)) for low, high in ((1, 4), (1, 4), (1, 3), (0, 3), (1, 9))
        )
        outputs, inner = (int(n) for n in rng.integers(1, 4, 2))
        weight = rng.integers(-127, 128, (groups * outputs, inner, *kernel))
        operator = Conv("c", weight, stride, tuple((p, p) for p in padding), dilation, groups)
        shape = (groups * inner, *size)
        spikes = Interval(np.zeros(shape[0], np.int64), np.ones(shape[0], np.int64))
        if min(operator.output_shape(shape)) < 1 or not suits(operator, shape, spikes):
            continue
        taken += 1
        x = torch.from_numpy(rng.integers(0, 2, (3, *shape)).astype(np.uint8))
        expected = operator.apply(x.to(torch.int64), torch.from_numpy(weight))
        assert torch.equal(Int8Convolution(operator, 0, None)(x).to(torch.int64), expected), (operator, shape)
    assert taken > 200
