"""torch's `.pt` archives: checked whole, then read by torch's restricted unpickler."""

from __future__ import annotations

import io
import os
import re
import zipfile
from typing import Any

import torch

from inflor.converter.errors import InputError, reason
from inflor.converter.reading.limits import MAX_JSON
from inflor.converter.reading.paths import read_bytes
from inflor.converter.reading.pickles import check_pickle

MOST_PROTOCOL = 3
"""Of pickles that torch's restricted unpickler takes."""


def read_torch(path: str | os.PathLike[str], mend: str) -> Any:
    """What a `.pt` holds, on the CPU: plain data and tensors and nothing else.

    Args:
        mend: what to give instead, as in "give a model.pt of inflor train".

    Raises:
        InputError: the file cannot be read, is no such archive, is damaged, or holds anything else.
    """
    data = read_bytes(path, "a .pt file")
    _check_archive(data, path, mend)
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a hostile archive can raise almost anything
        foreign = re.search(r"GLOBAL ([\w.]+)", str(error))
        why = f"it asks for {foreign[1]}" if foreign else reason(error)
        text = f"is damaged or holds more than plain data and tensors, so it was not loaded ({why}); {mend}"
        raise InputError(text, path=path) from error


def _check_archive(data: bytes, path: str | os.PathLike[str], mend: str) -> None:
    """Check that the bytes are a whole zip archive, as torch writes it: uncompressed entries with right checksums."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            # torch finds its entries whatever their case.
            programs = [entry for entry in entries if entry.filename.lower().endswith(".pkl")]
            if any(entry.filename.endswith(".npy") for entry in entries):
                raise InputError("is a data set (.npz); it is given as `dataset`", path=path)
            if len(programs) != 1:
                raise InputError(f"is no torch archive; {mend}", path=path)
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise InputError("has compressed entries, which torch never writes; refused", path=path)
            if sum(entry.file_size for entry in entries) > len(data):
                raise InputError("has entries that lie on one another, which torch never writes; refused", path=path)
            damaged = archive.testzip()
            if damaged is not None:
                raise InputError(f"is damaged at {damaged} (wrong checksum); {mend}", path=path)
            program = archive.read(programs[0])
    except (InputError, MemoryError):
        raise
    except Exception as error:  # not BadZipFile alone: a damaged directory raises whatever its fields lead to
        old = "" if data[:2] == b"PK" else ", or one of torch before 1.6, which today's has to load and save again"
        raise InputError(f"is no torch archive, or a truncated one{old}; {mend}", path=path) from error
    try:
        if len(program) > MAX_JSON:
            raise ValueError(f"its index alone has {len(program)} bytes")
        check_pickle(program, MOST_PROTOCOL)
    except ValueError as error:
        raise InputError(f"was not loaded: {error}; {mend}", path=path) from error
