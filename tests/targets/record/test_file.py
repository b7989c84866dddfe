"""record.h5: what goes in comes out, bit for bit, and a broken run leaves nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
import pytest
from signing import sign_again
from small_networks import network, population

from inflor.converter.errors import InputError, SimulationError
from inflor.quant.ir.network import Projection
from inflor.quant.operators import Flatten, Linear, Scale
from inflor.targets.record.file import Batch, Record, RecordedPopulation, as_recorded, read
from inflor.targets.record.recorder import recording

Damage: TypeAlias = Callable[[h5py.File], object]

POPULATIONS = (
    RecordedPopulation(name="a", shape=(3, 5), kind="if", depth=1),
    RecordedPopulation(name="out", shape=(2,), kind="readout", depth=2),
)
SPIKES = np.random.default_rng(0).random((4, 7, 3, 5)) < 0.3  # [T, samples, *shape]
POTENTIAL = np.random.default_rng(1).integers(-(2**40), 2**40, (4, 7, 2))


def record_to(path: Path | None, keep_spikes: bool = True) -> Record:
    with recording(POPULATIONS, 4, 7, path, keep_spikes) as recorder:
        for part in (slice(0, 3), slice(3, 7)):
            spikes = SPIKES[:, part]
            recorder.add(
                Batch(
                    spikes={"a": spikes},
                    counts={"a": spikes.sum((0, 2, 3))},
                    outputs={"out": POTENTIAL[:, part]},
                    predictions=np.arange(7)[part],
                    overflows={"a": 2},
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


def whole_batch(size: int) -> Batch:
    """All that is due of so many samples."""
    spikes = SPIKES[:, :size]
    return Batch(
        spikes={"a": spikes},
        counts={"a": spikes.sum((0, 2, 3))},
        outputs={"out": POTENTIAL[:, :size]},
        predictions=np.arange(size),
    )


NOTHING: dict[str, Any] = {}
GAPS: dict[str, tuple[dict[str, Any], str]] = {
    "no spikes": ({"spikes": None}, "did not record spikes of population 'a'"),
    "spikes of nothing": ({"spikes": NOTHING}, "did not record spikes of population 'a'"),
    "no counts": ({"counts": NOTHING}, "did not record spike counts of population 'a'"),
    "no potentials": ({"outputs": NOTHING}, "did not record potentials of population 'out'"),
    "potentials that are not due": (
        {"outputs": {"out": POTENTIAL[:, :3], "b": POTENTIAL[:, :3]}},
        "recorded, without being due, the potentials of population 'b'",
    ),
    "counts that are not due": (
        {"counts": {"a": np.zeros(3, int), "out": np.zeros(3, int)}},
        "recorded, without being due, the spike counts of population 'out'",
    ),
    "a step too few": ({"spikes": {"a": SPIKES[:3, :3]}}, "recorded (3, 3, 3, 5) of population 'a', not (4, 3, 3, 5)"),
    "samples first": (
        {"spikes": {"a": SPIKES[:, :3].swapaxes(0, 1)}},
        "recorded (3, 4, 3, 5) of population 'a', not (4, 3, 3, 5)",
    ),
    "a sample too few": ({"spikes": {"a": SPIKES[:, :2]}}, "recorded (4, 2, 3, 5) of population 'a'"),
    "neurons in a row": ({"spikes": {"a": SPIKES[:, :3].reshape(4, 3, 15)}}, "recorded (4, 3, 15) of population 'a'"),
    "potentials of the end": ({"outputs": {"out": POTENTIAL[3, :3]}}, "recorded (3, 2) of population 'out'"),
    "counts of all samples": ({"counts": {"a": SPIKES[:, :3].sum()}}, "counted () of population 'a', not (3,)"),
    "counts of every step": (
        {"counts": {"a": SPIKES[:, :3].sum((2, 3))}},
        "counted (4, 3) of population 'a', not (3,)",
    ),
    "predictions of more samples": ({"predictions": np.arange(4)}, "counted (3,) of population 'a', not (4,)"),
}


def record_batches(path: Path | None, *batches: Batch, keep_spikes: bool = True) -> Record:
    with recording(POPULATIONS, 4, 7, path, keep_spikes, target="toy") as recorder:
        for batch in batches:
            recorder.add(batch)
        return recorder.finish(None, {})


@pytest.mark.parametrize("to_file", [False, True])
@pytest.mark.parametrize("gap", GAPS)
def test_what_a_target_does_not_deliver_is_an_error(gap: str, to_file: bool, tmp_path: Path) -> None:
    """It would be compared, and counted, as silence."""
    changes, message = GAPS[gap]
    with pytest.raises(SimulationError) as caught:
        record_batches(tmp_path / "r.h5" if to_file else None, replace(whole_batch(3), **changes), whole_batch(4))
    assert str(caught.value).startswith("target 'toy': ")
    assert message in str(caught.value)
    assert caught.value.exit_code == 4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to_file", [False, True])
@pytest.mark.parametrize("sizes", [(), (3,), (3, 3), (6,)])
def test_samples_that_are_missing_are_an_error(sizes: tuple[int, ...], to_file: bool, tmp_path: Path) -> None:
    path = tmp_path / "r.h5" if to_file else None
    with pytest.raises(SimulationError, match=rf"^target 'toy': recorded {sum(sizes)} of 7 samples$"):
        record_batches(path, *map(whole_batch, sizes))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sizes", [(7, 1), (4, 4), (3, 3, 3)])
def test_samples_that_nobody_gave_are_an_error(sizes: tuple[int, ...]) -> None:
    with pytest.raises(SimulationError, match=r"^target 'toy': recorded more than 7 samples$"):
        record_batches(None, *map(whole_batch, sizes))


@pytest.mark.parametrize("to_file", [False, True])
def test_a_readout_may_saturate_and_relays_are_nobody(to_file: bool, tmp_path: Path) -> None:
    path = tmp_path / "r.h5" if to_file else None
    record = record_batches(path, replace(whole_batch(3), overflows={"out": 5, "a": 1, "relay": 2}), whole_batch(4))
    assert record.overflows == {"out": 5, "a": 1}
    assert path is None or read(path).overflows["out"] == 5


def test_a_run_that_keeps_no_spikes_still_counts_them() -> None:
    silent = replace(whole_batch(7), spikes=None)
    record = record_batches(None, silent, keep_spikes=False)
    np.testing.assert_array_equal(record.counts["a"], SPIKES.sum((0, 2, 3)))
    with pytest.raises(SimulationError, match="did not record spike counts"):
        record_batches(None, replace(silent, counts={}), keep_spikes=False)


@pytest.mark.parametrize("content", [b"text", b"\x89PNG\r\n\x1a\n" + b"\0" * 64])
def test_what_is_no_record_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"r\.h5.*make one: run the network with `out`"):
        read(path)


def test_hdf5_of_another_kind_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.arange(3)
    with pytest.raises(InputError, match="not a record"):
        read(tmp_path / "x.h5")


def _run(text: str) -> Damage:
    return _data("run", np.bytes_(text))


def _data(path: str, values: Any) -> Damage:
    def damage(file: h5py.File) -> None:
        del file[path]
        file[path] = values

    return damage


def _attribute(path: str, name: str, value: Any) -> Damage:
    return lambda file: file[path].attrs.__setitem__(name, value)


def _removed(path: str) -> Damage:
    return lambda file: file.__delitem__(path)


def _never_written(file: h5py.File) -> None:
    del file["populations/a/spikes"]
    file.create_dataset("populations/a/spikes", (7, 4, 2), np.uint8, chunks=(1, 4, 2), compression="lzf")


def _counted_readout(file: h5py.File) -> None:
    file["populations/out/counts"] = np.zeros(7, int)


def _linked(file: h5py.File) -> None:
    del file["predictions"]
    file["predictions"] = h5py.SoftLink("/labels")


DAMAGE: dict[str, tuple[Damage, str]] = {
    "a list as run": (_run("[]"), "'run' is no JSON object"),
    "no JSON as run": (_run("{"), "cannot be read as a record"),
    "a number as run": (_data("run", 5), "'run' is no text of fixed length"),
    "seconds": (_run('{"seconds": "abc"}'), "'seconds' is not a number"),
    "endless seconds": (_run('{"seconds": 1e999}'), "1e999 is beyond what a number holds"),
    "a huge rate": (_run('{"samples_per_second": 1' + 400 * "0" + "}"), "beyond what a whole number holds"),
    "notes": (_run('{"notes": 5}'), "'notes' is not a list of texts"),
    "a note": (_run('{"notes": [5]}'), "'notes' is not a list of texts"),
    "target": (_run('{"target": ["cpu"]}'), "'target' is not a text"),
    "dataset": (_run('{"dataset": {}}'), "'dataset' is not a text"),
    "sha256": (_run('{"sha256": 1}'), "'sha256' is not a text"),
    "plan": (_run('{"plan": "x"}'), "'plan' is not an object"),
    "versions": (_run('{"versions": []}'), "'versions' is not an object"),
    "deep": (_run("[" * 100_000), "cannot be read as a record"),
    "spikes of another shape": (_data("populations/a/spikes", np.zeros((6, 12, 3), np.uint8)), "'spikes' is"),
    "flat spikes": (_data("populations/a/spikes", np.zeros(5, np.uint8)), "'spikes' is"),
    "too few bytes": (_data("populations/a/spikes", np.zeros((7, 4, 1), np.uint8)), "'spikes' is"),
    "float spikes": (_data("populations/a/spikes", np.zeros((7, 4, 2))), "of type float64"),
    "wide spikes": (_data("populations/a/spikes", np.zeros((7, 4, 2), np.uint16)), "not uint8"),
    "spikes that are not there": (_never_written, "never written"),
    "negative counts": (_data("populations/a/counts", np.arange(-1, 6)), "'counts' holds -1 to 5"),
    "too many spikes": (_data("populations/a/counts", np.full(7, 61)), "beyond 0 to 60"),
    "float counts": (_data("populations/a/counts", np.zeros(7)), "of type float64"),
    "no counts": (_removed("populations/a/counts"), "has counts and spikes if it fires"),
    "counts of a readout": (_counted_readout, "only then"),
    "negative predictions": (_data("predictions", np.full(7, -1)), "'predictions' holds -1"),
    "predictions of text": (_data("predictions", [b"a"] * 7), "'predictions' is"),
    "a link": (_linked, "is a link to elsewhere"),
    "labels": (_data("labels", np.full(7, -2)), "'labels' holds -2"),
    "outputs": (_data("outputs/out", np.zeros((7, 4, 3))), "'out' is"),
    "outputs of nothing": (lambda file: file.__setitem__("outputs/x", np.zeros((7, 4, 3))), "'x' is no readout"),
    "shape": (_attribute("populations/a", "shape", [3.5, 5.0]), "'shape' is neither"),
    "negative shape": (_attribute("populations/a", "shape", [-3, -5]), "no list of sizes"),
    "huge shape": (_attribute("populations/a", "shape", [2**62, 2**62]), "no list of sizes"),
    "kind": (_attribute("populations/a", "kind", 3), "kind is no short text"),
    "depth": (_attribute("populations/a", "depth", "x"), "'depth' is neither"),
    "overflows": (_attribute("populations/a", "overflows", -3), "'overflows' is no whole number"),
    "timesteps": (_attribute("/", "timesteps", 0), "'timesteps' is no whole number"),
    "samples": (_attribute("/", "samples", "many"), "'samples' is neither"),
    "schema": (_attribute("/", "schema", [1, 2]), "'schema' is no whole number"),
    "a population that is data": (_data("populations/out", np.zeros(3)), "a population is no group"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_no_run_writes_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    record_to(path)
    damage, message = DAMAGE[name]
    with h5py.File(path, "r+") as file:
        damage(file)
    sign_again(path)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_folder_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder; name a record"):
        read(tmp_path)
    with pytest.raises(InputError, match=r"nowhere.h5: cannot be read \(No such file or directory\)$"):
        read(tmp_path / "nowhere.h5")


def test_a_record_that_predicts_more_classes_than_the_network_has(tmp_path: Path) -> None:
    parts = (
        population("in", (3, 5), "input"),
        population("a", (3, 5)),
        population("out", (2,), "readout"),
    )
    projections = (
        Projection("in", "a", (Scale("w", np.ones((), np.int64)),)),
        Projection("a", "out", (Flatten("f", 0, 1), Linear("v", np.ones((2, 15), np.int64)))),
    )
    made = network(parts, projections, 4)
    record = record_to(tmp_path / "r.h5")
    with pytest.raises(InputError, match=r"predicts class 6, but .* has 2 classes"):
        as_recorded(made, record)
    fitting = replace(record, predictions=record.predictions % 2)
    assert as_recorded(made, fitting).info.timesteps == 4


def _batch(**changes: object) -> Batch:
    """Two samples of four steps: a population of two neurons, one of which fires always, and a readout."""
    spikes = np.zeros((4, 2, 2), np.bool_)
    spikes[..., 0] = True
    made = {
        "spikes": {"a": spikes},
        "counts": {"a": np.array([4, 4])},
        "outputs": {"out": np.ones((4, 2, 1), np.int16)},
        "predictions": np.zeros(2, np.int64),
    }
    return Batch(**(made | changes))  # type: ignore[arg-type]


FALSE = {
    "spikes that are numbers": ({"spikes": {"a": np.full((4, 2, 2), 2)}}, "spikes of population 'a' are int64"),
    "spikes in float": ({"spikes": {"a": np.ones((4, 2, 2))}}, "spikes of population 'a' are float64"),
    "counts of other spikes": ({"counts": {"a": np.array([4, 99])}}, "spike counts of population 'a' are not those"),
    "potentials in float": (
        {"outputs": {"out": np.full((4, 2, 1), 5.7)}},
        "potentials of population 'out' are float64",
    ),
    "another type": ({"outputs": {"out": np.full((4, 2, 1), 70000)}}, "'out' are int64 after int16"),
}


@pytest.mark.parametrize("name", FALSE)
def test_what_contradicts_itself_or_would_be_changed_is_not_recorded(name: str) -> None:
    populations = [
        RecordedPopulation(name="a", shape=(2,), kind="if", depth=1),
        RecordedPopulation(name="out", shape=(1,), kind="readout", depth=2),
    ]
    changes, message = FALSE[name]
    with recording(populations, 4, 4, target="odd", whole=True) as recorder:
        recorder.add(_batch())
        with pytest.raises(SimulationError, match=f"target 'odd': .*{message}"):
            recorder.add(_batch(**changes))
