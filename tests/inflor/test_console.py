"""Tables and progress, on a terminal and in a pipe."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import click
import pytest
from command_line import SMALL, Files, command, environment

import inflor
from inflor import console
from inflor.commands.estimate import COUNTED
from inflor.console import Column
from inflor.options import Memory, beside
from inflor.targets.cost.table import quantity


def on_a_terminal(arguments: list[object], stream: str, **variables: str) -> tuple[str, str]:
    """What a command writes to a terminal, which its stdout or stderr is, and what to the other, a pipe."""
    ours, theirs = pty.openpty()
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {stream: theirs}
    process = subprocess.Popen(
        command(*arguments),
        text=True,
        env=environment(**{"TERM": "xterm-256color", "COLUMNS": "100", **variables}),
        **streams,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not block:
            break
        shown += block
    os.close(ours)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    return shown.decode(), stdout if stream == "stderr" else stderr


def test_progress_is_on_standard_error_and_json_stays_pure(tmp_path: Path) -> None:
    shown, stdout = on_a_terminal(["train", *SMALL, "--out", tmp_path, "--json"], "stderr")
    assert "training" in shown
    assert "epoch" in shown
    assert json.loads(stdout)["finished"]


def test_a_dumb_terminal_gets_no_progress(tmp_path: Path) -> None:
    shown, _ = on_a_terminal(["train", *SMALL, "--out", tmp_path], "stderr", TERM="dumb")
    assert shown == ""


def test_a_terminal_gets_a_drawn_table_and_no_color_is_heeded(files: Files) -> None:
    arguments: list[object] = ["run", files.integers, "--dataset", "digits", "--samples", 5]
    shown, stderr = on_a_terminal(arguments, "stdout")
    assert "─" in shown
    assert stderr == ""
    plain, _ = on_a_terminal(arguments, "stdout", NO_COLOR="1")
    assert not any(f"\x1b[{code}m" in plain for code in range(30, 48))
    assert "neuron1" in plain


def test_a_table_in_a_pipe_is_aligned_text(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (Column("name", "population", left=True), Column("rate", "rate", console.percent))
    console.print_table(columns, [{"name": "a", "rate": 0.5}, {"name": "long\x1b[2J\nname", "rate": None}])
    assert capsys.readouterr().out.splitlines() == [
        "population           rate",
        "a                 50.00 %",
        "long\\x1b[2J name        -",
    ]


def test_facts_leave_out_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_facts({"input_mean": (0.25, 1 / 3), "dataset": None, "plan": {"batch": 4}})
    assert capsys.readouterr().out == "input mean  0.25 0.333333\nplan        batch 4\n"


@pytest.mark.parametrize(
    ("text", "size"),
    [("100", 100), ("1k", 1024), ("512M", 512 << 20), ("1.5GiB", 3 << 29), ("2 GB", 2 << 30), ("1T", 1 << 40)],
)
def test_sizes_of_memory(text: str, size: int) -> None:
    assert Memory().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "0", "-1M", "1.M", "M", "1MM", "nan", "1e9"])
def test_what_is_no_size_of_memory(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Memory().convert(text, None, None)


def test_names_beside_the_input() -> None:
    assert beside(Path("runs/model.pt"), ".nir") == Path("runs/model.nir")
    assert beside(Path("a.b.nir"), ".int.nir") == Path("a.b.int.nir")
    assert beside(Path("model.int.nir"), ".int.nir") == Path("model.int.nir")


def test_brief_numbers_have_three_digits() -> None:
    assert [console.brief(x) for x in (1446.7, 463.289, 20.744, 5.6, 0, 40.0, 179191, 999_999.0, 1.2e9)] == [
        *("1.45k", "463", "20.7", "5.60", "0", "40", "179k", "1.00M", "1.20G")
    ]


def test_a_narrow_terminal_breaks_no_number(files: Files, tmp_path: Path) -> None:
    record = tmp_path / "record.h5"
    subprocess.run(
        command("run", files.integers, "--dataset", "digits", "--samples", "3", "--out", record),
        env=environment(),
        check=True,
        capture_output=True,
    )
    arguments: list[object] = ["estimate", files.integers, "--record", record, "--hardware", "loihi1", "cmos45"]
    shown, _ = on_a_terminal(arguments, "stdout", COLUMNS="80", TERM="dumb")
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip() for line in shown.splitlines()]
    assert max(map(len, lines)) <= 80
    found = inflor.estimate(files.integers, record, ["loihi1"])
    davies, counts = found.estimate("loihi1"), found.counts
    assert f"energy {quantity(davies.energy_joules, 'J')};" in lines[lines.index(davies.title) + 1]
    for p in counts.populations:
        row = next(line.split() for line in lines if line.split()[:1] == [p.name])
        assert row[2:] == [
            *(console.brief(getattr(p, name) / 3) for name in COUNTED),
            console.brief(p.memory.shared_bytes / 1000),
        ]


def test_messages_name_options_and_names_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json(
        {"model": "a`bits`.nir", "violations": ["use `soft_reset='stock'`"], "why": "run it, `spikes=True`"}
    )
    assert json.loads(capsys.readouterr().out) == {
        "model": "a`bits`.nir",
        "violations": ["use --soft-reset stock"],
        "why": "run it, without --no-spikes",
    }
