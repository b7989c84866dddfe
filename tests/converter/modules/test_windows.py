"""Paddings and maximum pools of modules: equal to torch, and one convolution each, so that they can be quantized."""

from __future__ import annotations

from dataclasses import replace

import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch_modules import Over, assert_same, lively, neuron

from inflor.converter.modules.windows import with_padding
from inflor.quant.fix.pipeline import quantize

small = st.integers(0, 3)


@given(
    *(st.tuples(small, small, small, small), st.tuples(small, small)),
    *(st.tuples(st.integers(1, 3), st.integers(1, 3)) for _ in range(3)),
)
@settings(max_examples=60)
def test_a_convolution_that_pads_by_itself_is_the_padded_one(sides, padding, stride, dilation, kernel) -> None:
    weight = torch.randn(4, 3, *kernel, generator=torch.Generator().manual_seed(0))
    x = torch.randn(2, 3, 9, 8, generator=torch.Generator().manual_seed(1))
    top, bottom, left, right = sides
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 1}
    expected = functional.conv2d(functional.pad(x, (left, right, top, bottom)), weight, **options)
    wider, changed = with_padding(weight.numpy(), sides, options)
    found = functional.conv2d(x, torch.from_numpy(np.asarray(wider)), **changed)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(2, ceil_mode=True),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.MaxPool2d(2, 1, 1, dilation=2),
        nn.MaxPool2d((2, 3), (3, 2), (1, 1), dilation=(2, 1), ceil_mode=True),
    ],
)
def test_paddings_and_pools_of_spikes_are_quantized(pool: nn.MaxPool2d) -> None:
    """A pad, or the last window of ceil_mode, was a convolution of its own, which no chain of weights could hold."""
    torch.manual_seed(0)
    net = Over(
        lambda s, x: s.n2(
            s.c2(s.pool(s.n(s.c(s.pad(x.flatten(0, 1))).unflatten(0, x.shape[:2])).flatten(0, 1))).unflatten(
                0, x.shape[:2]
            )
        ),
        pad=nn.ZeroPad2d((1, 0, 2, 0)),
        c=nn.Conv2d(2, 5, 3),
        n=neuron(),
        pool=pool,
        c2=nn.Conv2d(5, 4, 2),
        n2=neuron(),
    )
    made = assert_same(lively(net), (2, 7, 8), 5)
    assert sum(isinstance(node, nir.Conv2d) for node in made.graph.nodes.values()) <= 3
    graph = replace(made.graph, info=replace(made.graph.info, encoding="direct"))
    x = torch.rand(20, 2, 7, 8).numpy()
    _, report = quantize(graph, x)
    assert report.agreement > 0.9
