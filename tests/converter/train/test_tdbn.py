"""tdBN against its equation in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor.converter.train.tdbn import TDBatchNorm


def reference(x, gamma, beta, mean, var, alpha, threshold, eps):
    shape = (1, 1, -1) + (1,) * (x.ndim - 3)
    gamma, beta, mean, var = (v.reshape(shape) for v in (gamma, beta, mean, var))
    return gamma * alpha * threshold * (x - mean) / np.sqrt(var + eps) + beta


@given(
    st.integers(1, 4),
    st.integers(2, 5),
    st.integers(1, 6),
    st.sampled_from([(), (3, 5), (1, 1)]),
    st.integers(0, 2**31),
)
@settings(max_examples=30)
def test_training_normalizes_over_time_batch_and_space(steps, batch, channels, space, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(2, 3, (steps, batch, channels, *space))
    norm = TDBatchNorm(channels, alpha=0.7, threshold=0.5).double()
    gamma, beta = rng.normal(size=channels), rng.normal(size=channels)
    with torch.no_grad():
        norm.weight.copy_(torch.from_numpy(gamma))
        norm.bias.copy_(torch.from_numpy(beta))
    axes = (0, 1, *range(3, x.ndim))
    mean, var = x.mean(axes), x.var(axes)
    got = norm(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(got, reference(x, gamma, beta, mean, var, 0.7, 0.5, 1e-5), rtol=1e-7, atol=1e-9)
    # The running statistics move by a tenth; torch keeps the unbiased variance.
    count = x.size // channels
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * mean, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(norm.running_var.numpy(), 0.9 + 0.1 * var * count / (count - 1), rtol=1e-7)


def test_evaluation_takes_the_running_statistics():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, 2, 4, 5, 5))
    norm = TDBatchNorm(4, alpha=1.0, threshold=0.8).double().eval()
    mean, var = rng.normal(size=4), rng.uniform(0.1, 2, 4)
    norm.running_mean.copy_(torch.from_numpy(mean))
    norm.running_var.copy_(torch.from_numpy(var))
    got = norm(torch.from_numpy(x)).detach().numpy()
    expected = reference(x, np.ones(4), np.zeros(4), mean, var, 1.0, 0.8, 1e-5)
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert norm.running_mean.numpy() == pytest.approx(mean)


def test_two_branches_meet_with_the_variance_of_one():
    x = torch.randn(4, 64, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    other = torch.randn(4, 64, 8, 6, 6, generator=torch.Generator().manual_seed(1))
    total = TDBatchNorm(8, alpha=0.5**0.5)(x) + TDBatchNorm(8, alpha=0.5**0.5)(other)
    assert float(total.detach().std()) == pytest.approx(0.5, rel=0.02)
