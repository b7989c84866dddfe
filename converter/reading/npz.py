"""Reading `.npz` archives without trusting them: no pickle, and sizes are checked before memory is taken."""

from __future__ import annotations

import math
import os
import sys
import zipfile
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError, reason
from inflor.converter.reading.limits import MAX_BYTES, refuse_bomb, refuse_large
from inflor.converter.reading.paths import check_regular

_MAX_MEMBERS = 10_000


def read_npz(path: str | os.PathLike[str], wanted: Collection[str]) -> dict[str, npt.NDArray[Any]]:
    """Read those arrays of an `.npz` that are wanted and there.

    Raises:
        InputError: the file cannot be read or is no `.npz`, or an array is damaged, pickled, twice there, too large or
            not of the size that it claims.
    """
    size = check_regular(path, "an .npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            found = {name: entry for name, entry in members.items() if name in wanted}
            if sum(entry.compress_size for entry in found.values()) > size:
                raise InputError("claims more bytes than it has; save it again with numpy.savez", path=path)
            refuse_large(f"{path}: its arrays", sum(entry.file_size for entry in found.values()), MAX_BYTES)
            return {name: _read_member(archive, entry, f"{path}: {name}") for name, entry in found.items()}
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", path=path) from error
    except (InputError, MemoryError):
        raise
    except Exception as error:  # not BadZipFile alone: a damaged archive raises whatever its fields lead to
        raise InputError(f"is not a readable .npz archive ({reason(error)})", path=path) from error


def names_in(path: str | os.PathLike[str]) -> list[str]:
    """The names of the arrays of an `.npz`.

    Raises:
        InputError: the file cannot be read or is no `.npz`.
    """
    check_regular(path, "an .npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            return sorted(_members(archive, path))
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"is not a readable .npz archive ({reason(error)})", path=path) from error


def _members(archive: zipfile.ZipFile, path: str | os.PathLike[str]) -> dict[str, zipfile.ZipInfo]:
    entries = archive.infolist()
    if len(entries) > _MAX_MEMBERS:
        raise InputError(f"holds {len(entries)} arrays; at most {_MAX_MEMBERS} are read", path=path)
    members: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if name in members:
            raise InputError(f"holds the array {name[:80]!r} twice; save it again with numpy.savez", path=path)
        members[name] = entry
    return members


def _read_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, what: str) -> npt.NDArray[Any]:
    refuse_bomb(what, entry.file_size, entry.compress_size)
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise InputError(f"{what} has npy format {version}; save it with numpy.savez")
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
    if dtype.hasobject:
        raise InputError(f"{what} holds pickled objects, which are never loaded; save plain arrays")
    # Elements of no bytes take none in the file, and each an object in memory.
    if any(size < 0 for size in shape) or math.prod(shape) * max(dtype.itemsize, 1) > entry.file_size:
        raise InputError(f"{what} claims shape {shape}, more than its {entry.file_size} bytes hold")
    with archive.open(entry) as stream:
        values = np.lib.format.read_array(stream, allow_pickle=False)
    if dtype.kind == "U" and values.size and dtype.itemsize:
        codes = np.ascontiguousarray(values).view(dtype.str[0] + "u4")
        if bool(((codes > sys.maxunicode) | ((codes >= 0xD800) & (codes < 0xE000))).any()):
            raise InputError(f"{what} holds a text that is not Unicode; save it again with numpy.savez")
    return values
