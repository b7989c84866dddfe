"""Writing files so that a killed run leaves the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from inflor.converter.errors import InputError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path` that is renamed to `path` if the block ends without an error.

    Missing parent folders are made. On any error, an interrupt included, the temporary file is removed and
    whatever stood at `path` before is left untouched.

    Raises:
        InputError: the folder cannot be made or written, or the disk is full.
    """
    target = Path(path)
    if not target.name:  # "", "." or "/"
        raise InputError(f"{os.fspath(path) or 'an empty path'}: is a folder; name a file to write")
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise InputError("is a folder; name a file to write", path=target)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot be written ({reason}); choose another place to write to", path=target) from error
    finally:
        with contextlib.suppress(OSError):  # where the parent is a file, say: the error under way says more
            temporary.unlink(missing_ok=True)
