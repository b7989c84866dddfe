"""The whole path on real data, in one call: train, convert, quantize, run both networks, compare targets, report."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import inflor
from inflor.api.loading import Progress
from inflor.api.stages import BITS, TARGETS, Files, make, write_json
from inflor.converter.datasets.load import load
from inflor.converter.train.loop import TrainResult
from inflor.summary import summarize
from inflor.targets.equivalence.compare import Equivalence
from inflor.targets.record.file import Record

DATASET, TIMESTEPS, COMPARED = "digits", 4, 4
THREADS = 1
"""Of the training: sums of floats depend on it, and the demo's weights are not to depend on the number of cores."""

Watch: TypeAlias = Callable[[str], AbstractContextManager[Progress | None]]
"""Given a label, what shows the progress of one step."""
T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """One step that is done, the command that does the same by hand, and how long it took in seconds."""

    command: str
    result: TrainResult | inflor.Conversion | inflor.Quantized | Record | Equivalence | inflor.Report
    seconds: float


@dataclass(frozen=True)
class DemoResult:
    """What the demo made. seconds: of all steps together."""

    out: Path
    seconds: float
    commands: tuple[str, ...]
    training: TrainResult
    conversion: inflor.Conversion
    quantized: inflor.Quantized
    in_float: Record
    in_integers: Record
    equivalence: Equivalence
    page: inflor.Report

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "out": str(self.out),
            "seconds": self.seconds,
            "accuracy_float": self.in_float.accuracy,
            "accuracy_integer": self.in_integers.accuracy,
            "commands": list(self.commands),
            "report": self.page.path,
            "equivalence": self.equivalence.as_dict(),
            "quantization": self.quantized.report.as_dict(),
            "float": summarize(self.in_float),
            "integer": summarize(self.in_integers),
        }


def demo(
    out: str | Path,
    *,
    model: str = "convnet",
    seed: int = 0,
    watch: Watch = lambda label: nullcontext(),
    report: Callable[[Step], None] | None = None,
) -> DemoResult:
    """Train `model` on digits, export it, fix it to 8 bits, run it in float and in integers, compare targets, report.

    All files go to `out`.

    report: called after every step. The same seed gives the same weights on the same machine.

    Raises:
        InputError: an unknown model, or `out` cannot be written.
    """
    out = Path(out)
    data = load(DATASET)
    trained, graph, page = (out / name for name in ("model.pt", "model.nir", "report.html"))
    files = Files.within(out)
    began, commands = time.perf_counter(), []

    def step(label: str, command: str, work: Callable[[Progress | None], T]) -> T:
        started = time.perf_counter()
        with watch(label) as progress:
            result = work(progress)
        commands.append(f"inflor {command}")
        if report is not None:
            report(Step(commands[-1], result, time.perf_counter() - started))  # type: ignore[arg-type]
        return result

    training = step(
        "training",
        f"train --dataset {DATASET} --model {model} --timesteps {TIMESTEPS} --seed {seed} --threads {THREADS} "
        f"--out {out}",
        lambda progress: inflor.train(
            data, model, timesteps=TIMESTEPS, seed=seed, threads=THREADS, out=out, progress=progress
        ),
    )
    conversion = step("converting", f"convert {trained} --out {graph}", lambda progress: inflor.convert(trained, graph))
    made = make(graph, data, files, step, bits=BITS, targets=TARGETS, compared=COMPARED)
    assert made.quantized is not None
    assert made.in_float is not None
    assert made.equivalence is not None
    shown = step(
        "reporting",
        f"report {files.integers} --record {files.record} --float-model {graph} --float-record {files.float_record} "
        f"--check {files.verdict} --quantization {files.losses} --out {page}",
        lambda progress: inflor.report(
            files.integers,
            files.record,
            page,
            float_model=graph,
            float_record=files.float_record,
            check=files.verdict,
            quantization=files.losses,
            dataset=data,
            progress=progress,
        ),
    )
    seconds = time.perf_counter() - began
    result = DemoResult(
        out=out,
        seconds=seconds,
        commands=tuple(commands),
        training=training,
        conversion=conversion,
        quantized=made.quantized,
        in_float=made.in_float,
        in_integers=made.in_integers,
        equivalence=made.equivalence,
        page=shown,
    )
    write_json(out / "demo.json", result.as_dict())
    return result
