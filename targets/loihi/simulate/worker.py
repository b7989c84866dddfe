"""The worker: an interpreter of its own that builds one Lava graph from a job folder, runs it, and always ends.

Lava hangs when a process model raises, when one of its OS processes is killed and when a process forgets to send. So
a thread watches: the exit of every actor, the traceback that it left, whether anything still moves, and whether the
parent still lives. Whatever goes wrong is written to result.json, the actors are killed, the shared memory is
unlinked, and the interpreter ends with os._exit.

    python -m inflor.targets.loihi.simulate.worker FOLDER
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

import numpy as np

from inflor.targets.loihi.simulate import job as jobs
from inflor.targets.loihi.simulate import patches

LOOK_EVERY = 0.2
STACKS = "stacks.txt"
STALLED_AFTER = 4.0
"""Seconds in which no process of the graph used the processor or was ready to: nothing will ever arrive."""


def main() -> None:
    folder = Path(sys.argv[1])
    watch = Watch(folder)
    stacks = (folder / STACKS).open("w")
    faulthandler.register(signal.SIGUSR1, file=stacks, all_threads=True)  # actors are forks and inherit it
    try:
        result = _run(jobs.load(folder), folder, watch)
    except ImportError as error:
        watch.fail("missing", f"{error}", traceback.format_exc())
    except MemoryError:
        watch.fail("memory", "out of memory while the graph was built", traceback.format_exc())
    except BaseException as error:
        watch.settle()
        watch.fail("build", f"{type(error).__name__}: {error}", traceback.format_exc())
    else:
        watch.finish({"ok": True, **result})


def _run(job: jobs.Job, folder: Path, watch: Watch) -> dict[str, Any]:
    sys.path[:0] = [path for path in job.paths if path not in sys.path]
    started = time.perf_counter()
    patches.apply()
    from lava.magma.core.process.message_interface_enum import ActorType
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.runtime.runtime import Runtime

    _name_segments(folder)
    processes = _build(job, folder)
    first = next(iter(processes.values()))
    executable = first.compile(_run_config(job))
    if len(executable.proc_builders) < len(processes):  # more: a process may be made of others
        raise RuntimeError("a part of the graph is not connected to the rest, and Lava would not run it")
    runtime = Runtime(executable, ActorType.MultiProcessing)
    executable.assign_runtime_to_all_processes(runtime)
    names = [p.name for p in executable.proc_builders]
    watch.follow(runtime, names, job)
    runtime.initialize()
    built = time.perf_counter()
    runtime.start(RunSteps(num_steps=job.steps))
    ran = time.perf_counter()
    actors = len(runtime._messaging_infrastructure.actors)
    watch.stopping()
    runtime.stop()
    return {"build_seconds": built - started, "run_seconds": ran - built, "os_processes": actors + 1}


def _build(job: jobs.Job, folder: Path) -> dict[str, Any]:
    processes = {}
    for spec in job.processes:
        arguments = {key: _value(value, folder) for key, value in spec.arguments.items()}
        processes[spec.name] = _member(spec.process)(**arguments)
        processes[spec.name].name = spec.name
    for connection in job.connections:
        (source, out), (target, into) = (end.rsplit(".", 1) for end in (connection.source, connection.target))
        port = getattr(processes[source], out)
        if connection.variable:
            port.connect_var(getattr(processes[target], into))
            continue
        if connection.reshape is not None:
            port = port.reshape(new_shape=connection.reshape)
        port.connect(getattr(processes[target], into))
    return processes


def _run_config(job: jobs.Job) -> Any:
    from lava.magma.core import run_configs

    if job.run_config == "hw":
        return run_configs.Loihi2HwCfg()
    models = {_member(process): _member(model) for process, model in job.models.items()}
    return run_configs.Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models)


def _value(value: Any, folder: Path) -> Any:
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return np.load(folder / value["$array"])
    if "$csr" in value:
        from scipy.sparse import csr_matrix

        parts = value["$csr"]
        data, indices, indptr = (_value(parts[part], folder) for part in ("data", "indices", "indptr"))
        return csr_matrix((data, indices, indptr), shape=tuple(value["shape"]))
    if "$tuple" in value:
        return tuple(value["$tuple"])
    return _member(value["$member"])


def _member(path: str) -> Any:
    module, _, attribute = path.partition(":")
    found: Any = importlib.import_module(module)
    for name in attribute.split("."):
        found = getattr(found, name)
    return found


def _name_segments(folder: Path) -> None:
    """Let the names of all shared-memory segments begin with the folder's, so that they can be found and removed."""
    shared_memory._SHM_NAME_PREFIX = f"/{_token(folder)}"  # type: ignore[attr-defined]


def _token(folder: Path) -> str:
    return folder.name[-8:]


class Watch:
    """The thread that ends the worker when the graph cannot go on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.parent = folder, os.getppid()
        self.runtime: Any = None
        self.names: list[str] = []
        self.over = threading.Lock()
        self.is_stopping = False
        self.counters: tuple[int, ...] = ()
        self.moved_at = time.monotonic()
        self.group: dict[int, str] = {}
        threading.Thread(target=self._loop, daemon=True).start()

    def follow(self, runtime: Any, names: list[str], job: jobs.Job) -> None:
        self.runtime, self.names, self.job = runtime, names, job

    def stopping(self) -> None:
        """From here on actors end as they should."""
        self.is_stopping = True

    def settle(self) -> None:
        """The main thread has noticed a failure: give the actor that caused it the time to say what it was."""
        for _ in range(10):
            self._look_at_actors()
            time.sleep(0.1)

    def fail(self, kind: str, message: str, trace: str = "", process: str = "") -> None:
        self._end({"ok": False, "kind": kind, "message": message, "traceback": trace, "process": process}, 1)

    def finish(self, result: dict[str, Any]) -> None:
        self._end(result, 0)

    def _loop(self) -> None:
        while True:
            time.sleep(LOOK_EVERY)
            if os.getppid() != self.parent:
                self._parent_is_gone()
            if self.runtime is not None:
                try:
                    if not self.is_stopping:
                        self._look_at_actors()
                    self._look_for_movement()
                except Exception:
                    self.fail("build", "the watching thread failed", traceback.format_exc())

    def _actors(self) -> list[tuple[str, Any]]:
        infrastructure = getattr(self.runtime, "_messaging_infrastructure", None)
        actors = list(infrastructure.actors) if infrastructure is not None else []
        return [
            (self.names[i] if i < len(self.names) else "the runtime service", actor) for i, actor in enumerate(actors)
        ]

    def _look_at_actors(self) -> None:
        for name, actor in self._actors():
            told = actor._pconn.poll() and actor._pconn.recv()
            if told:
                error, trace = told
                kind = "memory" if isinstance(error, MemoryError) else "raised"
                self.fail(kind, f"{type(error).__name__}: {error}", trace, name)
            if not actor.is_alive() and not self.is_stopping:
                code = actor.exitcode
                if code is not None and code < 0:
                    self.fail("killed", signal.Signals(-code).name, "", name)
                self.fail("ended", f"exit code {code}", "", name)

    def _look_for_movement(self) -> None:
        """Moved: since the last look some thread ran, or is ready to run and only waits for a processor."""
        pids = [pid for _, actor in self._actors() if (pid := _pid(actor))]
        counters, ready = _activity([os.getpid(), *pids], threading.get_native_id())
        now = time.monotonic()
        if ready or not counters or counters != self.counters:  # no counters: a system without /proc
            self.counters, self.moved_at = counters, now
        elif now - self.moved_at > STALLED_AFTER:
            self.fail("stalled", *self._who_waits())

    def _who_waits(self) -> tuple[str, str, str]:
        """Message, stacks and culprit: a process that others wait for and that itself waits for nothing."""
        stacks = {name: self._stacks(actor) for name, actor in self._actors() if actor.is_alive()}
        waiting = {name for name, text in stacks.items() if "in run_spk" in text and "in recv" in text}
        feeds = [(c.source.rsplit(".", 1)[0], c.target.rsplit(".", 1)[0]) for c in self.job.connections]
        silent = sorted({source for source, target in feeds if target in waiting and source not in waiting})
        message = f"{', '.join(sorted(waiting)) or 'every process'} waits for input that never comes"
        return message, "\n".join(f"{name}:\n{stacks[name]}" for name in sorted(waiting)), ", ".join(silent)

    def _stacks(self, actor: Any) -> str:
        path = self.folder / STACKS
        before = path.stat().st_size
        os.kill(actor.pid, signal.SIGUSR1)
        time.sleep(0.05)
        return path.read_text()[before:]

    def _parent_is_gone(self) -> None:
        with self.over:
            self._clean_up()
            shutil.rmtree(self.folder, ignore_errors=True)
            if os.getpgrp() == os.getpid():
                os.killpg(os.getpid(), signal.SIGKILL)  # the memory manager and this process too
            os._exit(3)

    def _end(self, result: dict[str, Any], code: int) -> None:
        self.over.acquire()  # for ever: whoever comes second waits until the process ends
        part = self.folder / (jobs.RESULT + ".part")
        with contextlib.suppress(OSError):
            part.write_text(json.dumps(result))
            part.rename(self.folder / jobs.RESULT)
        self._clean_up()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def _clean_up(self) -> None:
        for _, actor in self._actors() if self.runtime is not None else []:
            with contextlib.suppress(OSError, ValueError):  # ValueError: it has been joined and closed
                os.kill(actor.pid, signal.SIGKILL)
        remove_segments(self.folder)


def _pid(actor: Any) -> int | None:
    """None for an actor that has not started, or has been joined and closed."""
    with contextlib.suppress(ValueError):
        return actor.pid
    return None


def remove_segments(folder: Path) -> None:
    """Unlink every shared-memory segment of a job; those already gone are no error."""
    for segment in Path("/dev/shm").glob(f"{_token(folder)}*"):
        segment.unlink(missing_ok=True)


def _activity(pids: list[int], watching: int) -> tuple[tuple[int, ...], bool]:
    """Context switches of every thread but the watching one, and whether any of them is running or ready to."""
    counters: list[int] = []
    ready = False
    for pid in pids:
        for task in _tasks(pid):
            if int(task.name) == watching:
                continue
            with contextlib.suppress(OSError, ValueError):
                status = (task / "status").read_text()
                ready = ready or "\nState:\tR" in status or "\nState:\tD" in status
                counters += [int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line]
    return tuple(counters), ready


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


if __name__ == "__main__":
    main()
