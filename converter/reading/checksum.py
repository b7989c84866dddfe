"""The checksum of an artifact's content: what its arrays and texts say, whatever way they lie in the file.

An HDF5 file has it as the attribute "sha256" of its root, which programs that write the file anew do not carry over: so
it stands only where inflor wrote last. A JSON object has it under the key "checksum".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.reading.hdf5 import plain_attribute

ATTRIBUTE, KEY = "sha256", "checksum"
_CHANGED = (
    "its content is not what its checksum says: it was damaged, or changed after inflor wrote it; make it again, or "
    "take another copy"
)


def checksum(tree: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, of nested mappings of arrays, numbers and texts; the order of keys has no part in it."""
    digest = hashlib.sha256()
    _add(digest, tree)
    return digest.hexdigest()


def sign(file: h5py.File, tree: Mapping[str, Any]) -> str:
    """Write the checksum of its content into a file; returns it."""
    digest = checksum(tree)
    file.attrs[ATTRIBUTE] = np.bytes_(digest)
    return digest


def verify(file: h5py.File, tree: Mapping[str, Any], source: str, needed: bool = False) -> None:
    """Compare the content of a file with its checksum, where it has one.

    Args:
        needed: whether every file of this kind has one.

    Raises:
        InputError: they differ.
        ValueError: it is needed and not there.
    """
    if ATTRIBUTE not in file.attrs and not needed:
        return
    if plain_attribute(file, ATTRIBUTE) != checksum(tree):
        raise InputError(_CHANGED, path=source)


def signed(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data with the checksum of the JSON that they become."""
    return {**plain, KEY: _of_json(plain)}


def signed_text(plain: Mapping[str, Any]) -> str:
    """The JSON of plain data with their checksum, as a file has it."""
    return json.dumps(signed(plain), indent=2) + "\n"


def verify_json(plain: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Plain data without the checksum that stood with them; files of earlier versions have none.

    Raises:
        InputError: they are not what it says.
    """
    rest = {key: value for key, value in plain.items() if key != KEY}
    if KEY in plain and plain[KEY] != _of_json(rest):
        raise InputError(_CHANGED, path=source)
    return rest


def _of_json(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(_canonical(plain), sort_keys=True).encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """Plain data in which 1.0 is 1, as other programs that write JSON anew have it."""
    if isinstance(value, Mapping):
        return {str(key): _canonical(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _add(digest: Any, value: Any) -> None:
    """Every part with its kind and its length before it, so that no two contents make the same bytes."""
    if isinstance(value, Mapping):
        digest.update(b"{%d}" % len(value))
        for name in sorted(value):
            _add(digest, name)
            _add(digest, value[name])
    elif isinstance(value, str):
        text = value.encode()
        digest.update(b"s%d:" % len(text) + text)
    else:
        array = np.asarray(value)
        shape = ",".join(map(str, array.shape))
        if array.dtype.kind in "OU":
            digest.update(f"t[{shape}]".encode())
            for text in array.ravel():
                _add(digest, str(text))
        else:
            array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            digest.update(f"{array.dtype.str}[{shape}]".encode())
            digest.update(array.data)
