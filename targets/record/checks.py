"""What a record file must hold before any of it is used: it may come from anywhere.

Each check raises a ValueError that says what is wrong; `inflor.targets.record.file.read` adds the file's name.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError

SILENT_KINDS = ("readout", "input")
"""Kinds of population that never fire."""
_MOST = 1 << 40
"""Neurons of a population, and timesteps."""


def check_regular(path: str) -> None:
    """Refuse what no record can be.

    Raises:
        InputError: there is no such file, it is a folder or a device, or it is not HDF5.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder; name a record, which a run with `out` writes")
    if not stat.S_ISREG(mode) or not h5py.is_hdf5(path):
        raise InputError(
            f"{path}: is not a record (records are HDF5, this is not); make one: run the network with `out`"
        )


def attribute(where: h5py.File | h5py.Group, name: str, least: int) -> int:
    """An attribute that is a whole number of at least `least`."""
    value = where.attrs[name]
    if not isinstance(value, int | np.integer) or not least <= value <= _MOST:
        raise ValueError(f"{where.name}: attribute {name!r} is no whole number of at least {least}")
    return int(value)


def population(group: Any) -> tuple[tuple[int, ...], str, int]:
    """Shape, kind and depth of a population."""
    if not isinstance(group, h5py.Group):
        raise ValueError("a population is no group")
    shape, kind = np.asarray(group.attrs["shape"]), group.attrs["kind"]
    if shape.dtype.kind not in "iu" or shape.ndim != 1 or (shape < 1).any() or math.prod(shape.tolist()) > _MOST:
        raise ValueError(f"{group.name}: its shape is no list of sizes")
    if not isinstance(kind, str):
        raise ValueError(f"{group.name}: its kind is no text")
    if ("counts" in group) != (kind not in SILENT_KINDS) or ("spikes" in group and kind in SILENT_KINDS):
        raise ValueError(f"{group.name}: a population of kind {kind} has counts and spikes if it fires, and only then")
    return tuple(int(size) for size in shape), kind, attribute(group, "depth", 0)


def array(
    group: h5py.Group, name: str, shape: tuple[int, ...], kinds: str = "i", least: int | None = None, most: int = _MOST
) -> npt.NDArray[Any]:
    """The data set `name`, of numbers of these numpy kinds, each from `least` to `most` where `least` is given."""
    values: npt.NDArray[Any] = _data(group, name, shape, kinds)[()]
    if least is not None and values.size and not (values.min() >= least and values.max() <= most):
        raise ValueError(f"{group.name}: {name!r} holds {values.min()} to {values.max()}, beyond {least} to {most}")
    return values


def packed_spikes(group: h5py.Group, samples: int, timesteps: int, size: int) -> None:
    """The data set "spikes" of a population of `size` neurons; it is read later, in parts."""
    data = _data(group, "spikes", (samples, timesteps, -(-size // 8)), "u")
    if data.dtype.itemsize != 1:
        raise ValueError(f"{group.name}: its spikes are of type {data.dtype}, not uint8")


def _data(group: h5py.Group, name: str, shape: tuple[int, ...], kinds: str) -> h5py.Dataset:
    """A data set that holds what it claims: it is of this shape, of numbers, and its bytes are in the file."""
    data = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise ValueError(f"{group.name}: {name!r} is no data of this file")
    if data.shape != shape or data.dtype.kind not in kinds:
        raise ValueError(f"{group.name}: {name!r} is {data.shape} of type {data.dtype}, not {shape} of whole numbers")
    if data.chunks is None:
        stored = data.id.get_storage_size() == data.nbytes
    else:
        pieces = math.prod(-(-length // part) for length, part in zip(shape, data.chunks, strict=True))
        stored = data.id.get_num_chunks() == pieces
    if not stored:
        raise ValueError(f"{group.name}: {name!r} claims {data.nbytes} bytes that were never written")
    return data


def about(text: Any) -> Mapping[str, Any]:
    """The attribute "run", what produced the record: an object, whose entries are of the types that a run writes."""
    made = json.loads(text) if isinstance(text, str) else None
    if not isinstance(made, dict):
        raise ValueError("attribute 'run' is no JSON object")
    for name, (fits, kind) in _ENTRIES.items():
        if made.get(name) is not None and not fits(made[name]):
            raise ValueError(f"attribute 'run': {name!r} is not {kind}")
    return made


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


_ENTRIES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("target", "dataset", "split", "sha256", "network"), (_is_text, "a text")),
    **dict.fromkeys(("seconds", "samples_per_second", "samples"), (_is_number, "a number of at least 0")),
    "notes": (_is_texts, "a list of texts"),
    **dict.fromkeys(("plan", "versions"), (_is_object, "an object")),
}
