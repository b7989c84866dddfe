"""Many steps, many samples, many populations, and deep ones: does time grow as they do, and does memory stay?

    python benchmarks/long_runs.py [LARGEST]       # 1: all of it, ten minutes; 0.1: a tenth of each

Each line is a command in a process of its own, at a tenth of the size and at all of it: ten times the size should take
at most about ten times the time beyond what every start takes, and a run's memory should not grow with its steps and
samples.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nir
import numpy as np

Nodes = dict[str, nir.NIRNode]


@dataclass(frozen=True)
class Case:
    """What grows to `size`, how its files are made, and the commands to time."""

    name: str
    size: int
    make: Callable[[int], None]
    commands: tuple[str, ...]


def fires(n: int) -> nir.IF:
    return nir.IF(r=np.ones(n, "f4"), v_threshold=np.full(n, 0.5, "f4"), v_reset=np.zeros(n, "f4"))


def weights(outputs: int, inputs: int) -> nir.Linear:
    rng = np.random.default_rng(outputs * inputs)
    return nir.Linear(rng.normal(0.1, 1 / np.sqrt(inputs), (outputs, inputs)).astype("f4"))


def save(nodes: Nodes, more: list[tuple[str, str]] | None = None) -> None:
    edges = list(itertools.pairwise(nodes)) if more is None else more
    nir.write("m.nir", nir.NIRGraph(nodes=nodes, edges=edges, type_check=False))


def data(name: str, samples: int, steps: int, inputs: int, classes: int) -> None:
    x = (np.random.default_rng(1).random((samples, steps, inputs)) < 0.3).astype("u1")
    y, names = np.arange(samples) % classes, np.array([str(i) for i in range(classes)])
    few = slice(0, 2 * classes)
    np.savez(name, x_train=x[few], y_train=y[few], x_test=x, y_test=y, class_names=names)


def ends(inputs: int, outputs: int) -> tuple[Nodes, Nodes]:
    return {"input": nir.Input({"input": np.array([inputs])})}, {"output": nir.Output({"output": np.array([outputs])})}


def steps(size: int) -> None:
    first, last = ends(8, 2)
    save({**first, "w": weights(16, 8), "n": fires(16), "v": weights(2, 16), "o": fires(2), **last})
    data("few.npz", 8, 100, 8, 2)
    data("d.npz", 4, size, 8, 2)


def samples(size: int) -> None:
    first, last = ends(64, 10)
    save({**first, "w": weights(256, 64), "n": fires(256), "v": weights(10, 256), "o": fires(10), **last})
    data("few.npz", 40, 20, 64, 10)
    data("d.npz", size, 20, 64, 10)


def deep(size: int) -> None:
    first, last = ends(4, 4)
    layers = {f"{kind}{i}": weights(4, 4) if kind == "w" else fires(4) for i in range(size) for kind in "wn"}
    save({**first, **layers, **last})
    data("few.npz", 8, 8, 4, 4)
    data("d.npz", 8, 8, 4, 4)


def wide(size: int) -> None:
    """Populations side by side, all of which one reads."""
    first, last = ends(4, 4)
    inner = {f"{kind}{i}": weights(4, 4) if kind in "wv" else fires(4) for i in range(size) for kind in "wnv"}
    edges = [edge for i in range(size) for edge in itertools.pairwise(("input", f"w{i}", f"n{i}", f"v{i}", "o"))]
    save({**first, **inner, "o": fires(4), **last}, [*edges, ("o", "output")])
    data("few.npz", 8, 8, 4, 4)
    data("d.npz", 8, 8, 4, 4)


QUANTIZE = "quantize m.nir --timesteps 8 --calibrate few.npz --out m.int.nir"
RUN = "run m.int.nir --dataset d.npz --out r.h5"
CASES = (
    Case("steps", 1_000_000, steps, ("quantize m.nir --calibrate few.npz --out m.int.nir", f"{RUN} --timesteps SIZE")),
    Case("samples", 10_000, samples, (QUANTIZE.replace(" --timesteps 8", ""), RUN, "estimate m.int.nir --record r.h5")),
    Case("populations in a row", 2_000, deep, ("info m.nir", QUANTIZE.replace(" --timesteps 8", ""), RUN)),
    Case("populations side by side", 10_000, wide, ("info m.nir", QUANTIZE.replace(" --timesteps 8", ""), RUN)),
)


def timed(command: str) -> tuple[float, int]:
    """Seconds, and the peak memory in megabytes."""
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "inflor.cli", *command.split()], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as child:
        assert child.stderr is not None
        said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"inflor {command}: {said.decode()}")
    return time.perf_counter() - started, usage.ru_maxrss >> 10


def main(largest: float = 1.0, only: str = "") -> None:
    start = min(timed("targets cpu")[0] for _ in range(3))
    heads = f"{'seconds at a tenth':>20}{'at all':>9}{'ratio':>7}{'MB':>7}{'MB':>7}"
    print(f"{'what grows':<26}{'to':>9}  {'command':<10}{heads}")
    for case in CASES:
        if only not in case.name:
            continue
        sizes = [int(case.size * largest / 10), int(case.size * largest)]
        found: list[list[tuple[float, int]]] = []
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                before = Path.cwd()
                os.chdir(folder)
                case.make(size)
                found.append([timed(command.replace("SIZE", str(size))) for command in case.commands])
                os.chdir(before)
        for command, (a, small), (b, large) in zip(case.commands, *found, strict=True):
            ratio = (b - start) / max(a - start, 1e-9)
            verb = command.split()[0]
            print(
                f"{case.name:<26}{sizes[1]:>9,}  {verb:<10}{a:>20.1f}{b:>9.1f}{ratio:>7.1f}{small:>7}{large:>7}",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]), *sys.argv[2:3])
