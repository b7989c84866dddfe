"""Mutants that were at fault once, and some new ones and some kills; `make fuzz` and `make faults` do more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import attempt
from kinds import KINDS, whole_files

HERE = Path(__file__).resolve().parent
FOUND = sorted((HERE / "found").iterdir())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_was_at_fault_once_is_refused(path: Path) -> None:
    (kind,) = (kind for kind in KINDS.values() if kind.suffix == path.suffix)
    assert attempt(path, kind).startswith("refused")


def test_the_files_that_mutants_are_made_of_are_sound(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    for name, files in whole_files(tmp_path / "whole").items():
        assert files
        for path in files:
            assert not attempt(path, KINDS[name]).startswith("refused") or path.stem == "nested", path


@pytest.mark.parametrize("script", [("fuzz.py", "400", "0"), ("kill.py", "15", "0")], ids=lambda script: script[0])
def test_nothing_is_at_fault(script: tuple[str, ...], tmp_path: Path) -> None:
    name, *arguments = script
    more = [str(tmp_path)] if name == "fuzz.py" else []
    ended = subprocess.run(
        [sys.executable, HERE / name, *arguments, *more], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ", 0 at fault" in ended.stdout
