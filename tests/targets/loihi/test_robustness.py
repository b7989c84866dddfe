"""Whatever fails, a run ends within seconds in one message, leaves nothing behind, and the next run works."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from inflor.converter.errors import MissingPartError, SimulationError
from inflor.targets import registry
from inflor.targets.loihi.simulate import job as jobs
from inflor.targets.loihi.simulate import session
from inflor.targets.loihi.simulate.job import Connection, Job, ProcessSpec

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
OWN = "inflor.targets.loihi.simulate.processes."
LONGEST = 10.0


def make(folder, fault, at=3, steps=6):
    """A source, a faulty process, a connection and a sink; returns the job and the sink's file."""
    frames = np.arange(steps * 4, dtype=np.int8).reshape(1, steps, 4)
    np.save(folder / "frames.npy", frames)
    rows = jobs.output(folder, "rows", (steps, 4), np.int32)
    source = {"size": 4, "frames": str(folder / "frames.npy"), "period": steps, "active": steps}
    dense = {
        "weights": jobs.array(folder, "w", 2 * np.eye(4, dtype=np.int32)),
        "num_message_bits": 8,
        "weight_exp": -1,
        "sign_mode": jobs.member("lava.utils.weightutils:SignMode.MIXED"),
    }
    processes = (
        ProcessSpec("source", OWN + "streams:FrameSource", source),
        ProcessSpec("suspect", "faulty.processes:Faulty", {"size": 4, "fault": fault, "at": at}),
        ProcessSpec("after", "lava.proc.dense.process:Dense", dense),
        ProcessSpec("sink", OWN + "streams:Sink", {"size": 4, "rows": rows, "packed": False}),
    )
    connections = (
        Connection("source.s_out", "suspect.a_in"),
        Connection("suspect.s_out", "after.s_in"),
        Connection("after.a_out", "sink.a_in"),
    )
    return Job(steps, processes, connections, paths=(str(HERE),)), rows


def leftovers(folder):
    """What there still is of a job: its folder, its shared memory, its processes."""
    found = [folder] if folder.exists() else []
    found += Path("/dev/shm").glob(f"{folder.name[-8:]}*")
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            state = (command.parent / "stat").read_text().rpartition(")")[2].split()[0]
            if str(folder).encode() in command.read_bytes() and state != "Z":
                found.append(command.parent)
        except OSError:
            pass
    return found


def assert_clean(folder, within=0.0):
    ends = time.monotonic() + within
    while leftovers(folder) and time.monotonic() < ends:
        time.sleep(0.05)
    assert leftovers(folder) == []


def assert_a_run_works():
    with session.job_folder() as folder:
        job, rows = make(folder, "none")
        session.run(folder, job, timeout=30)
        np.testing.assert_array_equal(np.load(rows)[1:].ravel(), np.arange(20))
    assert_clean(folder)


FAULTS = {
    "raise": ("suspect", "ValueError: planted"),
    "shape": ("suspect", "AssertionError"),
    "killed": ("suspect", "SIGKILL"),
    "exit": ("suspect", "exit code 7"),
    "silent": ("suspect has not sent", "stands still"),
    "memory": ("suspect", "out of memory"),
    "constructor": ("planted in the constructor",),
}


@pytest.mark.usefixtures("lava")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_in_one_message(fault):
    started = time.monotonic()
    with session.job_folder() as folder, pytest.raises(SimulationError) as caught:
        session.run(folder, make(folder, fault)[0])
    assert time.monotonic() - started < LONGEST
    for words in FAULTS[fault]:
        assert words in str(caught.value)
    assert_clean(folder)
    assert_a_run_works()


@pytest.mark.usefixtures("lava")
def test_the_folder_that_a_run_is_started_in_lends_it_no_modules(tmp_path, monkeypatch):
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.chdir(tmp_path)
    assert_a_run_works()


@pytest.mark.usefixtures("lava")
def test_a_timeout_ends_a_process_that_never_ends():
    with session.job_folder() as folder, pytest.raises(SimulationError, match="not done after 3 s"):
        session.run(folder, make(folder, "slow")[0], timeout=3)
    assert_clean(folder)
    assert_a_run_works()


SCRIPT = textwrap.dedent(
    """
    import sys
    sys.path[:0] = [{here!r}]
    from test_robustness import make
    from inflor.targets.loihi.simulate import session
    with session.job_folder() as folder:
        job = make(folder, "slow")[0]
        print(folder, flush=True)
        session.run(folder, job)
    """
)


@pytest.mark.usefixtures("lava")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_the_parent(ending):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(here=str(HERE))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    assert parent.stdout is not None
    folder = Path(parent.stdout.readline().strip())
    ends = time.monotonic() + 30
    while not list(Path("/dev/shm").glob(f"{folder.name[-8:]}*")) and time.monotonic() < ends:
        time.sleep(0.1)  # until the graph has its shared memory
    assert len(leftovers(folder)) > 2
    time.sleep(0.5)
    parent.send_signal(ending)
    parent.wait(LONGEST)
    assert_clean(folder, within=5)
    parent.stdout.close()
    assert_a_run_works()


@pytest.mark.usefixtures("lava")
def test_a_killed_worker_is_reported():
    """The worker itself, not one of its actors: the system may choose it when memory runs out."""
    with session.job_folder() as folder:

        def kill():
            if len(leftovers(folder)) > 6:  # the graph's processes have been started
                for pid in Path("/proc").glob("[0-9]*"):
                    with contextlib.suppress(OSError):  # it has ended since
                        parent = (pid / "stat").read_text().rpartition(")")[2].split()[1]
                        if int(parent) == os.getpid() and str(folder).encode() in (pid / "cmdline").read_bytes():
                            os.kill(int(pid.name), signal.SIGKILL)

        with pytest.raises(SimulationError, match="ended by SIGKILL without a result"):
            session.run(folder, make(folder, "slow")[0], timeout=30, tick=kill)
    assert_clean(folder)
    assert_a_run_works()


@pytest.mark.usefixtures("lava")
def test_what_the_tick_raises_ends_the_worker():
    """As a signal handler's exception does, which the command line raises from its progress."""

    def stop():
        if len(leftovers(folder)) > 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), session.job_folder() as folder:
        session.run(folder, make(folder, "slow")[0], timeout=30, tick=stop)
    assert_clean(folder)


def test_without_lava_the_message_says_what_to_type(monkeypatch):
    monkeypatch.setattr(session.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPartError, match="pip install") as caught:
        session.require_lava()
    assert caught.value.exit_code == 3
    assert "lava-nc==0.10.0" in (registry.find("loihi").available() or "")


def test_hardware_needs_the_package_of_intel():
    with pytest.raises(MissingPartError) as caught:
        session.require_hardware()
    assert caught.value.exit_code == 3
