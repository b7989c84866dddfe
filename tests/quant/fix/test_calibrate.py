"""What quantization learns from data."""

import warnings

import numpy as np
import pytest

from inflor.quant.fix.calibrate import input_cost, input_unit


@pytest.mark.parametrize("least", [1e-40, 1e-45])
def test_a_denormal_among_the_data_warns_of_nothing_and_changes_nothing(least):
    """The largest value divided by a denormal overflows."""
    x = np.linspace(-1, 1, 500, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with_denormal = input_unit(np.append(x, np.float32(least)), 8)
    assert with_denormal == pytest.approx(input_unit(np.append(x, np.float32(0)), 8), rel=1e-6)


@pytest.mark.parametrize("unit", [1.0, 0.125, 2.0**-140])
def test_whole_numbers_of_one_value_keep_it_as_their_unit(unit):
    counts = np.random.default_rng(0).integers(-127, 128, 400)
    counts[0] = 1
    x = (counts * unit).astype(np.float32)
    assert input_unit(x, 8) == float(np.float32(unit))
    assert input_unit(np.append(x, np.float32(128 * unit)), 8) != float(np.float32(unit))  # beyond the largest integer


@pytest.mark.parametrize("hot", [200.0, 300.0, 1e6])
def test_one_hot_pixel_does_not_set_the_unit_of_all_events(hot):
    """At 200 every event of 1 counted as 1.57, at 300 as none."""
    x = (np.random.default_rng(0).random((16, 50, 8)) < 0.3).astype(np.float32)
    x[3, 7, 2] = hot
    assert input_unit(x, 8) == 1.0
    assert input_cost(x, 1.0, 8) < 1 / 16 < input_cost(x, hot / 127, 8)


def test_images_keep_the_unit_that_holds_all_of_their_values():
    x = np.random.default_rng(0).normal(0, 1, (32, 1, 8, 8)).astype(np.float32)
    assert 0.75 * np.abs(x).max() / 127 <= input_unit(x, 8) <= 2 * np.abs(x).max() / 127
