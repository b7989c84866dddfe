from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from inflor.converter.errors import InputError
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.passes.fold_norms import fold_norm
from inflor.converter.simulate.execute import run
from inflor.converter.train.architecture import Architecture, SpikingNetwork
from inflor.converter.train.export import to_nir
from inflor.converter.train.layer import Layer
from inflor.converter.train.neurons import NeuronConfig
from inflor.converter.train.tdbn import TDBatchNorm


def randomise(norm: TDBatchNorm, draw: torch.Generator, alpha: float) -> None:
    norm.alpha = alpha
    with torch.no_grad():
        norm.weight.copy_(torch.empty(norm.channels).uniform_(-2, 2, generator=draw))
        norm.bias.copy_(torch.randn(norm.channels, generator=draw))
        norm.running_mean.copy_(torch.randn(norm.channels, generator=draw))
        norm.running_var.copy_(torch.empty(norm.channels).uniform_(0.05, 4, generator=draw))


@settings(max_examples=80)
@given(
    groups=st.integers(1, 3),
    widths=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
    alpha=st.floats(0.1, 1),
    theta=st.floats(0.1, 1),
    seed=st.integers(0, 10_000),
)
def test_folded_is_unfolded(groups, widths, kernel, stride, padding, dilation, bias, alpha, theta, seed):
    draw = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    conv = nn.Conv2d(groups * widths[0], groups * widths[1], kernel, stride, padding, dilation, groups, bias)
    norm = TDBatchNorm(conv.out_channels, threshold=theta).eval()
    randomise(norm, draw, alpha)
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, kernel, stride, padding, dilation, groups)
    before = None if conv.bias is None else conv.bias.detach().numpy()
    statistics = (norm.weight.detach(), norm.bias.detach(), norm.running_mean, norm.running_var)
    arguments = (conv.weight.detach().numpy(), before, *(s.numpy() for s in statistics))
    weight, offset = fold_norm(*arguments, norm.eps, alpha, theta)
    assert weight.dtype == offset.dtype == np.float32
    with torch.no_grad():
        folded.weight.copy_(torch.from_numpy(weight))
        folded.bias.copy_(torch.from_numpy(offset))
        x = torch.rand(2, conv.in_channels, 9, 9, generator=draw) * 2 - 1
        expected = norm(conv(x)[None])[0]
        assert torch.allclose(folded(x), expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=30)
@given(alpha=st.floats(0.3, 1), seed=st.integers(0, 10_000), flat=st.booleans())
def test_a_folded_network_has_the_same_currents(alpha, seed, flat):
    """Two branches into one neuron, through the exporter: what every neuron sees agrees to 1e-5."""
    options = {} if flat else {"out_channels": 4, "kernel": 3, "padding": 1}
    op = "linear" if flat else "conv"
    layer = {"out_features": 4} if flat else options
    nodes = (
        Layer("left", op, ("input",), layer),
        Layer("left_norm", "norm", ("left",), {"alpha": alpha}),
        Layer("right", op, ("input",), layer | {"bias": True}),
        Layer("right_norm", "norm", ("right",), {"alpha": 1.0}),
        Layer("neuron", "neuron", ("left_norm", "right_norm")),
        *(() if flat else (Layer("flatten", "flatten", ("neuron",)),)),
        Layer("fc", "linear", ("neuron" if flat else "flatten",), {"out_features": 3}),
        Layer("readout", "readout", ("fc",)),
    )
    shape = (6,) if flat else (2, 5, 5)
    torch.manual_seed(seed)
    network = SpikingNetwork(Architecture("two", shape, 3, nodes), NeuronConfig(), 2).eval()
    draw = torch.Generator().manual_seed(seed)
    for name, part in (("left_norm", alpha), ("right_norm", 1.0)):
        randomise(network.layers[name], draw, part)
    x = torch.rand(3, *shape, generator=draw)
    seen: list[torch.Tensor] = []
    network.layers["neuron"].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    network(x)
    graph, _ = to_nir(network, ModelInfo())
    assert "left_norm" not in graph.nodes
    currents = run(graph, x, 2, currents=["neuron"]).currents["neuron"]
    assert torch.allclose(currents, seen[0], rtol=1e-5, atol=1e-5)


def test_the_worked_example():
    """gamma 2, alpha 1/2, theta 1/2, var + eps = 4: f = 1/4; bias' = (1 - 3)/4 + 5."""
    one = np.ones(1)
    weight, bias = fold_norm(np.full((1, 1, 1, 1), 8.0), one, 2 * one, 5 * one, 3 * one, 3 * one, 1.0, 0.5, 0.5)
    assert weight.tolist() == [[[[2.0]]]]
    assert bias.tolist() == [4.5]


def test_bad_statistics_are_refused():
    one = np.ones(1, np.float32)
    with pytest.raises(InputError, match=r"variance of -2\.0"):
        fold_norm(one[:, None], None, one, one, one, -2 * one, 1e-5, 1.0, 0.5)
    with pytest.raises(InputError, match="does not fit into float32"):
        fold_norm(one[:, None], None, 1e38 * one, one, one, 0 * one, 1e-12, 1.0, 0.5)
