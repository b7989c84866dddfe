"""The digits are scikit-learn's, all of them, split by class."""

import collections

import numpy as np
import pytest
from sklearn.datasets import load_digits

from inflor.converter.datasets.load import load


def test_digits_are_the_real_ones_split_by_class():
    digits = load("digits")
    assert digits.x_train.shape == (1437, 1, 8, 8)
    assert digits.x_test.shape == (360, 1, 8, 8)
    assert digits.x_train.dtype == np.float32
    assert digits.y_train.dtype == np.int64
    assert digits.class_names == tuple("0123456789")
    x, y = digits.split("all")
    raw = load_digits()
    ours = collections.Counter((image.tobytes(), int(label)) for image, label in zip(x * 16, y, strict=True))
    theirs = collections.Counter(
        (image.astype(np.float32).tobytes(), int(label)) for image, label in zip(raw.images, raw.target, strict=True)
    )
    assert ours == theirs  # every image exactly once
    share = np.bincount(digits.y_test) / np.bincount(raw.target)
    assert np.all(np.abs(share - 0.2) < 0.01)
    assert digits.mean[0] == pytest.approx(digits.x_train.astype(np.float64).mean())
    assert digits.std[0] == pytest.approx(digits.x_train.astype(np.float64).std())


def test_the_split_is_the_same_every_time_and_another_for_another_seed():
    assert np.array_equal(load("digits").x_test, load("digits").x_test)
    assert not np.array_equal(load("digits").x_test, load("digits", seed=1).x_test)


def test_fingerprint_tells_data_apart():
    assert load("digits").fingerprint() == load("digits").fingerprint()
    assert load("digits").fingerprint() != load("digits", seed=1).fingerprint()
