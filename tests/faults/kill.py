"""Kills commands at random instants: what stood before must stand whole, or what is new; and the next run must work.

    python tests/faults/kill.py [KILLS] [SEED]

Commands are forked from a process that has imported everything, so that kills fall into the work and not into imports.
Four in ten are SIGKILL; others SIGTERM, SIGINT, SIGHUP, or a file that may not grow. After each, every output reads,
and is the old one or a new one; files that belong together do so, or are told apart by their digests; after a signal
that can be caught nothing temporary is left, and after SIGKILL the next run removes it. Exit 1 where it is otherwise.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}
PATIENCE = 120
"""Seconds after which a command that was asked to end hangs."""


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A command to kill.

    Attributes:
        arguments: of the command line, without the program.
        outputs: the files that it writes, in its folder.
        sound: raises where the files that are there do not belong together.
        seconds: it takes about so long.
    """

    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    sound: Callable[[Path], None]
    seconds: float


def _reads(*names: str) -> Callable[[Path], None]:
    def check(folder: Path) -> None:
        import inflor

        for name in names:
            if (folder / name).exists():
                inflor.load(folder / name)

    return check


def _pair(folder: Path) -> None:
    """A network and the report of its quantization: told apart where they are not of one run."""
    from inflor.converter.reading.checksum import verify_json
    from inflor.converter.reading.paths import sha256

    _reads("m.int.nir")(folder)
    if (folder / "q.json").exists():
        report = verify_json(json.loads((folder / "q.json").read_text()), "q.json")
        if report["sha256"] != sha256(folder / "m.int.nir"):
            raise Mixed


def _script(folder: Path) -> None:
    script, arrays = folder / "s.py", folder / "s.py.npz"
    if script.exists() != arrays.exists():
        raise Mixed
    if script.exists() and hashlib.sha256(arrays.read_bytes()).hexdigest() not in script.read_text():
        raise Mixed


def _model(folder: Path) -> None:
    from inflor.converter.train import checkpoint
    from inflor.converter.train.metrics import note_on

    for name in ("model.pt", "checkpoint.pt"):
        if (folder / "t" / name).exists():
            checkpoint.load_model(folder / "t" / name)
    if (folder / "t" / "model.pt").exists() and note_on(folder / "t" / "model.pt"):
        raise Mixed


def _page(folder: Path) -> None:
    if (folder / "r.html").exists() and not (folder / "r.html").read_text("utf-8").rstrip().endswith("</html>"):
        raise AssertionError("half a page")


class Mixed(Exception):
    """Files of two runs stand together, which their digests say."""


TRAIN = ("train", "--dataset", "d.npz", "--model", "mlp", "--epochs", "3", "--timesteps", "2", "--out", "t")
VERBS = {
    "convert": Verb(
        arguments=("convert", "m.nir", "--dt", "1", "--out", "c.nir"),
        outputs=("c.nir",),
        sound=_reads("c.nir"),
        seconds=0.1,
    ),
    "quantize": Verb(
        arguments=(
            "quantize",
            "m.nir",
            "--dt",
            "1",
            "--calibrate",
            "d.npz",
            "--out",
            "m.int.nir",
            "--report",
            "q.json",
        ),
        outputs=("m.int.nir", "q.json"),
        sound=_pair,
        seconds=0.5,
    ),
    "run": Verb(
        arguments=("run", "n.int.nir", "--dataset", "d.npz", "--out", "o.h5"),
        outputs=("o.h5",),
        sound=_reads("o.h5"),
        seconds=0.2,
    ),
    "train": Verb(
        arguments=TRAIN,
        outputs=("t/model.pt", "t/metrics.json", "t/checkpoint.pt"),
        sound=_model,
        seconds=1.5,
    ),
    "spynnaker": Verb(
        arguments=("convert", "n.int.nir", "--to", "spynnaker", "--out", "s.py"),
        outputs=("s.py", "s.py.npz"),
        sound=_script,
        seconds=0.4,
    ),
    "report": Verb(
        arguments=("report", "n.int.nir", "--record", "r.h5", "--out", "r.html"),
        outputs=("r.html",),
        sound=_page,
        seconds=0.6,
    ),
}


def prepare(folder: Path) -> None:
    """A float network with a hard reset, its integers, data and a record."""
    import nir
    import numpy as np

    rng = np.random.default_rng(0)
    nodes = {
        "input": nir.Input({"input": np.array([36])}),
        "d1": nir.Linear(weight=rng.normal(0, 0.5, (24, 36)).astype("f4")),
        "n": nir.IF(r=np.ones(24, "f4"), v_threshold=np.full(24, 0.5, "f4"), v_reset=np.zeros(24, "f4")),
        "d2": nir.Linear(weight=rng.normal(0, 0.5, (3, 24)).astype("f4")),
        "ro": nir.IF(r=np.ones(3, "f4"), v_threshold=np.full(3, 0.5, "f4"), v_reset=np.zeros(3, "f4")),
        "output": nir.Output({"output": np.array([3])}),
    }
    names = list(nodes)
    nir.write(folder / "m.nir", nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(names))))
    np.savez(folder / "d.npz", x=rng.random((200, 4, 36)).astype("f4"), y=np.arange(200) % 3)
    with _inside(folder):
        _must("quantize", "m.nir", "--dt", "1", "--calibrate", "d.npz", "--out", "n.int.nir")
        _must("run", "n.int.nir", "--dataset", "d.npz", "--out", "r.h5")


def _must(*arguments: str) -> None:
    code = _wait(_fork(arguments))
    if code != 0:
        raise AssertionError(f"inflor {' '.join(arguments)} ended with {code}")


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _fork(arguments: tuple[str, ...], largest_file: int | None = None) -> int:
    """Start the command line in a child, in which no file may become larger; the child's number."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)
        if largest_file is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        from inflor.cli import main

        main(list(arguments))
    except KeyboardInterrupt:  # before the command line is there to take it
        code = CODES[signal.SIGINT]
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        os._exit(code)


def _wait(child: int) -> int:
    """The exit code; minus the signal's number where a signal ended it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("hangs after it was asked to end")


def _digests(folder: Path, verb: Verb) -> dict[str, str]:
    files = {name: folder / name for name in verb.outputs}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if path.exists()}


def trial(folder: Path, verb: Verb, draw: random.Random) -> str:
    """Kill a command once; says what became of its outputs. What is wrong is an AssertionError."""
    before = _digests(folder, verb)
    if draw.random() < 0.2:
        return _without_room(folder, verb, draw, before)
    number = draw.choice(SIGNALS if draw.random() < 0.8 else (signal.SIGKILL,))
    child = _fork(verb.arguments)
    time.sleep(draw.random() * verb.seconds * 1.2)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)
    code = _wait(child)
    if code not in (0, -number, CODES.get(number)):
        raise AssertionError(f"signal {number} ends it with {code}")
    left = list(folder.rglob("*.part"))
    if left and number != signal.SIGKILL and code != -number:
        raise AssertionError(f"{left[0].name} is left after signal {number}")
    mixed = False
    try:
        verb.sound(folder)
    except Mixed:
        mixed = True
    after = _digests(folder, verb)
    if missing := sorted(set(before) - set(after)):
        raise AssertionError(f"{missing[0]} is gone")
    _must(*verb.arguments)
    if left := list(folder.rglob("*.part")):
        raise AssertionError(f"{left[0].name} is left by the next run")
    verb.sound(folder)
    return "mixed, and said so" if mixed else "ended first" if code == 0 else "old" if before == after else "new"


def _without_room(folder: Path, verb: Verb, draw: random.Random, before: dict[str, str]) -> str:
    """The same of a command whose files cannot become as large as they should."""
    sizes = [(folder / name).stat().st_size for name in verb.outputs]
    code = _wait(_fork(verb.arguments, int(draw.random() * 0.97 * max(sizes))))
    if code != 2:
        raise AssertionError(f"without room it ends with {code}")
    if left := list(folder.rglob("*.part")):
        raise AssertionError(f"{left[0].name} is left without room")
    with contextlib.suppress(Mixed):
        verb.sound(folder)
    if missing := sorted(set(before) - set(_digests(folder, verb))):
        raise AssertionError(f"{missing[0]} is gone")
    _must(*verb.arguments)
    verb.sound(folder)
    return "no room"


def main(count: int = 200, seed: int = 0) -> int:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
    import torch

    import inflor.api.quantization
    import inflor.api.reporting
    import inflor.api.training  # noqa: F401  (before the fork, so that no kill falls into an import)

    torch.set_num_threads(1)  # a fork has none of the others
    draw, results, wrong, start = random.Random(seed), {name: Counter() for name in VERBS}, 0, time.perf_counter()
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        prepare(folder)
        with _inside(folder):
            for verb in VERBS.values():
                _must(*verb.arguments)
            for number in range(count):
                name = draw.choice(list(VERBS))
                try:
                    results[name][trial(folder, VERBS[name], draw)] += 1
                except Exception as error:
                    wrong += 1
                    print(f"kill {number} ({name}): FAULT {type(error).__name__}: {error}", flush=True)
    print(f"{count} kills in {time.perf_counter() - start:.0f} s, {wrong} at fault")
    for name, found in results.items():
        print(f"  {name:<10} " + ", ".join(f"{n} {result}" for result, n in found.most_common()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
