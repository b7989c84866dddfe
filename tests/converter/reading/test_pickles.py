"""Pickles that would hash, print or allocate for ever, and those that are plain data."""

from __future__ import annotations

import copy
import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inflor.converter.errors import InputError
from inflor.converter.reading.pickles import check_pickle
from inflor.converter.reading.torch_archive import read_torch


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def shared_lists(depth: int) -> bytes:
    """Lists of ten times the list before: 10**depth values in 40 * depth bytes."""
    return (
        b"](]q\x00"
        + b"".join(b"](" + (b"h" + bytes([i - 1])) * 10 + b"eq" + bytes([i]) for i in range(1, depth))
        + b"e"
    )


def shared_tuples(depth: int) -> bytes:
    pairs = ((b"h" + bytes([i - 1])) * 2 + b"\x86q" + bytes([i]) for i in range(1, depth))
    return b"()q\x00" + b"".join(pairs) + b"t"


HOSTILE = {
    "shared lists": (b"\x80\x02" + shared_lists(28) + b".", "more than 5000000 objects"),
    "shared tuples as a key": (b"\x80\x02}(" + shared_tuples(41) + b"K\x01u.", "more than 5000000 objects"),
    "a deep key": (b"\x80\x02}(" + b")" + b"\x85" * 500_000 + b"K\x01u.", "nested more than 64 deep"),
    "a deep list": (b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", "nested more than 64 deep"),
    "a list in itself": (b"\x80\x02]q\x00h\x00a.", "holds itself"),
    "a far index": (b"\x80\x02Nr\xff\xff\xff\x0f.", "under the number 268435455"),
    "nothing kept": (b"\x80\x02h\x05.", "which it has not made"),
    "an empty stack": (b"\x80\x020.", "takes more values"),
    "across a mark": (b"\x80\x02N(\x86.", "takes more values"),
    "parts of a number": (b"\x80\x02K\x01K\x02a.", "has none"),
    "an extension": (b"\x80\x02\x82\x01.", "uses EXT1"),
    "a long program": (b"\x80\x02" + b"N0" * 600_000 + b"N.", "more than 1000000 steps"),
    "lists without end": (b"\x80\x02" + b"]" * 2_000_000 + b".", "more than 1000000 steps"),
    "cut off": (b"\x80\x02X\xff\xff\xff\x7fabc", "."),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_programs(name: str) -> None:
    program, message = HOSTILE[name]
    with pytest.raises(ValueError, match=message):
        check_pickle(program)


@pytest.mark.parametrize("protocol", range(5))
def test_plain_data_pass(protocol: int) -> None:
    value: Any = {"a": [1, 2.5, None, True, (1, "x"), {"b": {1, 2}, b"c": frozenset((3,))}], "data": np.arange(6)}
    check_pickle(pickle.dumps(value, protocol))


def test_a_model_of_a_thousand_layers_passes(tmp_path: Path) -> None:
    state = {f"layer{i}.weight": torch.ones(2, 2) for i in range(1000)}
    torch.save({"state": state, "history": [{"loss": 0.5}] * 500}, tmp_path / "m.pt")
    assert len(read_torch(tmp_path / "m.pt", "give another")["state"]) == 1000


@pytest.mark.parametrize("entry", ["data.pkl", "DATA.PKL"])
@pytest.mark.parametrize("name", ["shared lists", "shared tuples as a key", "a deep key", "a deep list"])
def test_hostile_archives(name: str, entry: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"archive/{entry}", HOSTILE[name][0])
        archive.writestr("archive/version", b"3\n")
    (tmp_path / "m.pt").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match=rf"m\.pt: was not loaded: .*{HOSTILE[name][1]}.*; give another$"):
        read_torch(tmp_path / "m.pt", "give another")


def test_archives_of_other_kinds(tmp_path: Path) -> None:
    state, path = {"weight": torch.ones(2)}, tmp_path / "m.pt"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match=r"one of torch before 1\.6, which today's has to load and save again"):
        read_torch(path, "give another")
    torch.save(state, path, pickle_protocol=4)
    with pytest.raises(InputError, match="saved with pickle_protocol=4; save it with 3 or less"):
        read_torch(path, "give another")
    with path.open("wb") as file:
        np.savez(file, x=np.ones(3))
    with pytest.raises(InputError, match=r"is a data set \(\.npz\)"):
        read_torch(path, "give another")
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a/data.pkl", "b/data.pkl"):
            archive.writestr(name, pickle.dumps({}, 2))
    with pytest.raises(InputError, match="is no torch archive"):
        read_torch(path, "give another")


def test_entries_that_lie_on_one_another(tmp_path: Path) -> None:
    """Otherwise a small archive asks for sums over the same bytes without end."""
    path = tmp_path / "m.pt"
    torch.save({"weight": torch.ones(64, 64)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        large = max(archive.infolist(), key=lambda entry: entry.file_size)
        for number in range(4):
            twin = copy.copy(large)
            twin.filename = f"archive/data/{100 + number}"
            archive.filelist.append(twin)
        archive._didModify = True  # the directory is written anew on closing
    with pytest.raises(InputError, match="entries that lie on one another"):
        read_torch(path, "give another")
