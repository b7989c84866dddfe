"""A data set in memory: its form, its scale, its split, and arrays that do not make one."""

import numpy as np
import pytest
from data_files import X8, Y, four, npz, refused

from inflor.converter.datasets.load import load
from inflor.converter.errors import InputError


def test_split_names():
    digits = load("digits")
    assert digits.split("test")[0] is digits.x_test
    assert len(digits.split("all")[1]) == 1797
    with pytest.raises(InputError, match="validation"):
        digits.split("validation")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((12, 7), (7,)),
        ((12, 5, 4), (1, 5, 4)),
        ((12, 1, 5, 4), (1, 5, 4)),
        ((12, 3, 5, 4), (3, 5, 4)),
        ((12, 2, 5, 4), (2, 5, 4)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_images_and_vectors(tmp_path, shape, expected, dtype):
    x = (np.random.default_rng(1).random(shape) * 200).astype(dtype)
    data = load(npz(tmp_path / "mine.npz", x_train=x, y_train=Y, x_test=x, y_test=Y))
    assert data.name == "mine"
    assert data.shape == expected
    assert data.classes == 3
    assert data.x_train.flags.c_contiguous
    scale = 255 if dtype == np.uint8 else 1
    wanted = x.astype(np.float64) / scale
    np.testing.assert_allclose(data.x_train.reshape(wanted.shape), wanted, rtol=1e-6)
    axes = tuple(a for a in range(data.x_train.ndim) if a != 1) if len(expected) == 3 else None
    assert data.mean == pytest.approx(np.atleast_1d(data.x_train.mean(axes, dtype=np.float64)).tolist())
    assert len(data.std) == (expected[0] if len(expected) == 3 else 1)


def test_a_channel_that_never_changes_has_std_one(tmp_path):
    x = np.stack([X8, np.full_like(X8, 255)], 1)
    data = load(npz(tmp_path / "flat.npz", **four(x_train=x, x_test=x[:6])))
    assert data.mean[1] == 1
    assert data.std[1] == 1
    assert data.std[0] < 1


def test_npz_with_x_and_y_is_split_by_class(tmp_path):
    x = np.arange(50.0).reshape(50, 1)
    data = load(npz(tmp_path / "xy.npz", x=x, y=np.arange(50) % 2, class_names=np.array(["even", "odd"])))
    assert (len(data.x_train), len(data.x_test)) == (40, 10)
    assert np.bincount(data.y_test).tolist() == [5, 5]
    assert sorted(data.split("all")[0].flatten()) == list(range(50))
    for x, y in (data.split("train"), data.split("test")):
        assert np.array_equal(x[:, 0] % 2, y)
    assert data.class_names == ("even", "odd")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"y_train": Y[:-1]}, "12 samples but 11 labels"),
        ({"y_train": np.where(Y == 2, -1, Y)}, "label -1 of train sample 2 is out of range"),
        ({"y_test": np.full(6, 3)}, "label 3 of test sample 0 is out of range; with 3 classes labels are 0 to 2"),
        ({"y_train": Y * 10**6}, "label 2000000 is out of range for 12 samples"),
        ({"y_train": Y + 0.5}, "whole numbers"),
        ({"y_train": np.array(["a"] * 12)}, "whole numbers"),
        ({"y_train": np.zeros((12, 3), int)}, r"shape \(12, 3\)"),
        ({"x_train": X8[..., :-1]}, "train samples are"),
        ({"x_train": np.zeros(12)}, r"has shape \(12,\)"),
        ({"x_train": np.array(3.0)}, r"has shape \(\)"),
        ({"y_train": np.array(3)}, r"has shape \(\)"),
        ({"x_train": np.zeros((12, 0, 4))}, r"has shape \(12, 0, 4\)"),
        ({"x_train": X8.astype(complex)}, "dtype complex128"),
        ({"x_train": np.full((12, 5, 4), np.nan)}, "not finite"),
        ({"x_train": np.full((12, 5, 4), 1e300)}, "not finite"),
        ({"x_train": X8[:0], "y_train": Y[:0]}, "train split is empty"),
        ({"x_train": np.array([None] * 12, object)}, "pickled objects"),
        ({"class_names": np.arange(3)}, "class_names"),
        ({"class_names": np.array(["only", "two"])}, "label 2 of train sample 2 is out of range; with 2 classes"),
    ],
)
def test_npz_that_is_wrong(tmp_path, change, match):
    path = npz(tmp_path / "bad.npz", **four(**change))
    assert str(path) in refused(match, path)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.bool_, np.float32])
def test_zeros_and_ones_stay_what_they_are_whatever_their_type(tmp_path, dtype):
    x = (np.random.default_rng(0).random((20, 8)) < 0.5).astype(dtype)
    data = load(npz(tmp_path / "mask.npz", x_train=x, y_train=np.arange(20) % 2, x_test=x, y_test=np.arange(20) % 2))
    np.testing.assert_array_equal(data.x_train, x.astype(np.float32))
    if dtype == np.uint8:  # one rule for both splits
        parts = {"x_train": x * 200, "y_train": np.arange(20) % 2, "x_test": x, "y_test": np.arange(20) % 2}
        data = load(npz(tmp_path / "grey.npz", **parts))
        assert (data.x_train.max(), data.x_test.max()) == pytest.approx((200 / 255, 1 / 255))
