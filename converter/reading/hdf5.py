"""Reads an HDF5 group into plain data, with every size checked before memory is taken."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from inflor.converter.errors import InputError, reason
from inflor.converter.reading.limits import MAX_BYTES, refuse_bomb, refuse_large
from inflor.converter.reading.paths import check_regular
from inflor.converter.reading.text_heap import MAX_TEXT, TextHeaps

Tree = dict[str, Any]
"""Groups are dicts; data of texts are str or object arrays of str; data of numbers are numpy scalars or arrays."""

MAX_OBJECTS = 200_000
MAX_DEPTH = 16
MAX_NAME = 256
MAX_TEXTS = 2_000_000
"""Entries of one array of texts."""
_TEXT_BUDGET = 2**26

_LENGTHS = (8, 8)
"""Bytes of an address and of a length in the file: what every common writer takes."""

HDF5_ERRORS = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    SystemError,
)
"""What h5py raises on damaged files."""


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], what: str, mend: str, texts: bool = True) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, with its heaps of texts checked; what HDF5 raises in the block becomes a message.

    Args:
        what: the kind of file that is asked for, as in "a .nir file".
        mend: what makes one.
        texts: whether texts of variable length will be read of it, which takes a look at all of it.

    Raises:
        InputError: the file cannot be read, is no HDF5, has unusual settings, or is damaged.
    """
    source = os.fspath(path)
    size = check_regular(source, what)
    try:
        if not h5py.is_hdf5(source):
            raise InputError(f"is not HDF5, so it is not {what}; {mend}", path=source)
        if texts:
            refuse_large(source, size, MAX_BYTES)
            with TextHeaps(source):
                pass
        with h5py.File(source, "r") as file:
            properties = file.id.get_create_plist()
            if properties.get_sizes() != _LENGTHS or properties.get_userblock():
                raise InputError(
                    "is HDF5 with unusual settings; write the file again with the common ones", path=source
                )
            yield file
    except HDF5_ERRORS as error:
        if "memory allocation failed" in str(error):
            text = f"asks for more memory than there is ({size} bytes are in it): it is damaged, or memory is short"
            raise InputError(text, path=source) from error
        raise damaged(f"{source}:", error) from error


def members(group: h5py.Group) -> dict[str, h5py.Group | h5py.Dataset]:
    """What lies in a group of this file and of no other.

    Raises:
        InputError: a link to elsewhere, a name that is no text or too long, or too many of them.
    """
    source, found = group.file.filename, {}
    for count, name in enumerate(group, 1):
        if count > MAX_OBJECTS:
            raise InputError(f"{source}: has more than {MAX_OBJECTS} groups and data sets")
        if not isinstance(name, str) or len(name) > MAX_NAME:
            raise InputError(f"{source}: {group.name!r} holds a name that is no text of at most {MAX_NAME} characters")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise InputError(f"{source}: {group.name}/{name} is a link to elsewhere; write the file without links")
        found[name] = group[name]
    return found


def read_tree(group: h5py.Group, source: str) -> Tree:
    """Read a group with everything below it.

    Raises:
        InputError: a link that is not a hard link; data that are neither numbers nor text, lie outside the file, or
            were never written; more objects, depth, bytes or characters than the limits of this module. Names file and
            object.
    """
    size = os.path.getsize(source)
    refuse_large(source, size, MAX_BYTES)
    with TextHeaps(source) as heaps:
        reader = _Reader(source, size, heaps)
        tree = reader.group(group, "", 0)
        reader.fill()
        return tree


def plain_attribute(where: h5py.File | h5py.Group, name: str) -> Any:
    """An attribute whose value stands in the file as it is: whole numbers, or a text of fixed length.

    Texts of variable length lie in a heap, and HDF5 takes up to 4 GiB for one before it looks whether it is there.

    Raises:
        ValueError: there is none of this name, or it is of another type.
    """
    if name not in where.attrs:
        raise ValueError(f"{where.name}: has no attribute {name!r}")
    kind = h5py.h5a.open(where.id, name.encode()).get_type()
    fixed = isinstance(kind, h5py.h5t.TypeStringID) and not kind.is_variable_str()
    if not fixed and not isinstance(kind, h5py.h5t.TypeIntegerID):
        raise ValueError(f"{where.name}: attribute {name!r} is neither a whole number nor a text of fixed length")
    value = where.attrs[name]
    return value.decode() if isinstance(value, bytes) else value


def own_tree(group: h5py.Group) -> Tree:
    """What `read_tree` will read of a group that this process itself has written."""
    tree: Tree = {}
    for name, entry in group.items():
        if isinstance(entry, h5py.Group):
            tree[name] = own_tree(entry)
        else:
            tree[name] = entry.asstr()[()] if h5py.check_string_dtype(entry.dtype) else entry[()]
    return tree


def is_written(data: h5py.Dataset) -> bool:
    """Whether every element that a data set claims stands in the file; HDF5 reads what does not as zeros."""
    if data.chunks is None:
        held: int = data.id.get_storage_size()
        return held >= math.prod(data.shape) * data.dtype.itemsize
    pieces = math.prod(-(-length // part) for length, part in zip(data.shape, data.chunks, strict=True))
    return bool(data.id.get_num_chunks() == pieces)


def damaged(where: str, error: BaseException) -> InputError:
    """What a user is told where HDF5 gave up."""
    return InputError(f"{where} is damaged or incomplete ({reason(error)}); copy or export it again")


class _Reader:
    """Walks the groups and checks what every data set claims; only then reads them."""

    def __init__(self, source: str, file_size: int, heaps: TextHeaps) -> None:
        self.source, self.file_size, self.heaps = source, file_size, heaps
        self.objects = 0
        self.bytes = 0
        self.claimed: list[tuple[Tree, str, h5py.Dataset, str]] = []
        # Variable-length texts share storage: every entry of an array may name one text as long as the file.
        self.rows_at_once = max(1, min(4096, _TEXT_BUDGET // (2 * file_size + 1)))

    def group(self, group: h5py.Group, path: str, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise InputError(f"{self.source}: {path!r} lies more than {MAX_DEPTH} groups deep")
        tree: Tree = {}
        for name in group:
            where = f"{path}/{name}"
            self._count_object(name, where)
            try:
                tree[name] = self._entry(tree, group, name, where, depth)
            except HDF5_ERRORS as error:
                raise damaged(f"{self.source}: {where!r}", error) from error
        return tree

    def fill(self) -> None:
        """Read the data sets."""
        for tree, name, data, where in self.claimed:
            try:
                tree[name] = self._text(data, where) if h5py.check_string_dtype(data.dtype) else data[()]
            except HDF5_ERRORS as error:
                raise damaged(f"{self.source}: {where!r}", error) from error

    def _entry(self, tree: Tree, group: h5py.Group, name: str, where: str, depth: int) -> Any:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise InputError(f"{self.source}: {where!r} is a link to elsewhere; write the file without links")
        entry = group[name]
        if isinstance(entry, h5py.Group):
            return self.group(entry, where, depth + 1)
        if isinstance(entry, h5py.Dataset):
            self._check_type(entry, where)
            self._check_storage(entry, where)
            self.claimed.append((tree, name, entry, where))
            return None
        raise InputError(f"{self.source}: {where!r} is neither a group nor data")

    def _count_object(self, name: str, where: str) -> None:
        self.objects += 1
        if self.objects > MAX_OBJECTS:
            raise InputError(f"{self.source}: has more than {MAX_OBJECTS} groups and data sets")
        if len(name) > MAX_NAME:
            raise InputError(f"{self.source}: has a name of {len(name)} characters; at most {MAX_NAME} are read")
        if not isinstance(name, str):  # h5py leaves a name as bytes that it cannot decode
            raise InputError(f"{self.source}: {where!r} has a name that is not UTF-8")

    def _check_type(self, data: h5py.Dataset, where: str) -> None:
        # An enumeration is an integer with names for its values; HDF5's boolean is one.
        numbers = data.dtype.kind in "biuf" and data.dtype.itemsize <= 8 and not data.dtype.subdtype
        if not numbers and h5py.check_string_dtype(data.dtype) is None:
            raise InputError(f"{self.source}: {where!r} holds {_type_name(data.dtype)}, neither numbers nor text")

    def _check_storage(self, data: h5py.Dataset, where: str) -> None:
        """Refuse data that are too large, not in this file, or not there."""
        if data.shape is None:
            raise InputError(f"{self.source}: {where!r} is empty; export the model again")
        count = math.prod(data.shape)
        size = max(count, math.prod(data.chunks or ())) * data.dtype.itemsize
        self.bytes += size
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
        stored = data.id.get_storage_size()
        if stored > self.file_size or not is_written(data):
            raise InputError(
                f"{self.source}: {where!r} claims {count} elements of {data.dtype}, but {stored} bytes are stored for "
                "them; export the model again"
            )
        refuse_bomb(f"{self.source}: {where!r}", size, stored)

    def _text(self, data: h5py.Dataset, where: str) -> Any:
        count = math.prod(data.shape)
        if count > MAX_TEXTS:
            raise InputError(f"{self.source}: {where!r} has more than {MAX_TEXTS} texts")
        contiguous = data.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
        if data.dtype.kind == "O" and contiguous and count:
            texts = np.array(self.heaps.texts(data.id.get_offset(), count), object)
        else:
            texts = np.array([entry for rows in self._rows(data) for entry in np.ravel(rows)], object)
        decoded = np.array([self._decoded(entry, where) for entry in texts], object).reshape(data.shape)
        return decoded if data.shape else decoded[()]

    def _rows(self, data: h5py.Dataset) -> Iterator[Any]:
        if not data.shape:
            yield data[()]
            return
        for start in range(0, data.shape[0], self.rows_at_once):
            yield data[start : start + self.rows_at_once]

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
