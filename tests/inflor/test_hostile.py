"""Hostile files and options end in one message, exit code 2, and nothing half done."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command_line import Files, command, environment, invoke
from signing import sign_again

import inflor
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.metadata import ModelInfo

LONGEST_MESSAGE = 1500


def refused(*arguments: object) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    message = result.stderr
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert len(message) < LONGEST_MESSAGE + 20
    return message


@pytest.fixture(scope="module")
def made(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    shutil.copy(files.integers, folder / "m.int.nir")
    run = ("run", folder / "m.int.nir", "--dataset", "digits", "--samples", 6, "--out", folder / "r.h5")
    assert invoke(*run).exit_code == 0
    losses = ("--report", folder / "q.json", "--out", folder / "q.int.nir", "--samples", 50)
    assert invoke("quantize", files.graph, "--calibrate", "digits", *losses).exit_code == 0
    return folder


def changed(path: Path, to: Path, change: Callable[[h5py.File], Any], sign: bool = True) -> Path:
    shutil.copy(path, to)
    with h5py.File(to, "r+") as file:
        change(file)
    if sign:
        sign_again(to)
    return to


def test_a_flipped_weight_is_seen(made: Path, tmp_path: Path) -> None:
    def flip(file: h5py.File) -> None:
        name = next(name for name, node in file["node/nodes"].items() if "weight" in node)
        weight = file[f"node/nodes/{name}/weight"]
        weight[0, 0] = weight[0, 0] ^ 1

    path = changed(made / "m.int.nir", tmp_path / "m.int.nir", flip, sign=False)
    assert "is not what its checksum says" in refused("run", path, "--dataset", "digits")
    sign_again(path)
    assert invoke("run", path, "--dataset", "digits", "--samples", 2).exit_code == 0


def test_counts_that_are_not_those_of_the_spikes(made: Path, tmp_path: Path) -> None:
    def count(file: h5py.File) -> None:
        data = file["populations/neuron1/counts"]
        data[...] = data[()] * 0 + 1

    path = changed(made / "r.h5", tmp_path / "r.h5", count)
    for arguments in (("info", path), ("estimate", made / "m.int.nir", "--record", path)):
        assert "counts 1 spikes in sample 0, but its spikes are" in refused(*arguments)


def test_a_record_with_links(made: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def outside(file: h5py.File) -> None:
        del file["populations/neuron1"]
        file["populations/neuron1"] = h5py.ExternalLink(str(made / "r.h5"), "/populations/neuron1")

    def pipe(file: h5py.File) -> None:
        file["populations/more"] = h5py.ExternalLink(str(tmp_path / "pipe"), "/x")

    for change in (outside, pipe):
        assert "is a link to elsewhere" in refused("info", changed(made / "r.h5", tmp_path / "r.h5", change))


@pytest.mark.parametrize("bits", [None, "{", 0, 0.5, 2**40])
def test_an_integer_file_whose_input_bits_are_missing_or_impossible(made: Path, tmp_path: Path, bits: object) -> None:
    def change(file: h5py.File) -> None:
        del file["node/metadata/inflor_integer/input_bits"]
        if bits is not None:
            file["node/metadata/inflor_integer/input_bits"] = bits

    assert "input_bits" in refused("info", changed(made / "m.int.nir", tmp_path / "m.int.nir", change))


def test_an_input_node_of_other_bits(made: Path, tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        file["node/nodes/input/metadata/bits"][...] = 4

    message = refused("info", changed(made / "m.int.nir", tmp_path / "m.int.nir", change))
    assert "'bits': is 4, but the graph's 'input_bits' is 8" in message


def test_a_pipe_as_the_model(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for arguments in (
        ("info", pipe),
        ("convert", pipe),
        ("quantize", pipe, "--calibrate", "digits"),
        ("run", pipe, "--dataset", "digits"),
        ("check", pipe, "--targets", "cpu", "spinnaker", "--dataset", "digits"),
    ):
        assert "is not a regular file" in refused(*arguments)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--threads", 2**31),
        ("--threads", "9" * 400),
        ("--samples", 3 * 10**9),
        ("--memory", "9" * 400),
        ("--samples", "9" * 5000),
    ],
)
def test_numbers_beyond_all_measure(made: Path, option: str, value: object) -> None:
    result = invoke("run", made / "m.int.nir", "--dataset", "digits", option, value)
    assert result.exit_code == 2
    assert len(result.stderr) < LONGEST_MESSAGE + 20


def test_a_report_that_cannot_be_written_leaves_no_network(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "m.int.nir"
    options = ("--calibrate", "digits", "--samples", 20, "--out", out, "--report", tmp_path)
    assert "is a folder" in refused("quantize", files.graph, *options)
    assert list(tmp_path.iterdir()) == []


def test_reports_of_another_version_are_refused(made: Path, tmp_path: Path) -> None:
    losses = json.loads((made / "q.json").read_text())
    what = ("report", made / "q.int.nir", "--record", made / "r.h5", "--out", tmp_path / "x.html", "--quantization")
    path = tmp_path / "q.json"
    for change, message in (
        ({"sha256": "0" * 64}, "of another version of q.int.nir: their digests differ"),
        ({"bits": "<b>8</b>"}, "'bits' is '<b>8</b>', where int is needed"),
        ({"layers": [{}]}, "layer 0: 'population' is missing"),
        ({"layers": 5}, "'layers' is no list"),
    ):
        path.write_text(json.dumps({k: v for k, v in losses.items() if k != "checksum"} | change))
        assert message in refused(*what, path)
    path.write_text(json.dumps(losses | {"bits": 4}))
    assert "is not what its checksum says" in refused(*what, path)
    path.write_text(json.dumps(losses).replace('"samples": 50', '"samples": Infinity'))
    assert "Infinity is no number of JSON" in refused(*what, path)


@pytest.mark.parametrize(
    ("part", "message"),
    [([10**300, 1], "beyond what a whole number holds"), ([2**63, 1], "no machine has"), ([256, 0], "no machine has")],
)
def test_dead_parts_that_no_machine_has(made: Path, tmp_path: Path, part: list[int], message: str) -> None:
    (tmp_path / "dead.json").write_text(json.dumps({"chips": [part]}))
    assert message in refused("place", made / "m.int.nir", "--dead", tmp_path / "dead.json")


def test_a_sparse_file_of_a_terabyte(made: Path, tmp_path: Path) -> None:
    for name, exit_code in (("m.int.nir", 2), ("r.h5", 0)):
        shutil.copy(made / name, tmp_path / name)
        os.truncate(tmp_path / name, 2**40)
        assert invoke("info", tmp_path / name).exit_code == exit_code


def test_a_record_in_pieces_larger_than_itself(made: Path, tmp_path: Path) -> None:
    def piece(file: h5py.File) -> None:
        spikes = file["populations/neuron1/spikes"][()]
        del file["populations/neuron1/spikes"]
        shape, chunk = spikes.shape, (*spikes.shape[:2], 2**20)
        options: dict[str, Any] = {"chunks": chunk, "maxshape": (None,) * 3, "compression": "gzip"}
        file.create_dataset("populations/neuron1/spikes", shape, "u1", **options)[...] = spikes

    path = changed(made / "r.h5", tmp_path / "r.h5", piece)
    assert "more than all of it" in refused("info", path)


def test_large_weights_that_compress_well_are_read_again(tmp_path: Path) -> None:
    import nir

    for name, weight in (("permutation", np.eye(4200, dtype="f4")[::-1]), ("zeros", np.zeros((4200, 4200), "f4"))):
        nodes = {
            "input": nir.Input({"input": np.array([4200])}),
            "w": nir.Linear(weight.copy()),
            "n": nir.IF(r=np.ones(4200, "f4"), v_threshold=np.ones(4200, "f4"), v_reset=np.zeros(4200, "f4")),
            "output": nir.Output({"output": np.array([4200])}),
        }
        path = tmp_path / f"{name}.nir"
        nir_file.write(path, nodes, [("input", "w"), ("w", "n"), ("n", "output")], ModelInfo(timesteps=2))
        assert invoke("info", path).exit_code == 0


def test_spikes_of_a_record_that_was_written_anew(made: Path, tmp_path: Path) -> None:
    run: dict[str, Any] = {"dataset": "digits", "out": tmp_path / "r.h5"}
    record = inflor.run(made / "m.int.nir", samples=3, **run)
    assert record.spikes("neuron1").sum() == record.counts["neuron1"].sum()
    inflor.run(made / "m.int.nir", samples=4, **run)
    with pytest.raises(inflor.InputError, match="was written anew since it was read; load it again"):
        record.spikes("neuron1")


def test_archives_that_swell(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    header = (
        np.lib.format.magic(1, 0) + b"\x76\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 67108864), }"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as member:
            member.write(header.ljust(127) + b"\n")
            for _ in range(128):
                member.write(bytes(1 << 20))
        archive.writestr("y.npy", b"")
    assert path.stat().st_size < 200_000
    assert "times as many: one value over and over" in refused("run", made / "m.int.nir", "--dataset", path)


def test_closed_streams(made: Path, tmp_path: Path) -> None:
    """As some daemons start programs; what is written must not land where messages go."""
    shutil.copy(made / "m.int.nir", tmp_path / "m.int.nir")
    line = " ".join(map(str, command("convert", "m.int.nir", "--out", "c.nir")))
    ended = subprocess.run(f"{line} >&- 2>&- <&-", shell=True, cwd=tmp_path, env=environment(), check=False)
    assert ended.returncode == 0
    assert invoke("info", tmp_path / "c.nir").exit_code == 0


def test_training_over_an_older_model_is_told(files: Files, tmp_path: Path) -> None:
    for name in ("model.pt", "metrics.json"):
        shutil.copy(files.folder / name, tmp_path / name)
    assert "beside it" not in invoke("convert", tmp_path / "model.pt", "--out", tmp_path / "a.nir").stdout
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    for change, message in (
        ({"finished": False}, "is of a training that has not finished"),
        ({"model_sha256": "0" * 64}, "is of another model: their digests differ"),
    ):
        (tmp_path / "metrics.json").write_text(json.dumps(metrics | change))
        assert message in invoke("convert", tmp_path / "model.pt", "--out", tmp_path / "a.nir").stdout


def test_names_that_are_not_unicode(files: Files, made: Path, tmp_path: Path) -> None:
    """What is made of such a file says so in its metadata, and is read and shown like any other."""
    graph, integers, record, page = (tmp_path / f"\udcff{name}" for name in ("m.nir", "m.int.nir", "r.h5", "x.html"))
    shutil.copy(files.graph, graph)
    verdict, losses = tmp_path / "c.json", tmp_path / "q.json"
    made_with = ("--calibrate", "digits", "--samples", 20, "--report", losses)
    assert invoke("quantize", graph, *made_with, "--out", integers).exit_code == 0
    assert invoke("run", integers, "--dataset", "digits", "--samples", 2, "--out", record).exit_code == 0
    checked = invoke(
        "check", integers, "--targets", "cpu", "spinnaker", "--dataset", "digits", "--samples", 1, "--json"
    )
    verdict.write_text(checked.stdout)
    parts = ("--record", record, "--check", verdict, "--quantization", losses, "--float-model", graph)
    shown = invoke("report", integers, *parts, "--out", page)
    assert shown.exit_code == 0, shown.stderr
    assert "udcff" in page.read_text("utf-8")


def test_metadata_that_could_not_be_read_again_are_not_written(files: Files, tmp_path: Path) -> None:
    with pytest.raises(inflor.InputError, match="beyond what a whole number holds"):
        inflor.quantize(files.graph, calibrate="digits", samples=20, seed=2**70, out=tmp_path / "m.int.nir")
    assert list(tmp_path.iterdir()) == []
