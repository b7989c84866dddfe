"""record.h5: what goes in comes out, bit for bit, and a broken run leaves nothing."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from converter.errors import InputError
from targets.record import Batch, Record, RecordedPopulation, read, recording

POPULATIONS = (RecordedPopulation("a", (3, 5), "if", 1), RecordedPopulation("out", (2,), "readout", 2))
SPIKES = np.random.default_rng(0).random((4, 7, 3, 5)) < 0.3  # [T, samples, *shape]
POTENTIAL = np.random.default_rng(1).integers(-(2**40), 2**40, (4, 7, 2))


def record_to(path: Path | None, keep_spikes: bool = True) -> Record:
    with recording(POPULATIONS, 4, 7, path, keep_spikes) as recorder:
        for part in (slice(0, 3), slice(3, 7)):
            spikes = SPIKES[:, part]
            recorder.add(
                Batch(
                    {"a": spikes},
                    {"a": spikes.sum((0, 2, 3))},
                    {"out": POTENTIAL[:, part]},
                    np.arange(7)[part],
                    {"a": 2},
                )
            )
        return recorder.finish(np.array([0, 1, 2, 0, 0, 0, 6]), {"target": "test"})


@pytest.mark.parametrize("to_file", [False, True])
def test_everything_comes_back(to_file: bool, tmp_path: Path) -> None:
    made = record_to(tmp_path / "r.h5" if to_file else None)
    for record in (made, read(tmp_path / "r.h5")) if to_file else (made,):
        np.testing.assert_array_equal(record.spikes("a"), np.moveaxis(SPIKES, 0, 1))
        np.testing.assert_array_equal(record.spikes("a", slice(2, 5)), np.moveaxis(SPIKES, 0, 1)[2:5])
        np.testing.assert_array_equal(record.counts["a"], SPIKES.sum((0, 2, 3)))
        np.testing.assert_array_equal(record.outputs["out"], np.moveaxis(POTENTIAL, 0, 1))
        assert record.accuracy == 4 / 7
        assert record.overflows == {"a": 4}
        assert record.populations == POPULATIONS
        assert record.run == {"target": "test"}
        assert (record.samples, record.timesteps) == (7, 4)


def test_bits_are_packed_low_first(tmp_path: Path) -> None:
    """The layout that the documentation gives: bit i of byte j is neuron 8 j + i."""
    record_to(tmp_path / "r.h5")
    with h5py.File(tmp_path / "r.h5") as file:
        packed = file["populations/a/spikes"][()]
    assert packed.shape == (7, 4, 2)
    for sample, step, neuron in ((0, 0, 0), (6, 3, 14), (3, 1, 9)):
        assert bool(packed[sample, step, neuron // 8] >> (neuron % 8) & 1) == SPIKES[step, sample].ravel()[neuron]


def test_a_failed_run_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    record_to(path)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), recording(POPULATIONS, 4, 7, path):
        raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_spikes_that_were_not_kept_are_asked_for_in_words(tmp_path: Path) -> None:
    for record in (record_to(None, False), record_to(tmp_path / "r.h5", False)):
        with pytest.raises(InputError, match="spikes"):
            record.spikes("a")
        assert record.counts["a"].sum() == SPIKES.sum()


@pytest.mark.parametrize("content", [b"", b"text", b"\x89HDF\r\n\x1a\n" + b"\0" * 64])
def test_what_is_no_record_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"r\.h5.*inflor run --out"):
        read(path)


def test_hdf5_of_another_kind_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.arange(3)
    with pytest.raises(InputError, match="not a record"):
        read(tmp_path / "x.h5")
