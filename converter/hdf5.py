"""Reads an HDF5 group into plain data, with every size checked before memory is taken."""

from __future__ import annotations

import math
import os
from typing import Any

import h5py
import numpy as np

from converter.errors import InputError

Tree = dict[str, Any]
"""Groups are dicts; data of texts are str or object arrays of str; data of numbers are numpy scalars or arrays."""

MAX_BYTES = 4 * 2**30
"""All arrays of a file together, as they lie in memory."""
MAX_OBJECTS = 200_000
MAX_DEPTH = 16
MAX_NAME = 256
MAX_TEXT = 2**24
"""Characters of one text."""
MAX_TEXTS = 2_000_000
"""Entries of one array of texts."""
_TEXT_BUDGET = 2**26

HDF5_ERRORS = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    MemoryError,
    SystemError,
)
"""What h5py raises on damaged files."""


def read_tree(group: h5py.Group, source: str) -> Tree:
    """Read a group with everything below it.

    Raises:
        InputError: a link that is not a hard link; data that are neither numbers nor text, lie outside the file, or
            were never written; more objects, depth, bytes or characters than the limits of this module. Names file and
            object.
    """
    return _Reader(source, os.path.getsize(source)).group(group, "", 0)


class _Reader:
    """Counts what was taken so far."""

    def __init__(self, source: str, file_size: int) -> None:
        self.source = source
        self.objects = 0
        self.bytes = 0
        # Variable-length texts share storage: every entry of an array may name one text as long as the file.
        self.rows_at_once = max(1, min(4096, _TEXT_BUDGET // (2 * file_size + 1)))

    def group(self, group: h5py.Group, path: str, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise InputError(f"{self.source}: {path!r} lies more than {MAX_DEPTH} groups deep")
        tree: Tree = {}
        for name in group:
            where = f"{path}/{name}"
            self._count_object(name, where)
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise InputError(f"{self.source}: {where!r} is a link to elsewhere; write the file without links")
            entry = group[name]
            if isinstance(entry, h5py.Group):
                tree[name] = self.group(entry, where, depth + 1)
            elif isinstance(entry, h5py.Dataset):
                tree[name] = self._dataset(entry, where)
            else:
                raise InputError(f"{self.source}: {where!r} is neither a group nor data")
        return tree

    def _count_object(self, name: str, where: str) -> None:
        self.objects += 1
        if self.objects > MAX_OBJECTS:
            raise InputError(f"{self.source}: has more than {MAX_OBJECTS} groups and data sets")
        if len(name) > MAX_NAME:
            raise InputError(f"{self.source}: has a name of {len(name)} characters; at most {MAX_NAME} are read")
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{self.source}: {where!r} has a name that is not UTF-8") from error

    def _dataset(self, data: h5py.Dataset, where: str) -> Any:
        text = h5py.check_string_dtype(data.dtype)
        self._check_storage(data, where)
        if text is not None:
            return self._text(data, where)
        # An enumeration is an integer with names for its values; HDF5's boolean is one.
        if data.dtype.kind not in "biuf" or data.dtype.itemsize > 8 or data.dtype.subdtype:
            raise InputError(f"{self.source}: {where!r} holds {_type_name(data.dtype)}, neither numbers nor text")
        return data[()]

    def _check_storage(self, data: h5py.Dataset, where: str) -> None:
        """Refuse data that are too large, not in this file, or not there."""
        if data.shape is None:
            raise InputError(f"{self.source}: {where!r} is empty; export the model again")
        count = math.prod(data.shape)
        chunk = math.prod(data.chunks or ())
        self.bytes += max(count, chunk) * data.dtype.itemsize
        if self.bytes > MAX_BYTES:
            raise InputError(
                f"{self.source}: {where!r} claims {count} elements of {data.dtype}; the arrays of a file may take "
                f"{MAX_BYTES // 2**30} GiB together"
            )
        if data.is_virtual or data.external:
            raise InputError(f"{self.source}: {where!r} lies in another file; write the model into one file")
        properties = data.id.get_create_plist()
        for index in range(properties.get_nfilters()):
            code, _, _, name = properties.get_filter(index)
            if not h5py.h5z.filter_avail(code):
                label = name.decode(errors="replace") or f"number {code}"
                raise InputError(
                    f"{self.source}: {where!r} is compressed by {label[:80]!r}, which is not installed; use gzip"
                )
        if count and not data.id.get_storage_size():
            raise InputError(
                f"{self.source}: {where!r} claims {count} elements but none are stored; export the model again"
            )

    def _text(self, data: h5py.Dataset, where: str) -> Any:
        if data.shape == ():
            return self._decoded(data[()], where)
        if math.prod(data.shape) > MAX_TEXTS:
            raise InputError(f"{self.source}: {where!r} has more than {MAX_TEXTS} texts")
        result = np.empty(data.shape, object)
        for start in range(0, data.shape[0], self.rows_at_once):
            part = data[start : start + self.rows_at_once]
            for index, entry in np.ndenumerate(part):
                result[start:][index] = self._decoded(entry, where)
        return result

    def _decoded(self, entry: Any, where: str) -> str:
        self.bytes += len(entry)
        if len(entry) > MAX_TEXT or self.bytes > MAX_BYTES:
            raise InputError(
                f"{self.source}: {where!r} holds a text of {len(entry)} characters; at most {MAX_TEXT} are read"
            )
        try:
            return entry.decode() if isinstance(entry, bytes) else str(entry)
        except UnicodeDecodeError as error:
            raise InputError(f"{self.source}: {where!r} holds a text that is not UTF-8") from error


def _type_name(dtype: np.dtype[Any]) -> str:
    return "references or objects" if dtype.kind == "O" else str(dtype)[:80]
