"""CIFAR as its publisher packs it, in both versions, and pickles that want more than data."""

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from data_files import Payload, refused

from inflor.converter.datasets.cifar import read_python
from inflor.converter.datasets.load import load
from inflor.converter.datasets.sources.cifar10 import FILES as CIFAR10

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
LABELS = [3, 9, 0, 1]


def cifar10_binary(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
        rows = [bytes([label]) + pixels.tobytes() for label, pixels in zip(LABELS, PIXELS, strict=True)]
        (folder / name).write_bytes(b"".join(rows))


def cifar10_python(folder: Path, protocol: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        batch = {b"data": PIXELS, b"labels": LABELS, b"batch_label": b"one", b"filenames": [b"a.png"] * 4}
        (folder / name).write_bytes(pickle.dumps(batch, protocol))


def check_cifar10(data):
    assert data.x_train.shape == (20, 3, 32, 32)
    assert data.x_test.shape == (4, 3, 32, 32)
    np.testing.assert_array_equal(np.round(data.x_test.reshape(4, 3072) * 255), PIXELS)
    assert data.y_test.tolist() == LABELS
    assert data.class_names[3] == "cat"
    assert len(data.mean) == 3


@pytest.mark.parametrize("inner", [".", "cifar10", "cifar-10-batches-bin"])
def test_cifar10_binary(tmp_path, inner):
    cifar10_binary(tmp_path / inner)
    check_cifar10(load("cifar10", tmp_path))


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_cifar10_python(tmp_path, protocol):
    cifar10_python(tmp_path / "cifar-10-batches-py", protocol)
    check_cifar10(load("cifar10", tmp_path))


def test_cifar100(tmp_path):
    rows = [bytes([19, label]) + pixels.tobytes() for label, pixels in zip(LABELS, PIXELS, strict=True)]
    for name in ("train.bin", "test.bin"):
        (tmp_path / name).write_bytes(b"".join(rows))
    data = load("cifar100", tmp_path)
    assert data.y_train.tolist() == LABELS
    assert data.classes == 100
    assert list(data.class_names) == sorted(set(data.class_names))  # the publisher numbers them by the alphabet
    (tmp_path / "py").mkdir()
    for name in ("train", "test"):
        batch = {b"data": PIXELS, b"fine_labels": LABELS, b"coarse_labels": [0] * 4}
        (tmp_path / "py" / name).write_bytes(pickle.dumps(batch, 2))
    assert np.array_equal(load("cifar100", tmp_path / "py").x_train, data.x_train)


# A batch as Python 2 pickled it (protocol 2, byte strings), which is what the published archive holds; written by hand
# from the opcodes, since no Python 3 writes this form.
def python2_batch() -> bytes:
    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    raw = b"T" + struct.pack("<i", PIXELS.nbytes) + PIXELS.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
        b"(K\x01K\x04M\x00\x0c\x86cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
        b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89" + raw + b"tb"
    )
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in LABELS) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + labels + b"u."


def test_a_batch_of_python_2(tmp_path):
    path = tmp_path / "data_batch_1"
    path.write_bytes(python2_batch())
    assert pickle.loads(path.read_bytes(), encoding="bytes")[b"labels"] == LABELS  # a pickle that numpy understands too
    pixels, labels = read_python(path, CIFAR10)
    np.testing.assert_array_equal(pixels.reshape(4, 3072), PIXELS)
    assert labels.tolist() == LABELS


def test_a_cifar_pickle_runs_nothing(tmp_path):
    target = tmp_path / "executed"
    path = tmp_path / "data_batch_1"
    for content in (
        Payload(target),
        {b"data": Payload(target), b"labels": LABELS},
        {b"data": PIXELS, b"labels": print},
    ):
        path.write_bytes(pickle.dumps(content))
        refused("asks for", "cifar10", tmp_path)
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\0",
        b"text",
        pickle.dumps([1, 2]),
        pickle.dumps({b"data": PIXELS}),
        pickle.dumps({b"data": PIXELS[:, :-1], b"labels": LABELS}),
        pickle.dumps({b"data": PIXELS.astype(float), b"labels": LABELS}),
        pickle.dumps({b"data": 3, b"labels": LABELS}),
        pickle.dumps({b"data": PIXELS, b"labels": [None] * 4}),
        pickle.dumps({b"data": PIXELS, b"labels": LABELS})[:-500],
    ],
)
def test_a_damaged_cifar_pickle(tmp_path, content):
    (tmp_path / "data_batch_1").write_bytes(content)
    assert "data_batch_1" in refused("not a batch", "cifar10", tmp_path)


def test_a_damaged_cifar_binary(tmp_path):
    cifar10_binary(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    assert str(path) in refused("no whole number", "cifar10", tmp_path)
    path.write_bytes(b"\x0a" + bytes(3072))
    refused("label 10 of train sample 8 is out of range", "cifar10", tmp_path)
    path.unlink()
    assert str(path) in refused("No such file", "cifar10", tmp_path)


def test_missing_files_say_where_they_were_looked_for(tmp_path):
    assert str(tmp_path / "cifar-10-batches-bin") in refused("data_batch_1.*`data_dir`", "cifar10", tmp_path)


def test_the_layout_is_known(tmp_path):
    cifar10_binary(tmp_path)
    check_cifar10(load("cifar10", tmp_path, layout="chw"))
    refused("cifar10 has the layout chw, not hwc", "cifar10", tmp_path, layout="hwc")
