"""Whatever is wrong ends in one message and the right exit code, and leaves what was there."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from command_line import SMALL, Files, command, environment, invoke, run_process

from inflor.cli import Commands

MakeNpz = Callable[..., Path]


def refused(*arguments: object, code: int = 2) -> str:
    """The one message with which a command refuses."""
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--dataset", "digits", "--timesteps", "0"], "0 is not a whole number of at least 1"),
        (["train", "--dataset", "digits", "--epochs", "2.5"], "2.5 is not a whole number"),
        (["train", "--dataset", "digits", "--seed", "-1"], "-1 is not a whole number of at least 0"),
        (["train", "--dataset", "digits", "--lr", "nan"], "--lr nan"),
        (["train", "--dataset", "digits", "--neuron", "hh"], "'hh' is not one of 'srif', 'if', 'lif'"),
        (["train", "--dataset", "digits", "--model", "vgg99"], "vgg19"[:3]),
        (["train", "--dataset", "digits", "--model", "vgg16"], "would be empty"),
        (
            ["train", "--dataset", "mnsit"],
            "did you mean mnist? give one of ",
        ),
        (["train", "--dataset", "mnist"], "--data-dir"),
        (["train"], "Missing option '--dataset'"),
        (["quantize", "model.nir", "--calibrate", "digits", "--bits", "9"], "9 is not a whole number from 2 to 8"),
        (["quantize", "model.nir", "--calibrate", "digits", "--bits", "1"], "1 is not a whole number from 2 to 8"),
        (["quantize", "model.nir", "--calibrate", "digits", "--samples", "0"], "0 is not a whole number"),
        (["run", "model.nir", "--dataset", "digits", "--samples", "-5"], "-5 is not a whole number"),
        (["run", "model.nir", "--dataset", "digits", "--memory", "lots"], "'lots' is not a size of memory"),
        (["run", "model.nir", "--dataset", "digits", "--memory", "0"], "'0' is not a size of memory"),
        (["run", "nowhere.nir", "--dataset", "digits"], "nowhere.nir: cannot be read (No such file"),
        (["info", "nowhere.nir"], "nowhere.nir: cannot be read (No such file"),
        (["info", "."], "is a folder"),
    ],
)
def test_options_out_of_range(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(*arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "verb", [["convert"], ["quantize", "--calibrate", "digits"], ["run", "--dataset", "digits"], ["info"]]
)
@pytest.mark.parametrize("content", [b"", b"This is a text.\n", b"PK\x03\x04 no archive"])
def test_a_file_that_is_no_network(verb: list[str], content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes.nir"
    path.write_bytes(content)
    assert "notes.nir: " in refused(verb[0], path, *verb[1:])


def test_a_truncated_network(files: Files, tmp_path: Path) -> None:
    for source in (files.graph, files.model):
        path = tmp_path / source.name
        path.write_bytes(source.read_bytes()[:-5000])
        assert str(path) in refused("convert", path, "--out", tmp_path / "out.nir")
        assert not (tmp_path / "out.nir").exists()


def test_data_of_another_shape_names_both(files: Files, make_npz: MakeNpz) -> None:
    data = make_npz((1, 9, 9), 10)
    for arguments in (
        ("run", files.integers, "--dataset", data),
        ("run", files.graph, "--dataset", data),
        ("quantize", files.graph, "--calibrate", data),
    ):
        message = refused(*arguments)
        assert "takes samples of 1x8x8, but those of data are 1x9x9; it was trained on digits" in message
        assert str(arguments[1]) in message


def test_data_of_another_number_of_classes_names_both(files: Files, make_npz: MakeNpz) -> None:
    message = refused("run", files.integers, "--dataset", make_npz((1, 8, 8), 3))
    assert f"{files.integers} tells 10 classes apart, but data has 3" in message
    some = make_npz((1, 8, 8), 3, class_names=np.array(list("0123456789")))
    assert invoke("run", files.integers, "--dataset", some).exit_code == 0


@pytest.mark.parametrize("label", [-1, 1_000_000])
def test_labels_out_of_range(label: int, make_npz: MakeNpz, tmp_path: Path) -> None:
    y = np.arange(60) % 10
    y[[7, 8]] = label
    data = make_npz((1, 8, 8), 10, y=y)
    assert "out of range" in refused("train", "--dataset", data, "--out", tmp_path / "out")


def test_data_that_is_no_data_set(make_npz: MakeNpz, tmp_path: Path) -> None:
    for path in (
        make_npz((1, 8, 8), 10, name="ragged.npz", y=np.arange(59) % 10),
        make_npz((2, 2, 2, 2), 10, name="deep.npz"),
    ):
        assert path.name in refused("train", "--dataset", path, "--out", tmp_path / "out")
    (tmp_path / "text.npz").write_text("no archive")
    assert "text.npz" in refused("train", "--dataset", tmp_path / "text.npz", "--out", tmp_path / "out")


def test_a_network_at_the_wrong_stage(files: Files) -> None:
    assert "make a .nir of it first" in refused("run", files.model, "--dataset", "digits")
    assert "integer network already" in refused("quantize", files.integers, "--calibrate", "digits")
    assert "inflor quantize" in refused("run", files.graph, "--dataset", "digits", "--target", "cpu")
    assert "a float network" in refused("run", files.integers, "--dataset", "digits", "--target", "float")
    bits = refused("run", files.graph, "--dataset", "digits", "--state-bits", 8)
    assert "target 'float' has no option --state-bits; it has --memory" in bits
    unknown = refused("run", files.integers, "--dataset", "digits", "--target", "loihi9")
    assert "unknown target 'loihi9'; did you mean loihi? There are cpu, float" in unknown


def test_the_demo_needs_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file, no folder")
    assert "is a file; name a folder with --out" in refused("demo", "--out", tmp_path / "file")


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "inflor", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("inflor ")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what is to be missing")
def test_a_missing_part_has_its_own_exit_code(files: Files) -> None:
    assert "cuda" in refused("run", files.integers, "--dataset", "digits", "--device", "cuda", code=3)


def test_the_input_is_never_written_over(files: Files, tmp_path: Path) -> None:
    link = tmp_path / "link.nir"
    link.symlink_to(files.graph)
    before = files.graph.read_bytes()
    for arguments in (
        ("convert", files.graph, "--out", link),
        ("quantize", files.graph, "--calibrate", "digits", "--out", link),
        ("quantize", files.graph, "--calibrate", "digits", "--report", link),
        ("run", files.graph, "--dataset", "digits", "--out", link),
    ):
        assert "is the input itself" in refused(*arguments)
    assert files.graph.read_bytes() == before


def test_data_are_never_written_over(files: Files, make_npz: MakeNpz) -> None:
    data = make_npz((1, 8, 8), 10)
    link = data.with_name("link.npz")
    link.symlink_to(data)
    report = files.folder / "new.int.nir"
    before = data.read_bytes()
    for arguments, option in (
        (("quantize", files.graph, "--calibrate", data, "--out", link), "--out"),
        (("quantize", files.graph, "--calibrate", link, "--report", data), "--report"),
        (("run", files.integers, "--dataset", data, "--out", link), "--out"),
        (("place", files.integers, "--dead", data, "--draw", link), "--draw"),
    ):
        assert f"is the input itself; name another file with {option}" in refused(*arguments)
    other = f"{report.parent}/./{report.name}"
    twice = refused("quantize", files.graph, "--calibrate", "digits", "--out", report, "--report", other)
    assert "is named for two files" in twice
    assert data.read_bytes() == before
    assert not report.exists()


@pytest.mark.parametrize("place", ["", ".", "/", ".."])
def test_a_folder_to_write_to(files: Files, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ("convert", files.model, "--out", place),
        ("quantize", files.graph, "--calibrate", "digits", "--samples", 10, "--out", place),
        ("quantize", files.graph, "--calibrate", "digits", "--samples", 10, "--out", "a.nir", "--report", place),
        ("run", files.integers, "--dataset", "digits", "--samples", 5, "--out", place),
    ):
        assert "name a file to write" in refused(*arguments)
    assert "is a folder" in refused("quantize", place or ".", "--calibrate", "digits")


@pytest.mark.parametrize("place", ["file/out", "/proc/out"])
def test_a_place_that_cannot_be_written(files: Files, place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file, no folder")
    out = tmp_path / place
    for arguments in (
        ("train", *SMALL, "--out", out),
        ("convert", files.model, "--out", out),
        ("quantize", files.graph, "--calibrate", "digits", "--samples", 10, "--out", out),
        ("run", files.integers, "--dataset", "digits", "--samples", 5, "--out", out),
    ):
        assert "written (" in refused(*arguments)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder(files: Files, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot be written (Permission denied)" in refused("convert", files.model, "--out", tmp_path / "a.nir")


def _full_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))


@pytest.mark.parametrize("verb", ["train", "convert", "quantize", "run"])
def test_a_full_disk_leaves_the_old_file(files: Files, verb: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    arguments, written = {
        "train": (["train", *SMALL, "--out", out], "checkpoint.pt"),
        "convert": (["convert", files.model, "--out", out / "a.nir"], "a.nir"),
        "quantize": (["quantize", files.graph, "--calibrate", "digits", "--out", out / "a.int.nir"], "a.int.nir"),
        "run": (["run", files.integers, "--dataset", "digits", "--out", out / "a.h5"], "a.h5"),
    }[verb]
    (out / written).write_text("what stood here before")
    done = run_process(*arguments, preexec_fn=_full_disk)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert f"{written}: cannot be written (" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not any(path.name.endswith(".part") for path in out.iterdir())
    assert (out / written).read_text() == "what stood here before"


def _little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))


def test_too_little_memory_is_said(tmp_path: Path) -> None:
    huge = ["--dataset", "digits", "--model", "mlp", "--channels", 60_000_000, "--threads", 1]
    done = run_process("train", *huge, "--out", tmp_path / "out", preexec_fn=_little_memory)
    assert done.returncode == 2
    assert done.stderr.startswith("error: not enough memory")


def test_one_sample_that_needs_more_than_is_allowed(files: Files) -> None:
    assert "--memory" in refused("run", files.integers, "--dataset", "digits", "--memory", "100")


class Broken(Commands):
    """A command line with a bug."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        @click.command()
        def divide() -> None:
            _ = 1 / 0

        return divide


def test_a_bug_says_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    monkeypatch.delenv("INFLOR_TRACEBACK", raising=False)
    result = CliRunner().invoke(Broken("inflor"), ["divide"])
    assert result.exit_code == 70
    assert result.stderr.startswith("error: this is a bug in inflor: ZeroDivisionError: division by zero")
    assert "Traceback" not in result.stderr
    traced = CliRunner().invoke(Broken("inflor"), ["divide"], env={"INFLOR_TRACEBACK": "1"})
    assert "Traceback (most recent call last)" in traced.stderr


def test_traceback_shows_where_an_error_came_from(tmp_path: Path) -> None:
    done = run_process("--traceback", "info", tmp_path / "nowhere.nir")
    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")


def test_a_reader_that_has_gone_is_no_error(files: Files) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        command("info", files.graph), stdout=write, stderr=subprocess.PIPE, text=True, env=environment(), timeout=60
    )
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 141
