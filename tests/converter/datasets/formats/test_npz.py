"""Archives of a user: what they need to hold, and archives that are not what they claim."""

import struct
import zipfile

import numpy as np
import pytest
from data_files import X8, Payload, Y, four, npz, refused

from inflor.converter.datasets.load import load
from inflor.converter.errors import InputError


def test_npz_lacking_arrays(tmp_path):
    refused("it holds images", npz(tmp_path / "bad.npz", images=X8))
    refused("cannot be split", npz(tmp_path / "few.npz", x=X8, y=np.arange(12)))
    refused("12 samples but 11 labels", npz(tmp_path / "less.npz", x=X8, y=Y[:-1]))


@pytest.mark.parametrize("content", [b"\0", b"x,y\n1,2\n", b"PK\x03\x04 half an archive"])
def test_files_that_are_no_npz(tmp_path, content):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    assert str(path) in refused("not a readable .npz", path)


def test_truncated_and_flipped_npz(tmp_path):
    data = npz(tmp_path / "good.npz", **four()).read_bytes()
    path = tmp_path / "bad.npz"
    for cut in range(1, len(data), len(data) // 15):
        path.write_bytes(data[:cut])
        refused(str(path), path)
    for position in range(1, len(data), len(data) // 40):
        flipped = bytearray(data)
        flipped[position] ^= 0xFF
        path.write_bytes(flipped)
        try:
            load(path)  # a byte that means nothing, such as a date
        except InputError as error:
            message = str(error)
            assert str(path) in message


def test_an_npz_that_claims_more_than_it_holds_takes_no_memory(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + b"\0" * 16
    path = tmp_path / "huge.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", member)
        archive.writestr("y.npy", member)
    refused("claims shape", path)


def test_a_pickle_in_an_npz_never_runs(tmp_path):
    target = tmp_path / "executed"
    path = tmp_path / "hostile.npz"
    np.savez(path, x=np.array([Payload(target)], object), y=Y)
    refused("pickled objects", path)
    assert not target.exists()
