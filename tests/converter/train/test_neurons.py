"""Neurons against the paper's figure, and against the design's formulas written out step by step."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor.converter.errors import InputError
from inflor.converter.train.neurons import NeuronConfig, Readout, SpikingNeuron, mpr, surrogate_gradient

FIGURE_2 = (1.5, 1.2, 1.5, 0.9, 1.4)
"""Inputs of the InfLoR paper's Figure 2 in units of the threshold."""
CONFIGS = [
    NeuronConfig.preset(kind, surrogate=surrogate, detach_reset=detach, **more)
    for (kind, more), surrogate, detach in itertools.product(
        [
            ("srif", {}),
            ("srif", {"mpr": False, "threshold": 0.7, "reset_value": 1.3}),
            ("if", {"mpr": True, "v_reset": 0.1}),
            ("lif", {"tau": 1.7, "v_reset": -0.2, "threshold": 1.0}),
            ("lif", {"reset": "subtract", "mpr": True}),
        ],
        ["straight_through", "triangle", "arctan"],
        [False, True],
    )
]


def spike_count(config: NeuronConfig) -> int:
    currents = torch.tensor(FIGURE_2, dtype=torch.float32) * config.threshold
    return int(SpikingNeuron(config)(currents.reshape(5, 1, 1)).sum())


def test_figure_2_of_the_paper():
    assert spike_count(NeuronConfig.preset("srif")) == 3
    assert spike_count(NeuronConfig.preset("if")) == 4
    assert spike_count(NeuronConfig.preset("srif", reset_value=0.5)) == 5  # the mistake: subtracting the threshold


def test_figure_2_step_by_step():
    spikes = SpikingNeuron(NeuronConfig())(torch.tensor(FIGURE_2).reshape(5, 1, 1) * 0.5).flatten()
    # H: 0.75 fires, 0.35, 1.10 fires, 0.55 fires, 0.25
    assert spikes.tolist() == [1, 0, 1, 1, 0]


class _Step(torch.autograd.Function):
    """The step function with a surrogate derivative of its distance from the threshold, as the docstring gives it."""

    @staticmethod
    def forward(ctx, distance, surrogate):
        ctx.save_for_backward(distance)
        ctx.surrogate = surrogate
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, grad):
        (d,) = ctx.saved_tensors
        slope = {
            "straight_through": (d.abs() <= 0.5).to(d.dtype),
            "triangle": torch.clamp(1 - 2 * d.abs(), min=0) * 2,
            "arctan": 1 / (1 + (math.pi * d) ** 2),
        }[ctx.surrogate]
        return grad * slope, None


def written_out(x: torch.Tensor, config: NeuronConfig) -> torch.Tensor:
    """The design's equations for a [T, B, N] input; gradients are left to torch."""
    u = torch.zeros_like(x[0])
    spikes = []
    for current in x:
        h = u + (current - (u - config.v_reset)) / config.tau if config.kind == "lif" else u + current
        o = _Step.apply((mpr(h) if config.mpr else h) - config.threshold, config.surrogate)
        spikes.append(o)
        fed_back = o.detach() if config.detach_reset else o
        if config.reset == "subtract":
            u = h - config.reset_value * fed_back
        else:
            u = h * (1 - fed_back) + config.v_reset * fed_back
    return torch.stack(spikes)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_spikes_and_gradients_are_those_of_the_written_out_equations(config):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(5, 7, 11, generator=generator, dtype=torch.float64) * 1.5
    weight = torch.randn(5, 7, 11, generator=generator, dtype=torch.float64)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    spikes, expected = SpikingNeuron(config)(ours), written_out(theirs, config)
    assert torch.equal(spikes, expected)
    assert 0 < spikes.mean() < 1
    (spikes * weight).sum().backward()
    (expected * weight).sum().backward()
    assert theirs.grad.abs().sum() > 0
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12)


@given(st.integers(1, 6), st.integers(0, 2**31), st.floats(0.1, 3.0))
@settings(max_examples=30)
def test_srif_in_float32_is_the_scalar_loop(steps, seed, size):
    x = np.random.default_rng(seed).normal(0, size, (steps, 2, 3)).astype(np.float32)
    spikes = SpikingNeuron(NeuronConfig())(torch.from_numpy(x)).numpy()
    for sample, neuron in itertools.product(range(2), range(3)):
        u = np.float32(0)
        for t in range(steps):
            h = np.float32(u + x[t, sample, neuron])
            assert spikes[t, sample, neuron] == (h >= 0.5)
            u = np.float32(h - np.float32(1.0)) if h >= 0.5 else h


def test_a_current_that_is_one_broadcast_over_time_is_allowed():
    x = torch.randn(1, 4, 6, requires_grad=True)
    repeated = x.detach().repeat(5, 1, 1).requires_grad_()
    neuron = SpikingNeuron(NeuronConfig())
    a, b = neuron(x.expand(5, 4, 6)), neuron(repeated)
    assert torch.equal(a, b)
    a.sum().backward()
    b.sum().backward()
    torch.testing.assert_close(x.grad[0], repeated.grad.sum(0))


def neighbours(value: float, ulps: int) -> torch.Tensor:
    """All float32 within `ulps` units in the last place of a positive value."""
    bits = np.float32(value).view(np.int32) + np.arange(-ulps, ulps + 1, dtype=np.int32)
    return torch.from_numpy(bits.view(np.float32).copy())


def test_the_rectifier_changes_no_spike():
    generator = torch.Generator().manual_seed(0)
    special = torch.tensor([0.0, -0.0, 1.0, math.inf, -math.inf, math.nan, 1e-45, -1e-45, 3.4e38, -3.4e38, 0.25, 0.75])
    u = torch.cat(
        [
            neighbours(0.5, 4096),
            neighbours(1.0, 512),
            special,
            torch.randn(100_000, generator=generator) * 3,
            torch.rand(100_000, generator=generator),
        ]
    )
    # Vectorised and remainder loops of torch may round differently: try every alignment, and one by one.
    for shift in range(17):
        assert torch.equal(mpr(u[shift:]) >= 0.5, u[shift:] >= 0.5)
    single = neighbours(0.5, 64)
    assert all(bool(mpr(v) >= 0.5) == bool(v >= 0.5) for v in single)
    assert (single < 0.5).sum() == 64  # the values do lie on both sides
    assert mpr(torch.tensor(0.5)) == 0.5


def test_the_rectifier_is_the_formula():
    u = np.concatenate([np.linspace(-5, 6, 1101), [0.0, 0.5, 1.0, -1e-9, 1 + 1e-9]])
    expected = [
        1 - (1 - v) ** (1 / 3)
        if v < 0
        else v ** (1 / 3)
        if v > 1
        else math.tanh(3 * (v - 0.5)) / (2 * math.tanh(1.5)) + 0.5
        for v in u
    ]
    np.testing.assert_allclose(mpr(torch.from_numpy(u)).numpy(), expected, rtol=1e-13, atol=1e-15)
    assert mpr(torch.tensor([-7.0, 0.0, 1.0, 8.0])).tolist() == pytest.approx([-1.0, 0.0, 1.0, 2.0])


@given(st.floats(-1e4, 1e4))
def test_the_rectifier_is_symmetric_about_the_middle(u):
    left, right = mpr(torch.tensor([u, 1 - u], dtype=torch.float64)).tolist()
    assert left + right == pytest.approx(1, abs=1e-9)


@given(st.floats(-100, 100), st.floats(1e-6, 10))
def test_the_rectifier_rises_and_moves_towards_the_spike_value(u, step):
    low, high = mpr(torch.tensor([u, u + step], dtype=torch.float64)).tolist()
    assert low < high
    assert abs(low - (u >= 0.5)) <= abs(u - (u >= 0.5)) + 1e-12


def test_the_rectifiers_gradient_is_finite_everywhere():
    u = torch.tensor([-8.0, -1e-30, 0.0, 0.5, 1.0, 8.0], requires_grad=True)
    mpr(u).sum().backward()
    # 1/3 (1-u)^(-2/3), 3 (1 - tanh^2) / (2 tanh(3/2)), 1/3 u^(-2/3)
    edge = 3 * (1 - math.tanh(1.5) ** 2) / (2 * math.tanh(1.5))
    expected = [1 / 3 / 9 ** (2 / 3), 1 / 3, edge, 1.5 / math.tanh(1.5), edge, 1 / 12]
    assert u.grad.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("surrogate", ["straight_through", "triangle", "arctan"])
def test_surrogates_have_area_one(surrogate):
    u = torch.linspace(-500, 501, 2_000_001, dtype=torch.float64)
    for config in (NeuronConfig(surrogate=surrogate), NeuronConfig(surrogate=surrogate, mpr=False)):
        # phi maps the line onto itself, except that it shortens it: the arctan's tails end at phi(-500).
        tail = 0.0
        if surrogate == "arctan":
            end = float(mpr(u[-1:])[0]) if config.mpr else float(u[-1])
            tail = 1 - 2 / math.pi * math.atan(math.pi * (end - 0.5))
        assert float(torch.trapezoid(surrogate_gradient(u, config), u)) == pytest.approx(1 - tail, abs=2e-3)


def test_straight_through_is_one_on_the_unit_interval():
    u = torch.tensor([-0.01, 0.0, 0.3, 0.5, 1.0, 1.01])
    assert surrogate_gradient(u, NeuronConfig(mpr=False)).tolist() == [0, 1, 1, 1, 1, 0]


def test_readout_adds_up():
    x = torch.tensor([1.0, 2.0, -4.0]).reshape(3, 1, 1)
    assert Readout()(x).flatten().tolist() == [1, 3, -1]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"kind": "izhikevich"}, "kind"),
        ({"surrogate": "sigmoid"}, "surrogate"),
        ({"threshold": math.nan}, "threshold"),
        ({"threshold": 0.0, "mpr": False}, "threshold"),
        ({"threshold": "0.5"}, "threshold"),
        ({"threshold": True}, "threshold"),
        ({"reset_value": -1.0}, "reset_value"),
        ({"v_reset": 0.5}, "v_reset"),
        ({"tau": 0.5}, "tau"),
        ({"reset": "zero"}, "resets by subtraction"),
        ({"threshold": 1.0}, "rectifier"),
        ({"mpr": 1}, "mpr"),
    ],
)
def test_a_contradictory_neuron_is_refused(change, word):
    with pytest.raises(InputError, match=word):
        NeuronConfig(**change)
