"""Scales: what must be exact is, and what is chosen is the best of what was tried."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor.quant.fix.scales import (
    LARGEST_EXPONENT,
    LARGEST_MULTIPLE,
    Synapses,
    choose_scales,
    common_multiple,
    denominator,
    scale_groups,
    target_rows,
)
from inflor.quant.operators import Conv, Flatten, Linear, Scale

THETA = 0.5


def matrix(rng: np.random.Generator, rows: int, inputs: int, spread: float) -> Synapses:
    weight = rng.normal(size=(rows, inputs)) * spread * rng.uniform(0.2, 5, (rows, 1))
    columns = (rng.random((inputs, 64)) < 0.15).astype(float)
    return Synapses(Linear("w", weight), np.arange(rows), columns - columns.mean(1, keepdims=True), None)


def identity(rows: int, factor: float = 1.0) -> Synapses:
    return Synapses(Scale("i", np.full((1,), factor)), np.arange(rows), np.full(rows, 0.1), factor)


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.floats(0.01, 2.0))
@settings(max_examples=60)
def test_a_residual_identity_is_exact_and_fits_its_bits(seed: int, bits: int, spread: float) -> None:
    """1.0 / unit = 2 t = mantissa << exponent, for every channel, at every number of bits."""
    rng = np.random.default_rng(seed)
    rows, limit = 6, 2 ** (bits - 1) - 1
    groups = np.arange(rows)
    scales = choose_scales(
        [matrix(rng, rows, 9, spread), identity(rows)], np.full(rows, THETA), groups, bits, [np.array(2.0)]
    )
    assert scales.exact
    assert np.array_equal(scales.mantissas[1] << scales.exponents[1], 2 * scales.t)
    assert (np.abs(scales.mantissas[1]) <= limit).all()
    assert (np.abs(scales.mantissas[0]) <= limit).all()
    assert all(0 <= e <= LARGEST_EXPONENT for e in scales.exponents)


@pytest.mark.parametrize(
    ("theta", "ratio", "multiple"), [(0.5, 2.0, 1), (1.0, 1.5, 2), (0.3, 1 / 0.3, 3), (1.0, 1.0, 1)]
)
def test_reset_ratios_are_exact(theta: float, ratio: float, multiple: int) -> None:
    """t is a multiple of the ratio's denominator, so reset = ratio * t is an integer."""
    rng = np.random.default_rng(0)
    scales = choose_scales([matrix(rng, 5, 9, 0.2)], np.full(5, theta), np.arange(5), 8, [np.array(ratio)])
    assert scales.exact
    assert (scales.t % multiple == 0).all()
    np.testing.assert_allclose(scales.t * ratio, np.rint(scales.t * ratio), atol=1e-6)


def test_an_irrational_ratio_is_said_not_to_be_exact() -> None:
    assert denominator([np.array([np.sqrt(2)])]) == (1, False)
    scales = choose_scales(
        [matrix(np.random.default_rng(0), 3, 4, 0.2)], np.ones(3), np.arange(3), 8, [np.array(np.sqrt(2))]
    )
    assert not scales.exact


def test_clipping_an_outlier_lowers_the_error() -> None:
    """One weight ten times the rest, on an input that never fires: at 3 bits the step follows the others."""
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(1, 40)) * 0.1
    weight[0, 0] = 2.0
    columns = (rng.random((40, 200)) < 0.2).astype(float)
    columns[0] = 0
    synapses = Synapses(Linear("w", weight), np.arange(1), columns - columns.mean(1, keepdims=True), None)

    def error(clip: bool) -> float:
        scales = choose_scales([synapses], np.array([THETA]), np.zeros(1, np.int64), 3, [], clip)
        held = scales.mantissas[0] * (THETA / scales.t[0]) * 2.0 ** scales.exponents[0]
        return float((((weight - held) @ synapses.columns) ** 2).mean())

    assert error(True) < 0.8 * error(False)


def test_channels_that_share_a_row_share_a_scale() -> None:
    conv = Conv("c", np.zeros((2, 1, 1, 1)), (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    rows = target_rows((conv, Flatten("f", 0, 2)), (1, 1, 3))
    assert rows.tolist() == [0, 0, 0, 1, 1, 1]
    assert scale_groups([rows], 6, True).tolist() == [0, 0, 0, 1, 1, 1]
    assert scale_groups([rows, np.array([0, 1, 2, 2, 3, 4])], 6, True).tolist() == [0] * 6
    assert scale_groups([np.arange(3)], 3, False).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("reference", "bits"), [(1.2345, 8), (0.377, 8), (0.37, 4), (0.3, 2)])
def test_an_identity_that_no_mantissa_equals_is_rounded(reference: float, bits: int) -> None:
    """1 / threshold is no fraction that fits: the weights beside the identity must keep their resolution."""
    rng = np.random.default_rng(0)
    weight, columns = rng.normal(size=(8, 8)), rng.normal(size=(8, 256))
    synapses = [
        Synapses(Linear("w", weight), np.arange(8), columns, None),
        Synapses(Scale("identity", np.ones(1)), np.arange(8), np.ones(8), 1.0),
    ]
    thresholds = np.full(8, reference)
    scales = choose_scales(synapses, thresholds, np.arange(8), bits, [np.ones(8)])
    held = [m * 2.0**e for m, e in zip(scales.mantissas, scales.exponents, strict=True)]
    unit = thresholds / scales.t
    assert not scales.exact
    assert np.linalg.norm(held[0] * unit[:, None] - weight) < 2.0 ** (1 - bits) * np.linalg.norm(weight)
    np.testing.assert_allclose(held[1] * unit, 1.0, rtol=2.0 ** (2 - bits))


def test_a_common_multiple_beyond_int64_is_none_of_its_low_bits() -> None:
    """Residual identities of many different denominators."""
    identities = [(np.array([prime * 128, 2]), np.array([1e6, 1e6])) for prime in (251, 241, 239, 233, 229, 227, 223)]
    assert common_multiple(6, identities, 2).tolist() == [LARGEST_MULTIPLE, 6]
    assert common_multiple(6, [], 3).tolist() == [6, 6, 6]
