"""The whole path on real data, in one call: train, convert, quantize, run both networks, compare targets, report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import inflor
from inflor.api.loading import Progress
from inflor.converter.datasets.load import load
from inflor.converter.files import atomic_path
from inflor.converter.train.loop import TrainResult
from inflor.provenance import sha256
from inflor.summary import summarize
from inflor.targets.equivalence.compare import Equivalence
from inflor.targets.record.file import Record

DATASET, TIMESTEPS, BITS = "digits", 4, 8
TARGETS, COMPARED = ("cpu", "spinnaker"), 4
"""What is compared spike for spike, and on how many samples: targets that need nothing to be installed."""
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
    names = ("model.pt", "model.nir", "model.int.nir", "quant.json", "float.h5", "cpu.h5", "check.json", "report.html")
    trained, graph, integers, losses, float_record, cpu_record, verdict, page = (out / name for name in names)
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
    quantized = step(
        "quantizing",
        f"quantize {graph} --bits {BITS} --calibrate {DATASET} --out {integers} --report {losses}",
        lambda progress: inflor.quantize(graph, bits=BITS, calibrate=data, out=integers, progress=progress),
    )
    _write(losses, quantized.report.as_dict())
    in_float = step(
        "running in float",
        f"run {graph} --target float --dataset {DATASET} --out {float_record}",
        lambda progress: inflor.run(graph, dataset=data, target="float", out=float_record, progress=progress),
    )
    in_integers = step(
        "running in integers",
        f"run {integers} --target cpu --dataset {DATASET} --out {cpu_record}",
        lambda progress: inflor.run(integers, dataset=data, target="cpu", out=cpu_record, progress=progress),
    )
    equivalence = step(
        "comparing targets",
        f"check {integers} --targets {' '.join(TARGETS)} --dataset {DATASET} --samples {COMPARED} --json > {verdict}",
        lambda progress: inflor.check(integers, TARGETS, dataset=data, samples=COMPARED, progress=progress),
    )
    _write(verdict, {"model": str(integers), "sha256": sha256(integers), **equivalence.as_dict()})
    shown = step(
        "reporting",
        f"report {integers} --record {cpu_record} --float-model {graph} --float-record {float_record} "
        f"--check {verdict} --quantization {losses} --out {page}",
        lambda progress: inflor.report(
            integers,
            cpu_record,
            page,
            float_model=graph,
            float_record=float_record,
            check=verdict,
            quantization=losses,
            dataset=data,
            progress=progress,
        ),
    )
    seconds = time.perf_counter() - began
    result = DemoResult(
        out, seconds, tuple(commands), training, conversion, quantized, in_float, in_integers, equivalence, shown
    )
    _write(out / "demo.json", result.as_dict())
    return result


def _write(path: Path, plain: Mapping[str, Any]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
