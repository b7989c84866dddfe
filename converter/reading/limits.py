"""The limits that all readers share: bytes, elements, depth, and how far compressed data may swell.

What a single format has beside these, such as the names of an HDF5 file, stands with its reader.
"""

from __future__ import annotations

from inflor.converter.errors import InputError

MAX_BYTES = 4 * 2**30
"""Of one file, and of all arrays that are read from it, as they lie in memory."""
MAX_JSON = 2**24
"""Bytes of a JSON text, and of a pickle's program."""
MAX_VALUES = 2_000_000
"""Values in a JSON text."""
MAX_DEPTH = 64
"""Objects in objects, in JSON and in pickles."""
MAX_PICKLED = 5_000_000
"""Objects of a pickle, one that is named twice counted twice."""
MAX_STEPS = 1_000_000
"""Of the program of a pickle."""
LARGE, _LARGEST_RATIO = 2**26, 950
"""Data above so many bytes may be so many times larger than they are stored: a few values among zeros swell 800 times,
zeros alone 1,030 times (gzip)."""


def refuse_bomb(what: str, size: int, stored: int) -> None:
    """Refuse a few stored bytes that claim to be many: they would fill the memory, and say nothing.

    Args:
        what: of whose bytes there is talk, for the message.
        size: bytes as they would lie in memory.
        stored: bytes that they take in the file.

    Raises:
        InputError: they swell by more than any real data do.
    """
    if size > LARGE and size > _LARGEST_RATIO * stored:
        raise InputError(
            f"{what}: {stored} bytes would become {size}, {size // max(stored, 1)} times as many: one value "
            "over and over; write it again without compression if it is meant so"
        )


def refuse_large(what: str, size: int, most: int = MAX_BYTES) -> None:
    """Refuse more bytes than are read.

    Raises:
        InputError: `size` is above `most`.
    """
    if size > most:
        limit = f"{most >> 30} GiB" if most >> 30 else f"{most >> 20} MiB"
        raise InputError(f"{what}: has {size} bytes; at most {limit} are read")
