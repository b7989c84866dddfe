"""A file for HDF5 to write to that outlives a full disk.

HDF5 that cannot write a block can neither go on nor close its file, and ends in a crash. So a write that fails, or is
interrupted, is remembered, it and all after it are dropped, and the caller asks for the error when HDF5 is out of it.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any


class Spool:
    """A new file at `path` with the methods that h5py asks of a file object. error: the first failure of a write."""

    def __init__(self, path: str | os.PathLike[str]):
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115  (closed by __exit__)
        self.error: BaseException | None = None

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self.check()

    def check(self) -> None:
        """Raise what a write met with."""
        if self.error is not None:
            raise self.error

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size) or b""

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; what was dropped reads as zeros."""
        view, done = memoryview(buffer), 0
        while done < len(view) and (count := self._file.readinto(view[done:])):
            done += count
        view[done:] = bytes(len(view) - done)
        return len(view)

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        size = len(rest)
        try:
            while len(rest) and self.error is None:
                rest = rest[self._file.write(rest) or 0 :]
        except BaseException as error:  # also an interrupt, which HDF5 must not see
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int | None:
        try:
            if self.error is None:
                self._file.truncate(size)
        except BaseException as error:
            self.error = error
        return size

    def flush(self) -> None:
        """Nothing is held back."""
