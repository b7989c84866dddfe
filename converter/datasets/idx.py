"""MNIST-style data sets from a folder: IDX files, plain or gzipped, or one `.npz`.

IDX: two zero bytes, a type byte (8 = unsigned byte), the number of dimensions, each size as big-endian uint32, data.
Source: the description of the format that is published with MNIST.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.datasets.dataset import Dataset, make_dataset
from inflor.converter.datasets.npz import read_npz
from inflor.converter.errors import InputError

_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
_FASHION = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_DIGITS = tuple("0123456789")
_KUZUSHIJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
CLASS_NAMES = {"mnist": _DIGITS, "fashion_mnist": _FASHION, "kmnist": _KUZUSHIJI}


def load_mnist_style(name: str, folder: Path) -> Dataset:
    """`name`.npz in `folder`, or its four IDX files in `folder`, `folder`/`name` or `folder`/`name`/raw.

    Raises:
        InputError: no such files (the message lists where it looked), or a file is damaged.
    """
    archive = folder / f"{name}.npz"
    if archive.is_file():
        arrays = read_npz(archive, tuple(_FILES))
        if missing := sorted(set(_FILES) - set(arrays)):
            raise InputError(f"{archive}: has no array {missing[0]}; needed are {', '.join(_FILES)}")
        source = str(archive)
    else:
        place = next((p for p in _places(name, folder) if _find(p, _FILES["x_train"])), None)
        if place is None:
            looked = ", ".join(str(p / _FILES["x_train"]) + "[.gz]" for p in _places(name, folder))
            raise InputError(f"{name}: not found; looked for {archive}, {looked}; name its folder with --data-dir")
        arrays = {key: _read(place, file) for key, file in _FILES.items()}
        source = str(place)
    train, test = (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
    return make_dataset(name, train, test, source=source, class_names=CLASS_NAMES[name])


def _places(name: str, folder: Path) -> list[Path]:
    return [folder / name, folder / name / "raw", folder]


def _find(place: Path, file: str) -> Path | None:
    return next((p for p in (place / file, place / f"{file}.gz") if p.is_file()), None)


def _read(place: Path, file: str) -> npt.NDArray[Any]:
    path = _find(place, file)
    if path is None:
        raise InputError(f"{place / file}[.gz]: is missing beside the other files of the data set")
    return read_idx(path)


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The unsigned-byte array of an IDX file, gzipped where the name ends in `.gz`.

    Raises:
        InputError: the file cannot be read, is no such file, or holds less or more than its header says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            head = stream.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 4:
                raise InputError(f"{path}: is not an IDX file of unsigned bytes")
            sizes = stream.read(4 * head[3])
            if len(sizes) < 4 * head[3]:
                raise InputError(f"{path}: ends inside its header; download it again")
            shape = struct.unpack(f">{head[3]}I", sizes)
            # Read in pieces: the header's claim alone must not take memory.
            pieces, left = [], math.prod(shape) + 1
            while left and (piece := stream.read(min(left, 1 << 24))):
                pieces.append(piece)
                left -= len(piece)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if left != 1:
        raise InputError(f"{path}: does not hold the {shape} bytes that its header claims; download it again")
    return np.frombuffer(b"".join(pieces), np.uint8).reshape(shape)
