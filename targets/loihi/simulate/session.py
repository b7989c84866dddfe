"""Runs a job in a worker of its own, and leaves nothing behind whatever happens to either of the two.

The worker has its own process group. It ends itself when its graph fails or when this process dies; this side ends it
on a timeout and on Ctrl-C, then kills what is left of the group, unlinks its shared memory and removes the folder.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import inflor
from inflor.converter.errors import MissingPartError, SimulationError
from inflor.targets.loihi.simulate import job as jobs
from inflor.targets.loihi.simulate.worker import remove_segments

INSTALL = "pip install 'inflor[lava]' && pip install --ignore-requires-python --no-deps lava-nc==0.10.0"
ROOT = Path(inflor.__file__).resolve().parents[1]
LOG_TAIL = 2_000
TICK = 0.2
LONGEST_END = 5.0
"""Seconds that killed processes are given to be gone."""


def missing() -> list[str]:
    """Lava and the packages that it needs, those that are not installed."""
    return [name for name in ("lava", "networkx", "asteval", "scipy") if importlib.util.find_spec(name) is None]


def install_command() -> str | None:
    """None, or the command that installs Lava."""
    return INSTALL if missing() else None


def require_lava() -> None:
    """Raise MissingPartError, with the command that mends it, where Lava or a package that it needs is missing."""
    if missing():
        raise MissingPartError(f"target loihi: {', '.join(missing())} not installed; type: {INSTALL}")


def require_hardware() -> None:
    """Raise MissingPartError where Intel's package for Loihi hardware is not installed."""
    require_lava()
    try:
        found = importlib.util.find_spec("lava.magma.core.model.nc.model") is not None
    except ImportError:
        found = False
    if not found:
        raise MissingPartError(
            "target loihi: `run_config='hw'` needs Intel's package lava-loihi, which members of the Intel Neuromorphic "
            "Research Community get (inrc_interest@intel.com); with it, type: pip install lava-loihi-*.tar.gz"
        )


@contextlib.contextmanager
def job_folder() -> Iterator[Path]:
    """A folder for one job, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="inflor-loihi-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(
    folder: Path, job: jobs.Job, timeout: float | None = None, tick: Callable[[], None] | None = None
) -> dict[str, Any]:
    """Run `job`, whose arrays are in `folder`; returns the worker's measurements (seconds, OS processes).

    timeout: seconds for all of it; None for no limit (a graph in which nothing moves ends by itself all the same).
    tick: called a few times a second; whatever it raises ends the worker.

    Raises:
        MissingPartError: Lava, or Intel's hardware package, is not installed.
        SimulationError: a process failed, was killed, waits for ever or took too long.
    """
    require_lava()
    jobs.save(folder, job)
    with (folder / "log.txt").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "inflor.targets.loihi.simulate.worker", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(folder),
            cwd=folder,  # "python -m" imports from here first
            start_new_session=True,
        )
        try:
            code = _wait(worker, timeout, tick)
        finally:
            _end_group(worker, folder)
    return _result(folder, code, timeout)


def _environment(folder: Path) -> dict[str, str]:
    """One thread per process: a graph has a process for every layer. Lava's own temporary files go with the job's."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(ROOT), *(os.path.abspath(path) for path in given if path)]
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(folder)}


def _wait(worker: subprocess.Popen[bytes], timeout: float | None, tick: Callable[[], None] | None) -> int | None:
    """The worker's exit code, or None where it ran out of time."""
    ends = math.inf if timeout is None else time.monotonic() + timeout
    while time.monotonic() < ends:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return worker.wait(min(TICK, max(0.0, ends - time.monotonic())))
        if tick is not None:
            tick()
    return None


def _end_group(worker: subprocess.Popen[bytes], folder: Path) -> None:
    """Kill what is left of the worker's process group; its shared memory goes after its last user."""
    ends = time.monotonic() + LONGEST_END
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    while _members(worker.pid) and time.monotonic() < ends:
        time.sleep(0.01)
    remove_segments(folder)


def _members(group: int) -> list[int]:
    """The processes of a group that still run. One that has ended may wait long for init to take note of it."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, _, number = stat.read_text().rpartition(")")[2].split()[:3]
            if int(number) == group and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


def _result(folder: Path, code: int | None, timeout: float | None) -> dict[str, Any]:
    try:
        result = json.loads((folder / jobs.RESULT).read_text())
    except (OSError, ValueError):
        result = {"ok": False, "kind": "worker", "message": "", "traceback": "", "process": ""}
    if result["ok"] and code == 0:
        return dict(result)
    if code is None:
        result = {**result, "kind": "timeout", "message": f"not done after {timeout:g} s"}
    log = (folder / "log.txt").read_bytes()[-LOG_TAIL:].decode(errors="replace").strip()
    raise _error(result, code, log)


def _error(result: dict[str, Any], code: int | None, log: str) -> SimulationError | MissingPartError:
    kind, message, process = result["kind"], result["message"], result["process"]
    trace = f"\n{result['traceback'].strip()}" if result["traceback"] else ""
    if kind == "missing":
        return MissingPartError(f"target loihi: {message}; type: {INSTALL}")
    if kind == "raised":
        return SimulationError(f"target loihi: process {process!r} raised {message}{trace}")
    if kind == "memory":
        where = f"process {process!r}: " if process else ""
        return SimulationError(
            f"target loihi: {where}out of memory ({message}); run fewer samples at a time or free memory{trace}"
        )
    if kind == "killed":
        hint = " (the system does that when memory runs out)" if message == "SIGKILL" else ""
        return SimulationError(f"target loihi: process {process!r} was ended by {message}{hint}; run it again")
    if kind == "ended":
        return SimulationError(f"target loihi: process {process!r} ended before its time, {message}\n{log}")
    if kind == "stalled":
        silent = f"; {process} has not sent" if process else ""
        return SimulationError(f"target loihi: the simulation stands still: {message}{silent}{trace}")
    if kind == "timeout":
        return SimulationError(f"target loihi: {message}; allow more with `timeout`, or run fewer samples")
    if kind == "build":
        return SimulationError(f"target loihi: Lava could not build or run the graph: {message}{trace}")
    ended = f"ended by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
    return SimulationError(f"target loihi: the worker was {ended} without a result\n{log}")
