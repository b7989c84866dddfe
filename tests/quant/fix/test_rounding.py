"""Compensated rounding and the choice of the input's unit: each against the plain way, and against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from inflor.quant.fix.calibrate import input_unit
from inflor.quant.fix.rounding import BLOCK, round_compensated


def correlated(rng: np.random.Generator, inputs: int, samples: int = 2000) -> np.ndarray:
    """Spikes of neighbours that often fire together, centred."""
    shared = (rng.random((-(-inputs // 3), samples)) < 0.25).repeat(3, axis=0)[:inputs]
    columns = (shared & (rng.random((inputs, samples)) < 0.8)).astype(float)
    return columns - columns.mean(1, keepdims=True)


@pytest.mark.parametrize("limit", [1, 7, 127])
def test_errs_less_than_the_nearest_integers(limit: int) -> None:
    rng = np.random.default_rng(0)
    columns = correlated(rng, 60)
    weight = rng.normal(size=(20, 60)) * limit / 3

    def error(mantissa: np.ndarray) -> float:
        return float((((weight - mantissa) @ columns) ** 2).mean())

    rounded = round_compensated(weight, columns, limit)
    assert np.abs(rounded).max() <= limit
    assert error(rounded) < 0.85 * error(np.clip(np.rint(weight), -limit, limit))


def test_comes_near_the_best_of_all_roundings() -> None:
    """Six weights, every way of rounding them up or down."""
    rng = np.random.default_rng(1)
    columns = correlated(rng, 6)
    excess = []
    for _ in range(20):
        weight = rng.normal(size=(1, 6)) * 20
        ways = np.array(list(itertools.product(*[(np.floor(w), np.ceil(w)) for w in weight[0]])))
        errors = (((weight - ways) @ columns) ** 2).mean(1)
        chosen = (((weight - round_compensated(weight, columns, 127)) @ columns) ** 2).mean()
        nearest = (((weight - np.rint(weight)) @ columns) ** 2).mean()
        excess.append((chosen / errors.min(), nearest / errors.min()))
    compensated, plain = np.median(excess, axis=0)
    assert compensated < plain
    assert compensated < 1.5


def test_whole_numbers_stay_and_silent_inputs_round_to_nearest() -> None:
    rng = np.random.default_rng(2)
    whole = rng.integers(-127, 128, (5, 30))
    assert np.array_equal(round_compensated(whole.astype(float), correlated(rng, 30), 127), whole)
    weight = rng.normal(size=(3, 8)) * 9
    assert np.array_equal(round_compensated(weight, np.zeros((8, 10)), 127), np.rint(weight))


def test_a_wide_layer_is_rounded_in_blocks() -> None:
    rng = np.random.default_rng(3)
    columns, weight = correlated(rng, BLOCK + 10, 300), rng.normal(size=(2, BLOCK + 10)) * 40
    rounded = round_compensated(weight, columns, 127)
    assert rounded.shape == weight.shape
    assert np.array_equal(rounded[:, BLOCK:], round_compensated(weight[:, BLOCK:], columns[BLOCK:], 127))


def test_the_input_unit_puts_a_few_greys_on_the_grid() -> None:
    """17 greys, normalized: less than a tenth of the squared error that the largest value over 127 makes."""
    greys = ((np.arange(17) / 16 - 0.305) / 0.376).astype(np.float32)
    x = np.random.default_rng(0).choice(greys, (50, 64))

    def error(unit: float) -> float:
        return float(((np.clip(np.rint(x / unit), -128, 127) * unit - x) ** 2).mean())

    assert error(input_unit(x, 8)) < 0.1 * error(float(np.abs(x).max()) / 127)


def test_the_input_unit_clips_nothing_of_evenly_spread_values() -> None:
    x = np.random.default_rng(1).uniform(-1, 1, 5000).astype(np.float32)
    assert 0.95 / 127 < input_unit(x, 8) < 1.1 / 127
