"""Where a file came from: digests, and the versions that were at work."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from inflor.converter.reading.paths import sha256

PARTS = ("inflor", "torch", "numpy", "nir")


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
