"""CIFAR-10 and CIFAR-100 from a folder: the binary version, or the Python version without running its pickles."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.datasets.dataset import Dataset, make_dataset
from inflor.converter.errors import InputError

_SHAPE = (3, 32, 32)
_PIXELS = math.prod(_SHAPE)
_FILES = {
    "cifar10": {
        "binary": ([f"data_batch_{i}.bin" for i in range(1, 6)], ["test_batch.bin"]),
        "python": ([f"data_batch_{i}" for i in range(1, 6)], ["test_batch"]),
    },
    "cifar100": {"binary": (["train.bin"], ["test.bin"]), "python": (["train"], ["test"])},
}
_FOLDERS = {
    "cifar10": ("cifar-10-batches-bin", "cifar-10-batches-py"),
    "cifar100": ("cifar-100-binary", "cifar-100-python"),
}
_NAMES10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_NAMES100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
CLASS_NAMES = {"cifar10": _NAMES10, "cifar100": tuple(_NAMES100.split())}

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]


def load_cifar(name: str, folder: Path) -> Dataset:
    """The batches in `folder`, `folder`/`name` or the archive's own folder inside it; binary before Python version.

    Raises:
        InputError: no such files (the message lists where it looked), or a file is damaged.
    """
    places = [folder, folder / name, *(folder / inner for inner in _FOLDERS[name])]
    for version, read in (("binary", read_binary), ("python", read_python)):
        train_files, test_files = _FILES[name][version]
        for place in places:
            if (place / train_files[0]).is_file():
                train = _join([read(place / file, name) for file in train_files])
                test = _join([read(place / file, name) for file in test_files])
                return make_dataset(name, train, test, source=str(place), class_names=CLASS_NAMES[name])
    first = " or ".join(_FILES[name][version][0][0] for version in ("binary", "python"))
    looked = ", ".join(str(place) for place in places)
    raise InputError(f"{name}: {first} not found; looked in {looked}; name its folder with --data-dir")


def _join(batches: list[Batch]) -> Batch:
    return np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches])


def read_binary(path: Path, name: str) -> Batch:
    """One batch of the binary version: records of the label byte (CIFAR-100: coarse, fine) and 3072 pixels.

    Raises:
        InputError: the file cannot be read or is no whole number of records.
    """
    label_bytes = 2 if name == "cifar100" else 1
    data = np.frombuffer(_read_bytes(path), np.uint8)
    record = label_bytes + _PIXELS
    if not len(data) or len(data) % record:
        raise InputError(f"{path}: {len(data)} bytes are no whole number of {record}-byte records; download it again")
    records = data.reshape(-1, record)
    return records[:, label_bytes:].reshape(-1, *_SHAPE), records[:, label_bytes - 1]


def read_python(path: Path, name: str) -> Batch:
    """One batch of the Python version. Its pickle may hold numpy arrays and plain data; anything else is refused.

    Raises:
        InputError: the file cannot be read, names any other class or function, or lacks the data or the labels.
    """
    try:
        batch = _PlainUnpickler(io.BytesIO(_read_bytes(path)), encoding="bytes").load()
        if not isinstance(batch, dict):
            raise ValueError("no dictionary")
        labels_key = b"fine_labels" if name == "cifar100" else b"labels"
        data = batch.get(b"data", batch.get("data"))
        labels = batch.get(labels_key, batch.get(labels_key.decode()))
        pixels = data.value if isinstance(data, _Array) else None
        if pixels is None or labels is None:
            raise ValueError(f"data or {labels_key.decode()} are missing")
        return pixels.reshape(-1, *_SHAPE), np.asarray([int(label) for label in labels])
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can raise almost anything
        raise InputError(
            f"{path}: is not a batch of the Python version of {name} ({error}); download it again"
        ) from error


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


class _Bytes:
    """Stands for numpy.dtype: accepts unsigned bytes alone."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in ("u1", b"u1"):
            raise ValueError(f"array of dtype {code!r} where bytes are needed")

    def __setstate__(self, state: Any) -> None:
        """Byte order and alignment, which bytes do not have."""


class _Array:
    """Stands for numpy.ndarray: takes the state numpy pickles, (version, shape, dtype, fortran order, bytes)."""

    value: npt.NDArray[np.uint8]

    def __setstate__(self, state: Any) -> None:
        _, shape, _, fortran, data = state
        self.value = np.frombuffer(data, np.uint8).reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: Any, encoding: Any) -> bytes:
    """Stands for _codecs.encode, by which Python 3 writes bytes in an old pickle protocol."""
    if encoding != "latin1" or not isinstance(text, str):
        raise ValueError(f"text in encoding {encoding!r}")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Bytes,
    ("_codecs", "encode"): _encode,
}


class _PlainUnpickler(pickle.Unpickler):
    """Builds plain data and byte arrays; calls nothing from outside this module."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise InputError(
                f"the pickle asks for {module}.{name}, which a data batch has no need of; refused"
            ) from None
