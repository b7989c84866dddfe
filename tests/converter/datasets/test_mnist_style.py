"""Data sets that are published as MNIST is: IDX files as the format's description has them, and damaged ones."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from data_files import X8, Y, four, npz, refused

from inflor.converter.datasets.load import load


def idx(array: np.ndarray) -> bytes:
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


IDX_FILES = {
    "train-images-idx3-ubyte": X8,
    "train-labels-idx1-ubyte": Y.astype(np.uint8),
    "t10k-images-idx3-ubyte": X8[:6],
    "t10k-labels-idx1-ubyte": Y[:6].astype(np.uint8),
}


@pytest.mark.parametrize("inner", [".", "kmnist", "kmnist/raw"])
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files(tmp_path, inner, zipped):
    (tmp_path / inner).mkdir(parents=True, exist_ok=True)
    for name, array in IDX_FILES.items():
        data = gzip.compress(idx(array)) if zipped else idx(array)
        (tmp_path / inner / (name + ".gz" * zipped)).write_bytes(data)
    data = load("kmnist", tmp_path)
    np.testing.assert_array_equal(np.round(data.x_train[:, 0] * 255), X8)
    np.testing.assert_array_equal(data.y_test, Y[:6])
    assert data.classes == 10


def test_mnist_as_one_npz(tmp_path):
    npz(tmp_path / "mnist.npz", **four())
    data = load("mnist", tmp_path)
    assert data.name == "mnist"
    assert data.shape == (1, 5, 4)
    assert data.classes == 10
    np.savez(tmp_path / "mnist.npz", x_train=X8)
    refused("no array x_test", "mnist", tmp_path)


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda data: data[:-1], "does not hold"),
        (lambda data: data + b"\0", "does not hold"),
        (lambda data: data[:9], "ends inside its header"),
        (lambda data: b"\0", "not an IDX file"),
        (lambda data: b"\0\0\x0d" + data[3:], "not an IDX file"),
        (lambda data: data[:4] + struct.pack(">3I", 2**31, 2**31, 2**31) + data[16:], "does not hold"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_idx(tmp_path, damage, match, zipped):
    for name, array in IDX_FILES.items():
        (tmp_path / name).write_bytes(idx(array))
    path = tmp_path / "train-images-idx3-ubyte"
    data = damage(path.read_bytes())
    path.unlink()
    path = path.with_suffix(".gz") if zipped else path
    path.write_bytes(gzip.compress(data) if zipped else data)
    assert str(path) in refused(match, "mnist", tmp_path)


def test_damaged_gzip(tmp_path):
    for name, array in IDX_FILES.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(array))[:-12])
    refused("cannot be read", "mnist", tmp_path)


def test_missing_files_say_where_they_were_looked_for(tmp_path):
    message = refused("`data_dir`", "mnist", tmp_path)
    assert str(tmp_path / "mnist.npz") in message
    assert str(tmp_path / "mnist" / "raw" / "train-images-idx3-ubyte") in message
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(X8))
    refused("train-labels-idx1-ubyte.*missing", "mnist", tmp_path)


def shared_data() -> Path | None:
    """The folder with the real MNIST: named by INFLOR_DATA, or shared/data beside the repository."""
    places = [os.environ.get("INFLOR_DATA"), Path(__file__).parents[4] / "shared" / "data"]
    return next((Path(place) for place in places if place and (Path(place) / "mnist.npz").is_file()), None)


@pytest.mark.skipif(shared_data() is None, reason="mnist.npz not found; INFLOR_DATA names its folder")
def test_the_real_mnist():
    data = load("mnist", shared_data())
    assert data.x_train.shape == (60000, 1, 28, 28)
    assert np.bincount(data.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (round(data.mean[0], 4), round(data.std[0], 4)) == (0.1307, 0.3081)
