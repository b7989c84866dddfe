"""Where a file came from: digests, and the versions that were at work."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from inflor.converter.errors import InputError

PARTS = ("inflor", "torch", "numpy", "nir")


def sha256(path: str | os.PathLike[str]) -> str:
    """The file's SHA-256 in hexadecimal.

    Raises:
        InputError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Of this package, of Python and of what computes."""
    found = {"python": platform.python_version()}
    for part in PARTS:
        try:
            found[part] = importlib.metadata.version(part)
        except importlib.metadata.PackageNotFoundError:  # a source tree that was never installed
            found[part] = "unknown"
    return found


def made_from(path: str | os.PathLike[str], **more: Any) -> dict[str, Any]:
    """The name and digest of the file that something is made from, and what else is to be remembered."""
    return {"made_from": Path(path).name, "sha256": sha256(path), **more}
