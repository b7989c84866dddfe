"""Ctrl-C and termination: the exit code, nothing half-written, and training that goes on to the same weights."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Files, command, environment, invoke

from inflor.converter.train import checkpoint

LONG = ["--dataset", "digits", "--model", "mlp", "--channels", "8", "--batch-size", "256", "--threads", "1"]
MakeNpz = Callable[..., Path]


def interrupted(arguments: list[object], when: Callable[[], bool], number: int = signal.SIGINT) -> tuple[int, str]:
    """Exit code and standard error of a command that gets a signal as soon as `when` holds."""
    process = subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        # A shell that started the tests in the background may have switched the interrupt off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 60
        while not when():
            assert process.poll() is None, f"ended too early: {process.communicate()}"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
        assert stdout == ""
        return process.returncode, stderr
    finally:
        process.kill()
        process.wait()


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


def test_training_is_interrupted_and_resumed_to_the_same_weights(tmp_path: Path) -> None:
    settings = [*LONG, "--epochs", "150"]
    out = tmp_path / "out"
    code, stderr = interrupted(["train", *settings, "--out", out], (out / "checkpoint.pt").exists)
    assert code == 130
    assert stderr.strip().startswith("error: interrupted")
    assert len(stderr.strip().splitlines()) == 1
    assert parts(tmp_path) == []
    assert not (out / "model.pt").exists()
    _, _, state = checkpoint.load_checkpoint(out / "checkpoint.pt")
    assert state is not None
    assert 1 <= len(state["history"]) < 150
    other = invoke("train", *settings, "--lr", 0.5, "--out", out, "--resume")
    assert other.exit_code == 2
    assert "learning_rate" in other.stderr
    assert invoke("train", *settings, "--out", out, "--resume").exit_code == 0
    assert invoke("train", *settings, "--out", tmp_path / "whole").exit_code == 0
    resumed, _ = checkpoint.load_model(out / "model.pt")
    whole, _ = checkpoint.load_model(tmp_path / "whole" / "model.pt")
    assert all(value.equal(whole.state_dict()[name]) for name, value in resumed.state_dict().items())


def test_resume_without_a_checkpoint(tmp_path: Path) -> None:
    result = invoke("train", *LONG, "--out", tmp_path / "none", "--resume")
    assert result.exit_code == 2
    assert "nothing to resume" in result.stderr


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_is_interrupted(files: Files, make_npz: MakeNpz, tmp_path: Path, number: int, expected: int) -> None:
    data = make_npz((8, 8), 10, samples=60_000)
    out = tmp_path / "record.h5"
    out.write_text("what stood here before")
    arguments = ["run", files.integers, "--dataset", data, "--split", "train", "--memory", "8K", "--out", out]
    code, stderr = interrupted(arguments, lambda: bool(parts(tmp_path)), number)
    assert code == expected
    assert len(stderr.strip().splitlines()) == (number == signal.SIGINT)
    assert parts(tmp_path) == []
    assert out.read_text() == "what stood here before"
