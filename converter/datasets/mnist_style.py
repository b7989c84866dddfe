"""MNIST-style data sets from a folder: IDX files, plain or gzipped, or one `.npz`.

IDX: two zero bytes, a type byte (8 = unsigned byte), the number of dimensions, each size as big-endian uint32, data.
Source: the description of the format that is published with MNIST.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.datasets.dataset import RawData
from inflor.converter.datasets.registry import Source
from inflor.converter.errors import InputError
from inflor.converter.reading.limits import refuse_bomb, refuse_large
from inflor.converter.reading.npz import read_npz
from inflor.converter.reading.paths import check_regular

_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def mnist_style(name: str, class_names: tuple[str, ...], epochs: int) -> Source:
    """Make the source of a data set that is published as MNIST is; `epochs` is how long it is trained."""
    training = {"epochs": epochs, "learning_rate": 2e-2, "augment": "shift"}
    return Source(name=name, read=partial(_read, name, class_names), in_folder=True, training=training)


def _read(name: str, class_names: tuple[str, ...], folder: Path) -> RawData:
    """Read `name`.npz in `folder`, or the four IDX files in `folder`/`name`, `folder`/`name`/raw or `folder`."""
    archive = folder / f"{name}.npz"
    if archive.is_file():
        arrays = read_npz(archive, tuple(_FILES))
        if missing := sorted(set(_FILES) - set(arrays)):
            raise InputError(f"has no array {missing[0]}; needed are {', '.join(_FILES)}", path=archive)
        source = str(archive)
    else:
        place = next((p for p in _places(name, folder) if _find(p, _FILES["x_train"])), None)
        if place is None:
            looked = ", ".join(str(p / _FILES["x_train"]) + "[.gz]" for p in _places(name, folder))
            raise InputError(f"{name}: not found; looked for {archive}, {looked}; name its folder with `data_dir`")
        arrays = {key: _read_array(place, file) for key, file in _FILES.items()}
        source = str(place)
    train, test = (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
    return RawData(source=source, train=train, test=test, class_names=class_names)


def _places(name: str, folder: Path) -> list[Path]:
    return [folder / name, folder / name / "raw", folder]


def _find(place: Path, file: str) -> Path | None:
    return next((p for p in (place / file, place / f"{file}.gz") if p.is_file()), None)


def _read_array(place: Path, file: str) -> npt.NDArray[Any]:
    path = _find(place, file)
    if path is None:
        raise InputError("is missing beside the other files of the data set", path=f"{place / file}[.gz]")
    return read_idx(path)


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read the unsigned-byte array of an IDX file, gzipped where the name ends in `.gz`.

    Raises:
        InputError: the file cannot be read, is no such file, or holds less or more than its header says.
    """
    stored = check_regular(path, "an IDX file")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            head = stream.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 4:
                raise InputError("is not an IDX file of unsigned bytes", path=path)
            sizes = stream.read(4 * head[3])
            if len(sizes) < 4 * head[3]:
                raise InputError("ends inside its header; download it again", path=path)
            shape = struct.unpack(f">{head[3]}I", sizes)
            # Read in pieces: the header's claim alone must not take memory.
            pieces, left = [], math.prod(shape) + 1
            while left and (piece := stream.read(min(left, 1 << 24))):
                pieces.append(piece)
                left -= len(piece)
                refuse_bomb(str(path), len(piece) * len(pieces), stored)
                refuse_large(str(path), len(piece) * len(pieces))
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be read ({getattr(error, 'strerror', None) or error})", path=path) from error
    if left != 1:
        raise InputError(f"does not hold the {shape} bytes that its header claims; download it again", path=path)
    return np.frombuffer(b"".join(pieces), np.uint8).reshape(shape)
