"""What a record file must hold before any of it is used: it may come from anywhere.

Each check raises a ValueError that says what is wrong; `inflor.targets.record.file.read` adds the file's name.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from inflor.converter.reading.hdf5 import is_written, plain_attribute
from inflor.converter.reading.json_text import parse_json
from inflor.converter.reading.limits import MAX_JSON, refuse_bomb, refuse_large

SILENT_KINDS = ("readout", "input")
"""Kinds of population that never fire."""
_LONGEST_KIND = 64
_AT_ONCE = 1 << 24
"""Bytes of spikes that are looked at together."""
_MOST = 1 << 40
"""Neurons of a population, and timesteps."""


def attribute(where: h5py.File | h5py.Group, name: str, least: int) -> int:
    """An attribute that is a whole number of at least `least`."""
    value = plain_attribute(where, name)
    if not isinstance(value, int | np.integer) or not least <= value <= _MOST:
        raise ValueError(f"{where.name}: attribute {name!r} is no whole number of at least {least}")
    return int(value)


def group(top: Mapping[str, h5py.Group | h5py.Dataset], name: str) -> h5py.Group:
    """The group of this name."""
    found = top.get(name)
    if not isinstance(found, h5py.Group):
        raise ValueError(f"it has no group {name!r}")
    return found


def population(group: Any) -> tuple[tuple[int, ...], str, int]:
    """Shape, kind and depth of a population."""
    if not isinstance(group, h5py.Group):
        raise ValueError("a population is no group")
    shape, kind = np.asarray(plain_attribute(group, "shape")), plain_attribute(group, "kind")
    if shape.dtype.kind not in "iu" or shape.ndim != 1 or (shape < 1).any() or math.prod(shape.tolist()) > _MOST:
        raise ValueError(f"{group.name}: its shape is no list of sizes")
    if not isinstance(kind, str) or not 1 <= len(kind) <= _LONGEST_KIND or not kind.isprintable():
        raise ValueError(f"{group.name}: its kind is no short text")
    if ("counts" in group) != (kind not in SILENT_KINDS) or ("spikes" in group and kind in SILENT_KINDS):
        raise ValueError(f"{group.name}: a population of kind {kind} has counts and spikes if it fires, and only then")
    if attribute(group, "size", 1) != math.prod(shape.tolist()):
        raise ValueError(f"{group.name}: its size is not that of its shape")
    return tuple(int(size) for size in shape), kind, attribute(group, "depth", 0)


def array(
    group: h5py.Group, name: str, shape: tuple[int, ...], kinds: str = "i", least: int | None = None, most: int = _MOST
) -> npt.NDArray[Any]:
    """The data set `name`, of numbers of these numpy kinds, each from `least` to `most` where `least` is given."""
    data = _data(group, name, shape, kinds)
    refuse_large(f"{group.file.filename}: {group.name}/{name}", data.nbytes)
    values: npt.NDArray[Any] = data[()]
    if least is not None and values.size and not (values.min() >= least and values.max() <= most):
        raise ValueError(f"{group.name}: {name!r} holds {values.min()} to {values.max()}, beyond {least} to {most}")
    return values


def packed_spikes(group: h5py.Group, shape: tuple[int, ...], counts: npt.NDArray[np.int64]) -> str:
    """Check the data set "spikes" against the counts of its samples; it is read later, in parts.

    Returns:
        SHA-256 of its bytes.
    """
    data = _data(group, "spikes", shape, "u")
    if data.dtype.itemsize != 1:
        raise ValueError(f"{group.name}: its spikes are of type {data.dtype}, not uint8")
    digest = hashlib.sha256()
    together = max(1, _AT_ONCE // max(math.prod(shape[1:]), 1))
    for start in range(0, shape[0], together):
        packed = data[start : start + together]
        fired = np.bitwise_count(packed).sum((1, 2), dtype=np.int64)
        if (fired != counts[start : start + together]).any():
            at = start + int(np.flatnonzero(fired != counts[start : start + together])[0])
            raise ValueError(
                f"{group.name}: counts {counts[at]} spikes in sample {at}, but its spikes are {fired[at - start]}"
            )
        digest.update(packed.data)
    return digest.hexdigest()


def _data(group: h5py.Group, name: str, shape: tuple[int, ...], kinds: str) -> h5py.Dataset:
    """A data set that holds what it claims: it is of this shape, of numbers, and its bytes are in the file."""
    data = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise ValueError(f"{group.name}: {name!r} is no data of this file")
    if data.shape != shape or data.dtype.kind not in kinds:
        raise ValueError(f"{group.name}: {name!r} is {data.shape} of type {data.dtype}, not {shape} of whole numbers")
    if not is_written(data):
        raise ValueError(f"{group.name}: {name!r} claims {data.nbytes} bytes that were never written")
    chunk = math.prod(data.chunks or ()) * data.dtype.itemsize
    if chunk > max(data.nbytes, _AT_ONCE):
        raise ValueError(f"{group.name}: {name!r} lies in pieces of {chunk} bytes, more than all of it")
    refuse_bomb(f"{group.file.filename}: {group.name}/{name}", data.nbytes, data.id.get_storage_size())
    return data


def text(top: Mapping[str, h5py.Group | h5py.Dataset], name: str) -> str:
    """The data set of this name, one text of fixed length."""
    data = top.get(name)
    if not isinstance(data, h5py.Dataset) or data.shape != () or data.dtype.kind != "S":
        raise ValueError(f"{name!r} is no text of fixed length")
    refuse_large(f"{data.file.filename}: {name}", data.dtype.itemsize, MAX_JSON)
    if not is_written(data):
        raise ValueError(f"{name!r} was never written")
    return bytes(data[()]).decode()


def about(text: str) -> Mapping[str, Any]:
    """The text "run", what produced the record: an object, whose entries are of the types that a run writes."""
    made = parse_json(text)
    if not isinstance(made, dict):
        raise ValueError("'run' is no JSON object")
    for name, (fits, kind) in _ENTRIES.items():
        if made.get(name) is not None and not fits(made[name]):
            raise ValueError(f"'run': {name!r} is not {kind}")
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
