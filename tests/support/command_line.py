"""Ways for tests to call the command line, in this process and in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from inflor.cli import cli

SMALL = ["--dataset", "digits", "--model", "mlp", "--channels", "16", "--epochs", "4", "--threads", "1"]


@dataclass(frozen=True)
class Files:
    """The artifacts of one small network."""

    folder: Path
    model: Path
    graph: Path
    integers: Path


def invoke(*arguments: object) -> Result:
    """The command line in this process; standard output and error apart."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def invoke_json(*arguments: object) -> dict[str, Any]:
    """What --json prints, which must be one object and nothing else."""
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    parsed = json.loads(result.stdout)
    assert isinstance(parsed, dict)
    return parsed


def command(*arguments: object) -> list[str]:
    """The command line as a process of its own."""
    return [sys.executable, "-m", "inflor.cli", *map(str, arguments)]


def run_process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=120, env=environment(), check=False, **options
    )


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would change the output."""
    kept = {name: value for name, value in os.environ.items() if name not in ("INFLOR_TRACEBACK", "NO_COLOR")}
    return {**kept, **more}
