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

from inflor.converter.errors import InputError
from inflor.converter.modules.importing import to_graph
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


@pytest.mark.parametrize("pool", [nn.AvgPool1d(2), nn.AvgPool1d(3, 2, 1), nn.AvgPool1d(2, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_averages_of_rows(pool: nn.AvgPool1d, channels: int) -> None:
    def forward(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
        spikes = net.n(net.c(x.flatten(0, 1)).unflatten(0, x.shape[:2]))
        return net.n2(net.l(net.pool(spikes.flatten(0, 1)).flatten(1)).unflatten(0, x.shape[:2]))

    size = channels * pool(torch.zeros(1, 1, 12)).shape[-1]
    net = Over(
        forward, c=nn.Conv1d(2, channels, 3, padding=1), n=neuron(), pool=pool, l=nn.Linear(size, 6), n2=neuron()
    )
    made = assert_same(lively(net, mean=0.05), (2, 12), 5)
    graph = replace(made.graph, info=replace(made.graph.info, encoding="direct"))
    _, report = quantize(graph, torch.rand(20, 2, 12).numpy())
    assert report.agreement > 0.8


@pytest.mark.parametrize("pool", [nn.AvgPool1d(3, 2, ceil_mode=True), nn.AvgPool1d(3, 2, 1, count_include_pad=False)])
def test_averages_of_fewer_are_refused(pool: nn.AvgPool1d) -> None:
    with pytest.raises(InputError, match=r"(?s)pool.*by less at the border|pool.*less than a whole window"):
        to_graph(
            Over(lambda s, x: s.n(s.pool(x.flatten(0, 1)).unflatten(0, x.shape[:2])), pool=pool, n=neuron()), (2, 12), 4
        )


def test_a_mobile_block_and_norms_behind_pools_are_quantized() -> None:
    """Two convolutions in a row, a norm behind an average and one behind a maximum: one operator each, or within it."""
    net = Over(
        lambda s, x: s.rule2(x.flatten(0, 1), x.shape[:2]),
        c=nn.Conv2d(2, 4, 3, padding=1),
        dw=nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
        bd=nn.BatchNorm2d(4),
        pw=nn.Conv2d(4, 6, 1, bias=False),
        bp=nn.BatchNorm2d(6),
        c3=nn.Conv2d(6, 5, 3, padding=1),
        max=nn.MaxPool2d(2),
        b3=nn.BatchNorm2d(5),
        c4=nn.Conv2d(5, 4, 1),
        mean=nn.AvgPool2d(2),
        b4=nn.BatchNorm2d(4),
        **{f"n{i}": neuron() for i in range(1, 5)},
    )

    def rule(x: torch.Tensor, lead: torch.Size) -> torch.Tensor:
        x = net.n1(net.c(x).unflatten(0, lead)).flatten(0, 1)
        x = net.n2(net.bp(net.pw(net.bd(net.dw(x)))).unflatten(0, lead)).flatten(0, 1)
        x = net.n3(net.b3(net.max(net.c3(x))).unflatten(0, lead)).flatten(0, 1)
        return net.n4(net.b4(net.mean(net.c4(x))).unflatten(0, lead))

    net.rule2 = rule
    made = assert_same(lively(net, mean=0.0), (2, 8, 8), 5)
    graph = replace(made.graph, info=replace(made.graph.info, encoding="direct"))
    network, report = quantize(graph, torch.rand(20, 2, 8, 8).numpy())
    assert report.agreement > 0.9
    kinds = [[type(op).__name__ for op in q.operators] for q in network.projections]
    assert kinds == [["Conv"], ["Conv"], ["Conv"], ["Conv", "SumPool"]]
