"""Data sets: the files of each format as their publishers describe them, and files that are not what they claim."""

import collections
import gzip
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from inflor.converter.datasets import BUILT_IN, load, split
from inflor.converter.datasets.cifar import read_python
from inflor.converter.errors import InputError

RNG = np.random.default_rng(0)
X8 = RNG.integers(0, 256, (12, 5, 4), dtype=np.uint8)
Y = np.arange(12) % 3


def npz(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def four(**change):
    arrays = {"x_train": X8, "y_train": Y, "x_test": X8[:6], "y_test": Y[:6]}
    return arrays | change


def refused(match: str, name, data_dir=None) -> str:
    with pytest.raises(InputError, match=match) as caught:
        load(name, data_dir)
    return str(caught.value)


def test_digits_are_the_real_ones_split_by_class():
    digits = load("digits")
    assert digits.x_train.shape == (1437, 1, 8, 8)
    assert digits.x_test.shape == (360, 1, 8, 8)
    assert digits.x_train.dtype == np.float32
    assert digits.y_train.dtype == np.int64
    assert digits.class_names == tuple("0123456789")
    x, y = split(digits, "all")
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


def test_split_names():
    digits = load("digits")
    assert split(digits, "test")[0] is digits.x_test
    assert len(split(digits, "all")[1]) == 1797
    with pytest.raises(InputError, match="validation"):
        split(digits, "validation")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((12, 7), (7,)),
        ((12, 5, 4), (1, 5, 4)),
        ((12, 1, 5, 4), (1, 5, 4)),
        ((12, 3, 5, 4), (3, 5, 4)),
        ((12, 5, 4, 3), (3, 5, 4)),
        ((12, 5, 4, 1), (1, 5, 4)),
        ((12, 2, 5, 4), (2, 5, 4)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_npz_layouts(tmp_path, shape, expected, dtype):
    x = (np.random.default_rng(1).random(shape) * 200).astype(dtype)
    data = load(npz(tmp_path / "mine.npz", x_train=x, y_train=Y, x_test=x, y_test=Y))
    assert data.name == "mine"
    assert data.shape == expected
    assert data.classes == 3
    assert data.x_train.flags.c_contiguous
    scale = 255 if dtype == np.uint8 else 1
    wanted = x.astype(np.float64) / scale
    if len(shape) == 4 and shape[1] == 5:
        wanted = np.moveaxis(wanted, 3, 1)
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
    assert sorted(split(data, "all")[0].flatten()) == list(range(50))
    for x, y in (split(data, "train"), split(data, "test")):
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


def test_npz_lacking_arrays(tmp_path):
    refused("it holds images", npz(tmp_path / "bad.npz", images=X8))
    refused("cannot be split", npz(tmp_path / "few.npz", x=X8, y=np.arange(12)))
    refused("12 samples but 11 labels", npz(tmp_path / "less.npz", x=X8, y=Y[:-1]))


@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"PK\x03\x04 half an archive"])
def test_files_that_are_no_npz(tmp_path, content):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    assert str(path) in refused("not a readable .npz", path)


def test_truncated_and_flipped_npz(tmp_path):
    data = npz(tmp_path / "good.npz", **four()).read_bytes()
    path = tmp_path / "bad.npz"
    for cut in range(1, len(data), len(data) // 15):
        path.write_bytes(data[:cut])
        refused(str(path), path)
    for position in range(1, len(data), len(data) // 40):
        flipped = bytearray(data)
        flipped[position] ^= 0xFF
        path.write_bytes(flipped)
        try:
            load(path)  # a byte that means nothing, such as a date
        except InputError as error:
            message = str(error)
            assert str(path) in message


def test_an_npz_that_claims_more_than_it_holds_takes_no_memory(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + b"\0" * 16
    path = tmp_path / "huge.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", member)
        archive.writestr("y.npy", member)
    refused("claims shape", path)


def test_a_pickle_in_an_npz_never_runs(tmp_path):
    target = tmp_path / "executed"
    path = tmp_path / "hostile.npz"
    np.savez(path, x=np.array([Payload(target)], object), y=Y)
    refused("pickled objects", path)
    assert not target.exists()


class Payload:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (os.system, (f"touch {self.target}",))


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
        (lambda data: b"", "not an IDX file"),
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
    message = refused("--data-dir", "mnist", tmp_path)
    assert str(tmp_path / "mnist.npz") in message
    assert str(tmp_path / "mnist" / "raw" / "train-images-idx3-ubyte") in message
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(X8))
    refused("train-labels-idx1-ubyte.*missing", "mnist", tmp_path)
    assert str(tmp_path / "cifar-10-batches-bin") in refused("data_batch_1", "cifar10", tmp_path)
    refused("no such folder", "mnist", tmp_path / "nowhere")
    refused("no such data set", "minst")
    refused("no such data set", tmp_path / "none.npz")
    for name in BUILT_IN[1:]:
        refused("--data-dir", name)


PIXELS = RNG.integers(0, 256, (4, 3072), dtype=np.uint8)
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
    pixels, labels = read_python(path, "cifar10")
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
        refused("refused", "cifar10", tmp_path)
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
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


# --- frames over time ---


def test_frames_are_what_the_network_takes_at_a_step(tmp_path):
    x = np.random.default_rng(0).integers(0, 4, (20, 6, 5), np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(20) % 2)
    frames, images = (load(tmp_path / "a.npz", frame=frame) for frame in ((5,), None))
    assert (frames.timesteps, frames.shape, frames.mean, frames.std) == (6, (5,), (0.0,), (1.0,))
    assert (images.timesteps, images.shape) == (None, (1, 6, 5))
    assert frames.x_train.shape == (16, 6, 5)
    # Bytes are counts in frames, and grey values in images.
    assert frames.x_train.max() == 3
    assert np.allclose(images.x_train[:, 0] * 255, frames.x_train)
    assert load(tmp_path / "a.npz", frame=(6, 5)).timesteps is None
    for part in ("train", "test"):
        assert np.array_equal(split(frames, part)[1], split(images, part)[1])


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3), (2, 1, 4, 3)])
def test_frames_of_any_shape(tmp_path, shape):
    """Also those whose last dimension would be the colours of an image."""
    x = np.random.default_rng(0).normal(size=(10, 7, *shape))
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(10) % 2, x_test=x[:4], y_test=np.arange(4) % 2)
    frames = load(tmp_path / "a.npz", frame=shape)
    assert (frames.timesteps, frames.shape) == (7, shape)
    assert np.array_equal(frames.x_train, x.astype(np.float32))


def test_frames_that_do_not_match(tmp_path):
    x = np.zeros((10, 7, 5))
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(10) % 2, x_test=x[:, :6], y_test=np.arange(10) % 2)
    with pytest.raises(InputError, match=r"a\.npz: train samples are \(7, 5\), test samples \(6, 5\)"):
        load(tmp_path / "a.npz", frame=(5,))
    x[3, 2, 1] = np.nan
    np.savez(tmp_path / "b.npz", x=x, y=np.arange(10) % 2)
    with pytest.raises(InputError, match="not finite"):
        load(tmp_path / "b.npz", frame=(5,))
