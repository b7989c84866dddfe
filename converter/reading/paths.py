"""Opening a file that somebody named: a regular one, that can be read and is not too large."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from inflor.converter.errors import InputError
from inflor.converter.reading.limits import MAX_BYTES, refuse_large


def check_regular(path: str | os.PathLike[str], what: str) -> int:
    """Refuse what cannot be a file of a kind before it is opened: a pipe without a writer would wait for ever.

    Args:
        what: the kind, as in "name a .nir file".

    Returns:
        Its bytes.

    Raises:
        InputError: there is none, it is a folder, a device, a pipe or empty, or it may not be read.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read ({reason})", path=path) from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"is a folder; name {what}", path=path)
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"is not a regular file; name {what}", path=path)
    if status.st_size == 0:
        raise InputError(f"is empty; name {what}, or make it again", path=path)
    if not os.access(path, os.R_OK):
        raise InputError("cannot be read (Permission denied)", path=path)
    return status.st_size


def read_bytes(path: str | os.PathLike[str], what: str, most: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file, of which there are at most `most`.

    Raises:
        InputError: see `check_regular`; or it is larger.
    """
    refuse_large(str(path), check_regular(path, what), most)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", path=path) from error


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the bytes of a regular file, in hexadecimal.

    Raises:
        InputError: it cannot be read.
    """
    check_regular(path, "a file")
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", path=path) from error
    return digest.hexdigest()
