"""What a page is made from and is not there yet: quantized, run in float and in integers, targets compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from inflor.api.checking import check
from inflor.api.loading import PathLike, Progress, load_dataset, load_network, network_of, refuse_overwrite
from inflor.api.quantization import Quantized, quantize
from inflor.api.running import run
from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.layout import Layout
from inflor.converter.errors import InputError, MissingPartError
from inflor.converter.files import atomic_path
from inflor.converter.passes.conventions import Conventions
from inflor.converter.reading.checksum import signed_text
from inflor.converter.reading.paths import sha256
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import registry, running
from inflor.targets.equivalence.compare import Equivalence
from inflor.targets.record.file import Record

TARGETS = ("cpu", "spinnaker")
"""What is compared where nobody says: targets that need nothing to be installed."""
BITS = 8
T = TypeVar("T")


class Step(Protocol):
    """Runs one step: its label, the command that does the same by hand, and the work, which is given a progress."""

    def __call__(self, label: str, command: str, work: Callable[[Progress | None], T]) -> T: ...


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where what is made goes.

    Attributes:
        integers: the integer network.
        losses: what quantizing cost, JSON.
        float_record, record: runs of the float network and of the integer one.
        verdict: whether targets fired the same spikes, JSON.
    """

    integers: Path
    losses: Path
    float_record: Path
    record: Path
    verdict: Path

    def all(self, quantized: bool) -> list[Path]:
        """The files that are written; of an integer network its run and the verdict alone."""
        return [self.record, self.verdict] if quantized else [getattr(self, f.name) for f in fields(self)]

    @classmethod
    def within(cls, folder: Path) -> Files:
        """model.int.nir, quant.json, float.h5, cpu.h5 and check.json of a folder."""
        names = ("model.int.nir", "quant.json", "float.h5", "cpu.h5", "check.json")
        return cls(**{f.name: folder / name for f, name in zip(fields(cls), names, strict=True)})


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was made.

    Attributes:
        files: where.
        data: what it was run on.
        in_integers: its run on the target cpu.
        quantized: None where the network was an integer one.
        in_float: a run of the network that it was made from; None likewise.
        equivalence: None where fewer than two targets could be compared.
        left_out: which targets were not compared, and why.
    """

    files: Files
    data: Dataset
    in_integers: Record
    quantized: Quantized | None
    in_float: Record | None
    equivalence: Equivalence | None
    left_out: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that were made."""
        there = self.files.all(quantized=self.quantized is None)
        return tuple(str(p) for p in there if p != self.files.verdict or self.equivalence is not None)


def make(
    model: Path,
    data: Dataset,
    files: Files,
    step: Step,
    *,
    quantized: bool = False,
    conventions: Conventions | None = None,
    bits: int | None = None,
    split: str = "test",
    samples: int | None = None,
    targets: Sequence[str] = TARGETS,
    compared: int = 4,
) -> Made:
    """Quantize a float model, run it and the integer network, and compare targets.

    Args:
        model: a float .nir, or an integer one where `quantized`, which is run and compared alone.
        files: all of them are written over.
        samples: the first of the split that are run; None for all.
        targets: to compare; one that refuses the network or is not installed is left out.
        compared: samples that they are compared on.

    Raises:
        InputError: the data do not fit the network, or it has no integer form.
    """
    bits = BITS if bits is None else bits

    def ran(label: str, target: str, out: Path) -> Record:
        return step(
            label,
            f"run {model} --target {target} --dataset {data.name}{_options(samples, split)}{_conventions(conventions)} "
            f"--out {out}",
            lambda progress: run(
                model,
                dataset=data,
                split=split,
                samples=samples,
                target=target,
                conventions=conventions,
                out=out,
                progress=progress,
            ),
        )

    after, in_float = None, None
    if not quantized:
        after = step(
            "quantizing",
            f"quantize {model} --bits {bits} --calibrate {data.name}{_conventions(conventions)} "
            f"--out {files.integers} --report {files.losses}",
            lambda progress: quantize(
                model, bits=bits, calibrate=data, conventions=conventions, out=files.integers, progress=progress
            ),
        )
        write_json(files.losses, after.as_dict())
        in_float = ran("running in float", "float", files.float_record)
        model, conventions = files.integers, None
    in_integers = ran("running in integers", "cpu", files.record)
    files.verdict.unlink(missing_ok=True)  # of an earlier page
    left_out = _refusing(model, targets, conventions)
    able = tuple(name for name in targets if name not in left_out)
    if len(able) < 2:
        left_out |= dict.fromkeys(able, "there is no second target to compare it with")
    equivalence = None
    if len(able) > 1:
        compared = min(compared, in_integers.samples)
        steps = None if conventions is None else conventions.timesteps
        equivalence = step(
            "comparing targets",
            f"check {model} --targets {' '.join(able)} --dataset {data.name} --samples {compared}"
            f"{_options(None, split)}{_conventions(conventions)} --json > {files.verdict}",
            lambda progress: check(
                model, able, dataset=data, split=split, samples=compared, timesteps=steps, progress=progress
            ),
        )
        write_json(files.verdict, {"model": str(model), "sha256": sha256(model), **equivalence.as_dict()})
    return Made(
        files=replace(files, integers=model),
        data=data,
        in_integers=in_integers,
        quantized=after,
        in_float=in_float,
        equivalence=equivalence,
        left_out=tuple(f"{name} is not compared: {why}" for name, why in left_out.items()),
    )


def make_beside(
    network: PathLike,
    out: PathLike | None,
    dataset: Dataset | PathLike | None,
    data_dir: PathLike | None = None,
    layout: Layout = "auto",
    *,
    sample: int = 0,
    conventions: Conventions | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> Made:
    """What a page needs and nobody gave, made beside it.

    Args:
        sample: that the page will show.
        how: further arguments of `make`.

    Raises:
        InputError: there is no page or no data set; or see `make`.
    """
    if dataset is None:
        text = "without the `record` of a run, the page shows what is run for it"
        raise InputError(text, option="dataset", mend="give the data with `dataset`")
    if out is None:
        raise InputError("what is made is kept beside the page", option="out", mend="give its path with `out`")
    loaded = load_network(network, conventions)
    quantized = isinstance(loaded, IntegerNetwork)
    if quantized and how.get("bits") is not None:
        raise InputError("is an integer network already; `bits` have no meaning", path=network, option="bits")
    folder = beside(out)
    files = Files.within(folder)
    files = replace(files, integers=Path(network)) if quantized else files
    for path in files.all(quantized):
        refuse_overwrite(path, network, dataset)
    data = load_dataset(dataset, data_dir, loaded, layout=layout)
    there = len(data.split(how.get("split", "test"))[0])
    there = min(there, how.get("samples") or there)
    if sample >= there:
        text = f"`sample` {sample}: the data to be run have the samples 0 to {there - 1}"
        raise InputError(text, option="sample")
    stages, begun = 3 if quantized else 5, 0

    def step(label: str, command: str, work: Callable[[Progress | None], T]) -> T:
        nonlocal begun
        first, begun = begun, begun + 1

        def watch(done: int, total: int, what: str) -> None:
            if progress is not None:
                progress(round(1000 * (first + done / max(total, 1))), 1000 * stages, f"{label} {what}")

        watch(0, 1, "")
        return work(watch)

    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made ({error.strerror or error})", path=folder, option="out") from error
    return make(Path(network), data, files, step, quantized=quantized, conventions=conventions, **how)


def beside(page: str | os.PathLike[str]) -> Path:
    """The folder with what was made for a page: report.html -> report.files."""
    return Path(page).with_suffix(".files")


def write_json(path: Path, plain: Mapping[str, Any]) -> None:
    """Plain data with their checksum, as a file that is there complete or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(signed_text(plain), encoding="utf-8")


def _refusing(model: Path, targets: Sequence[str], conventions: Conventions | None) -> dict[str, str]:
    """Why a target cannot run the network, for those that cannot."""
    network, why = network_of(model, conventions), {}
    for name in targets:
        try:
            running.place(registry.load(name), network)
        except (InputError, MissingPartError) as error:
            why[name] = str(error)
    return why


def _options(samples: int | None, split: str) -> str:
    some = "" if samples is None else f" --samples {samples}"
    return some if split == "test" else f"{some} --split {split}"


def _conventions(given: Conventions | None) -> str:
    """Conventions as options of the command line."""
    named = {} if given is None else {("from" if k == "framework" else k): v for k, v in asdict(given).items()}
    return "".join(f" --{name} {value}" for name, value in named.items() if value is not None)
