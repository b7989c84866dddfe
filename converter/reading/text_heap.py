"""Reads HDF5's variable-length texts without HDF5.

HDF5 (2.0.0) walks a damaged heap of texts for ever, and takes up to 4 GiB for a text before it looks whether the file
has it. The layout is simple: a data set holds one descriptor per text, (length u32, heap address u64, index u32); a
heap has a header with its size at byte 8, then entries (index u16, uses u16, 4 bytes, length u64, data padded to 8
bytes), index 0 being the free rest, whose length counts its header.
Source: HDF5 File Format Specification 3.0, III.E and IV.B.
"""

from __future__ import annotations

import mmap
import struct
from types import TracebackType

from inflor.converter.errors import InputError

_MAGIC = b"GCOL\x01\x00\x00\x00"
_HEADER = 16
_WINDOW = 1 << 24
_DESCRIPTOR = struct.Struct("<IQI")
DESCRIPTOR_SIZE = _DESCRIPTOR.size
MAX_TEXT = 2**24
"""Bytes of one text."""
MAX_ALL_TEXTS = 2**28
"""Bytes of all texts read together: many descriptors may name one text."""
MAX_ENTRIES = 1_000_000


class TextHeaps:
    """The texts of one file, as a context. Every heap is checked on entering.

    Raises:
        InputError: a heap is damaged; its messages name the file.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.entries: dict[int, dict[int, tuple[int, int]]] = {}
        self.count = self.taken = 0
        with open(source, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __enter__(self) -> TextHeaps:
        try:
            for window in range(0, len(self.data), _WINDOW):  # so that a signal gets through between two
                start, end = window - 1, window + _WINDOW + len(_MAGIC) - 1
                while (start := self.data.find(_MAGIC, start + 1, end)) >= 0:
                    self._heap(start)
        except BaseException:
            self.data.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.data.close()

    def texts(self, offset: int, count: int) -> list[bytes]:
        """The `count` texts whose descriptors stand in the file from `offset` on.

        Raises:
            InputError: the file does not have them, or one is too long.
        """
        if offset + count * DESCRIPTOR_SIZE > len(self.data):
            raise self._damaged("a list of texts is cut off")
        return [self._text(*_DESCRIPTOR.unpack_from(self.data, offset + i * DESCRIPTOR_SIZE)) for i in range(count)]

    def _text(self, length: int, address: int, index: int) -> bytes:
        if length == 0:
            return b""
        at, stored = self.entries.get(address, {}).get(index, (0, 0))
        if length > stored:
            raise self._damaged(f"a text of {length} characters is not in it")
        self.taken += length
        if length > MAX_TEXT or self.taken > MAX_ALL_TEXTS:
            raise InputError(f"{self.source}: holds a text of {length} characters; at most {MAX_TEXT} are read")
        return self.data[at : at + length]

    def _heap(self, start: int) -> None:
        at = start + _HEADER
        end = start + struct.unpack_from("<Q", self.data, start + 8)[0] if at <= len(self.data) else at
        if max(at, end) > len(self.data):
            raise self._damaged("a heap of texts is cut off")
        heap = self.entries[start] = {}
        while at + _HEADER <= end:
            index, length = struct.unpack_from("<H6xQ", self.data, at)
            step = _HEADER + (length + 7) // 8 * 8 if index else length
            if step < _HEADER or at + step > end:
                raise self._damaged(f"an entry of a heap of texts has length {length}")
            heap[index] = at + _HEADER, length
            at += step
            self.count += 1
            if self.count > MAX_ENTRIES:
                raise InputError(f"{self.source}: holds more than {MAX_ENTRIES} texts")

    def _damaged(self, reason: str) -> InputError:
        return InputError(f"{self.source}: is damaged or incomplete ({reason}); copy or export it again")
