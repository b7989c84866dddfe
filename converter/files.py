"""Writing files so that a killed run leaves the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from inflor.converter.errors import InputError

_SUFFIX = ".part"
_STREAM = re.compile(r"/dev/std(out|err)|/dev/fd/\d+|/proc/(self|\d+)/(task/\d+/)?fd/.*")
"""Names of the streams of a process."""
_STALE = 24 * 3600
"""Seconds after which a temporary file of another machine is nobody's."""


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place if the block ends without an error.

    Missing parent folders are made. On any error, an interrupt included, the temporary file is removed and whatever
    stood at `path` before is left untouched. Of a file that is replaced mode and owner stay; where `path` is a link,
    what it leads to is replaced. A pipe or a device, such as /dev/null, is written to when the block ends. What runs
    that were killed left beside `path` is removed.

    Raises:
        InputError: the folder cannot be made or written, the file is write-protected, or the disk is full.
    """
    if not Path(path).name:  # "", "." or "/"
        raise InputError(f"{os.fspath(path) or 'an empty path'}: is a folder; name a file to write")
    try:
        before = _status(path)
        if before is not None and stat.S_ISDIR(before.st_mode):
            raise InputError("is a folder; name a file to write", path=path)
        if _STREAM.fullmatch(os.path.abspath(path)) or _STREAM.fullmatch(os.path.realpath(path)):
            raise InputError("is where messages are printed; name a file to write", path=path)
        if before is not None and not stat.S_ISREG(before.st_mode):
            with _written_through(path) as temporary:
                yield temporary
            return
        if before is not None and not os.access(path, os.W_OK):
            raise InputError("is write-protected; name another file, or allow writing it", path=path)
        with _replaced(Path(os.path.realpath(path)), before) as temporary:
            yield temporary
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot be written ({reason}); choose another place to write to", path=path) from error


@contextlib.contextmanager
def _replaced(target: Path, before: os.stat_result | None) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    name = _temporary_name(target)
    _remove_stale(target.parent, name)
    temporary = target.parent / f".{name}-{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
    try:
        yield temporary
        if before is not None:
            _keep_owner(temporary, before)
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(OSError):  # where the parent is a file, say: the error under way says more
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _written_through(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file elsewhere, whose bytes go to a pipe or a device at the end."""
    with tempfile.TemporaryDirectory(prefix="inflor-") as folder:
        temporary = Path(folder) / Path(path).name
        yield temporary
        with temporary.open("rb") as made, open(path, "wb", opener=_open_read) as there:
            shutil.copyfileobj(made, there)


def _open_read(path: str, flags: int) -> int:
    """Open a pipe that somebody reads, or a device; without a reader a pipe would wait for ever."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise InputError("is a pipe that nobody reads; start its reader first", path=path) from error
    os.set_blocking(number, True)
    return number


def _status(path: str | os.PathLike[str]) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:  # a zero byte
        raise InputError(f"cannot be written ({error}); name a file to write", path=path) from error


def _keep_owner(temporary: Path, before: os.stat_result) -> None:
    os.chmod(temporary, stat.S_IMODE(before.st_mode))
    if (before.st_uid, before.st_gid) != (os.getuid(), os.getgid()):
        with contextlib.suppress(PermissionError):  # only root gives files away
            os.chown(temporary, before.st_uid, before.st_gid)


def _temporary_name(target: Path) -> str:
    """Short, however long the file's own name is; the same for the same file on the same machine."""
    here = hashlib.sha256(f"{os.uname().nodename}\0{_processes()}".encode()).hexdigest()[:6]
    return f"inflor-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]}-{here}"


def _processes() -> str:
    """Which numbers of processes are meant: containers on one machine have their own."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _remove_stale(folder: Path, name: str) -> None:
    """Remove what a killed run left of this file: one of a process of this machine that is gone, or a day old."""
    mark = name.rpartition("-")[0]
    for left in folder.glob(f".{mark}-*{_SUFFIX}"):
        number = left.name.split("-")[-2]
        with contextlib.suppress(OSError):
            here = left.name.startswith(f".{name}-") and number.isdecimal()
            if not _runs(int(number)) if here else time.time() - left.stat().st_mtime > _STALE:
                left.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
