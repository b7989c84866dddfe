"""Reading `.npz` archives without trusting them: no pickle, and sizes are checked before memory is taken."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError

_MAX_DEFLATE_RATIO = 1100
"""Deflate cannot compress better than about 1032 to 1: a member that claims more is a lie."""


def read_npz(path: Path, wanted: Collection[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of an `.npz`, all or those of `wanted` that are there.

    Raises:
        InputError: the file is missing, is no `.npz`, or an array is damaged, pickled or not of the size it claims.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            names = [name for name in members if wanted is None or name in wanted]
            return {name: _read_member(archive, members[name], f"{path}: {name}") for name in names}
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", path=path) from error
    except InputError:
        raise
    except Exception as error:  # not BadZipFile alone: a damaged archive raises whatever its fields lead to
        raise InputError(f"is not a readable .npz archive ({error})", path=path) from error


def _read_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, what: str) -> npt.NDArray[Any]:
    if entry.file_size > max(entry.compress_size, 1) * _MAX_DEFLATE_RATIO:
        raise InputError(f"{what} claims {entry.file_size} bytes, which its {entry.compress_size} cannot hold")
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise InputError(f"{what} has npy format {version}; save it with numpy.savez")
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
    if dtype.hasobject:
        raise InputError(f"{what} holds pickled objects, which are never loaded; save plain arrays")
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize > entry.file_size:
        raise InputError(f"{what} claims shape {shape}, more than its {entry.file_size} bytes hold")
    with archive.open(entry) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)
