"""CIFAR-10 and CIFAR-100 from a folder: the binary version, or the Python version without running its pickles."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.datasets.dataset import RawData
from inflor.converter.datasets.registry import Source
from inflor.converter.errors import InputError, reason
from inflor.converter.reading.paths import read_bytes
from inflor.converter.reading.pickles import check_pickle

_SHAPE = (3, 32, 32)
_PIXELS = math.prod(_SHAPE)
_TRAINING = {"epochs": 200, "optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 5e-4, "augment": "crop_flip"}

_BATCH = "a batch of CIFAR"
_MAX_BATCH = 2**28
"""Bytes of a file; the largest has 154 million."""

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class CifarFiles:
    """What the files of a CIFAR data set are called, and where a record of them has its label.

    Attributes:
        folders: of the two archives, once unpacked.
        train: the batches of the train split, without the suffix .bin of the binary version.
        test: the batch of the test split, likewise.
        label_bytes: bytes of labels before the pixels of a binary record; the last of them is the label.
        labels: the key of the labels in a batch of the Python version.
    """

    folders: tuple[str, str]
    train: tuple[str, ...]
    test: str
    label_bytes: int
    labels: str


def cifar_style(name: str, files: CifarFiles, class_names: tuple[str, ...]) -> Source:
    """Make the source of a CIFAR data set."""
    read = partial(_read, name, files, class_names)
    return Source(name=name, read=read, in_folder=True, layout="chw", training=_TRAINING)


def _read(name: str, files: CifarFiles, class_names: tuple[str, ...], folder: Path) -> RawData:
    """Read the batches in `folder`, `folder`/`name` or the archive's own folder inside it; binary before Python."""
    places = [folder, folder / name, *(folder / inner for inner in files.folders)]
    for suffix, read in ((".bin", read_binary), ("", read_python)):
        for place in places:
            if (place / (files.train[0] + suffix)).is_file():
                batches = [read(place / (file + suffix), files) for file in files.train]
                train = (np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches]))
                test = read(place / (files.test + suffix), files)
                return RawData(source=str(place), train=train, test=test, class_names=class_names)
    looked = ", ".join(map(str, places))
    first = f"{files.train[0]}.bin or {files.train[0]}"
    raise InputError(f"{name}: {first} not found; looked in {looked}; name its folder with `data_dir`")


def read_binary(path: Path, files: CifarFiles) -> Batch:
    """Read one batch of the binary version: records of the labels' bytes and 3072 pixels.

    Returns:
        Images, uint8 [N, 3, 32, 32], and labels [N].

    Raises:
        InputError: the file cannot be read or is no whole number of records.
    """
    data = np.frombuffer(read_bytes(path, _BATCH, _MAX_BATCH), np.uint8)
    record = files.label_bytes + _PIXELS
    if not len(data) or len(data) % record:
        text = f"{len(data)} bytes are no whole number of {record}-byte records; download it again"
        raise InputError(text, path=path)
    records = data.reshape(-1, record)
    return records[:, files.label_bytes :].reshape(-1, *_SHAPE), records[:, files.label_bytes - 1]


def read_python(path: Path, files: CifarFiles) -> Batch:
    """Read one batch of the Python version, a pickle that may hold numpy arrays and plain data and nothing else.

    Returns:
        Images, uint8 [N, 3, 32, 32], and labels [N].

    Raises:
        InputError: the file cannot be read, names any other class or function, or lacks the data or the labels.
    """
    data = read_bytes(path, _BATCH, _MAX_BATCH)
    try:
        check_pickle(data)
        batch = _PlainUnpickler(io.BytesIO(data), encoding="bytes").load()
        if not isinstance(batch, dict):
            raise ValueError("no dictionary")
        images = batch.get(b"data", batch.get("data"))
        labels = batch.get(files.labels.encode(), batch.get(files.labels))
        pixels = images.value if isinstance(images, _Array) else None
        if pixels is None or labels is None:
            raise ValueError(f"data or {files.labels} are missing")
        return pixels.reshape(-1, *_SHAPE), np.asarray([int(label) for label in labels])
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle can raise almost anything
        raise InputError(
            f"is not a batch of the Python version of CIFAR ({reason(error)}); download it again", path=path
        ) from error


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
            raise ValueError(f"it asks for {module}.{name}, which it has no need of") from None
