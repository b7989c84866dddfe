"""The matrix of a convolution and of a pool against a plain loop; and what applying one does to torch."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from math import prod

import numpy as np
import torch
from drawn_operators import Drawn, convs, sum_pools
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor.quant.operators import Conv


@given(convs(), st.integers(0, 99))
@settings(max_examples=80)
def test_the_matrix_of_a_convolution_is_its_equation(drawn: Drawn, seed: int) -> None:
    """y[o, p] = sum_{i,k} w[o, i, k] x[i, s p + d k - pad], zeros outside."""
    conv, shape = drawn
    assert isinstance(conv, Conv)
    x = np.random.default_rng(seed).integers(-5, 6, shape)
    out = conv.output_shape(shape)
    expected = np.zeros(out, np.int64)
    per_group, inner = out[0] // conv.groups, conv.weight.shape[1]
    for o, *place in product(*map(range, out)):
        for i, *tap in product(*map(range, conv.weight.shape[1:])):
            at = tuple(
                s * p + d * k - before
                for s, p, d, k, (before, _) in zip(conv.stride, place, conv.dilation, tap, conv.padding, strict=True)
            )
            if all(0 <= a < n for a, n in zip(at, shape[1:], strict=True)):
                expected[(o, *place)] += conv.weight[(o, i, *tap)] * x[(o // per_group * inner + i, *at)]
    np.testing.assert_array_equal(conv.matrix(shape) @ x.ravel(), expected.ravel())


@given(sum_pools(), st.integers(0, 99))
@settings(max_examples=80)
def test_the_matrix_of_a_pool_sums_its_windows(drawn: Drawn, seed: int) -> None:
    pool, shape = drawn
    x = np.random.default_rng(seed).integers(-5, 6, shape)
    padded = np.pad(x, [(0, 0), *((p, p) for p in pool.padding)])
    expected = []
    for c, *place in product(*map(range, pool.output_shape(shape))):
        window = tuple(slice(s * p, s * p + k) for s, p, k in zip(pool.stride, place, pool.kernel, strict=True))
        assert padded[(c, *window)].size == prod(pool.kernel)
        expected.append(padded[(c, *window)].sum())
    np.testing.assert_array_equal(pool.matrix(shape) @ x.ravel(), expected)


def test_nnpack_is_off_within_a_convolution_alone(monkeypatch) -> None:
    """NNPACK's convolutions are Winograd and FFT, which are not exact."""
    seen = []

    def watched(x: torch.Tensor, *_: object) -> torch.Tensor:
        seen.append(torch.backends.nnpack.flags is not None and torch._C._get_nnpack_enabled())
        return x

    monkeypatch.setattr("torch.nn.functional.conv2d", watched)
    before = torch._C._get_nnpack_enabled()
    conv = Conv("c", np.ones((1, 1, 1, 1), np.int64), (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    conv.apply(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 1, 1))
    assert seen == [False]
    assert torch._C._get_nnpack_enabled() == before


def test_importing_leaves_torch_as_it_was() -> None:
    code = (
        "import torch; before = torch._C._get_nnpack_enabled(); "
        "import inflor.quant.fix.pipeline, inflor.targets.cpu; "
        "raise SystemExit(torch._C._get_nnpack_enabled() != before)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
