"""inflor.report"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from inflor.api.estimating import names_of
from inflor.api.loading import PathLike, Progress, refuse_overwrite
from inflor.api.report_inputs import ReportInputs
from inflor.api.stages import TARGETS, make_beside
from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.layout import Layout
from inflor.converter.errors import InputError
from inflor.converter.files import atomic_path
from inflor.converter.passes.conventions import Conventions
from inflor.page import costs, gather
from inflor.page.colors import ramp
from inflor.page.contents import Missing, Report
from inflor.page.raster import Raster, raster
from inflor.page.render import page
from inflor.provenance import versions
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.cost.estimate import known_hardware
from inflor.targets.cost.result import CostReport
from inflor.targets.record.file import Record
from inflor.targets.registry import find


def report(
    network: PathLike,
    record: PathLike | None = None,
    out: PathLike | None = "report.html",
    *,
    float_model: PathLike | None = None,
    float_record: PathLike | None = None,
    check: PathLike | None = None,
    targets: str | Sequence[str] = (),
    check_samples: int = 2,
    bits: int | None = None,
    samples: int | None = None,
    split: str = "test",
    quantization: PathLike | Mapping[str, Any] | None = None,
    dataset: Dataset | PathLike | None = None,
    data_dir: PathLike | None = None,
    layout: Layout = "auto",
    sample: int = 0,
    hardware: str | Sequence[str] | None = None,
    conventions: Conventions | None = None,
    progress: Progress | None = None,
) -> Report:
    """Everything about a run of an integer network, written to `out` as one HTML page if it is given.

    Without a record, what is missing is made with `dataset` and kept beside the page: the integer network, runs in
    float and in integers, and what targets fire.

    Args:
        network: the path of an integer network, or without a record of the float one that it is to be made from.
        record: the path of a run of it, with its spikes.
        out: the page; None to write none.
        float_model: the network before quantization; it is run on the record's data for membrane potentials and,
            without float_record, for accuracy and spikes.
        float_record: a run of it.
        check: what `inflor check --json` printed.
        targets: two or more, compared now; without a record cpu and spinnaker if none are given, and one that cannot
            run the network is left out, with a warning.
        check_samples: that they are compared on.
        bits: of the weights, where the network is quantized; None for 8.
        samples: that are run, the first of the split; None for all.
        split: "train" or "test".
        quantization: what `inflor quantize --report` wrote.
        dataset: that of the record (not needed for digits), or what to run.
        data_dir: the folder of data sets that do not come with the package.
        layout: of images, "chw" or "hwc"; "auto" takes what alone fits the network.
        sample: whose spikes are drawn.
        hardware: to estimate and, where it has cores, to draw; None to estimate all there is and to draw what is drawn
            by default (`Chip.by_default`).
        conventions: what a float file does not say about time, and the number of steps.
        progress: called with how much is done.

    Raises:
        InputError: a file is damaged, belongs to another network or was made of other data; an unknown sample, target
            or hardware.
    """
    for needed in (network, record):
        if not isinstance(needed, str | os.PathLike | None):
            raise InputError(f"report reads files: give the path of one, not a {type(needed).__name__}")
    if not isinstance(sample, int | np.integer) or sample < 0:
        raise InputError(f"`sample` {sample}: is no whole number from 0 on", option="sample")
    targets, hardware = names_of(targets), None if hardware is None else names_of(hardware)
    refuse_overwrite(out, network, record, float_model, float_record, check, quantization, dataset)
    if check is not None and targets:
        raise InputError("`check` and `targets`: give one of them, a verdict or targets to compare now")
    made = None
    if record is not None and (bits is not None or samples is not None):
        raise InputError("`bits` and `samples` are of what is run now, and there is a `record`", option="record")
    known_hardware(hardware)
    for name in targets:
        find(name)
    if record is None:
        if float_record is not None or check is not None or quantization is not None:
            text = "`float_record`, `check` and `quantization` are of a run"
            raise InputError(text, option="record", mend="give its `record` too")
        made = make_beside(
            network,
            out,
            dataset,
            data_dir,
            layout,
            sample=sample,
            conventions=conventions,
            progress=progress,
            bits=bits,
            split=split,
            samples=samples,
            targets=targets or TARGETS,
            compared=check_samples,
        )
        files = made.files
        float_model = float_model if made.quantized is None else network
        float_record = None if made.quantized is None else files.float_record
        quantization = None if made.quantized is None else files.losses
        check = None if made.equivalence is None else files.verdict
        network, record, targets = files.integers, files.record, ()
        dataset, data_dir, layout = made.data, None, "auto"
    given = ReportInputs(network, record, dataset, data_dir, layout, progress)
    given.warnings += () if made is None else made.left_out
    given.say("reading")
    before, reference, why = given.float_side(float_model, float_record, conventions)
    losses = given.losses(quantization)
    verdict = given.verdict(check, targets, check_samples)
    given.say("counting")
    costed = given.estimate(hardware)
    found = Report(
        title=_title(given.network),
        run=_run_facts(given),
        sources=given.sources,
        accuracy=gather.accuracy(given.record, reference, why),
        verdict=verdict,
        populations=(),
        raster=_raster(given.record, sample, given.network.info.class_names),
        potentials=given.potentials(before),
        costs=costed if isinstance(costed, Missing) else costs.costs(costed),
        chips=given.chips(hardware, costed),
        timeline=gather.timeline(given.network),
        warnings=tuple(given.warnings),
        notes=tuple(map(str, given.record.run.get("notes", ()))),
    )
    found = _with_populations(given, found, reference, losses, costed, why)
    found = replace(found, made=() if made is None else made.paths)
    if out is None:
        return found
    given.say("writing")
    with atomic_path(out) as temporary:
        temporary.write_text(page(found), encoding="utf-8", errors="backslashreplace")
    return replace(found, path=os.fspath(out))


def _run_facts(given: ReportInputs) -> dict[str, Any]:
    """What was run, for the head of the page and for its end."""
    run, info = given.record.run, given.network.info
    made = dict(info.provenance)
    facts = {
        "target": run.get("target"),
        "data": " ".join(str(run[k]) for k in ("dataset", "split") if run.get(k)) or None,
        "samples": given.record.samples,
        "timesteps": given.record.timesteps,
        "seconds of the run": None if run.get("seconds") is None else f"{run['seconds']:.3g}",
        "plan": _flat(run.get("plan")),
        "network trained on": " ".join(filter(None, (info.dataset, info.architecture))) or None,
        "integer network made from": made.get("made_from"),
        "quantization": _flat(made.get("options")),
        "calibration": _flat(made.get("calibration")),
        "versions of the run": _flat(run.get("versions")),
        "versions of this page": _flat(versions()),
    }
    return {
        "network": Path(given.network.source).name,
        "target": str(run.get("target", "an unnamed target")),
        "dataset": " ".join(str(run[k]) for k in ("dataset", "split") if run.get(k)),
        "samples": given.record.samples,
        "timesteps": given.record.timesteps,
        "neurons": sum(p.size for p in given.network.populations if p.role != "input"),
        "version": versions()["inflor"],
        "facts": {name: str(value) for name, value in facts.items() if value not in (None, "")},
    }


def _with_populations(
    given: ReportInputs,
    found: Report,
    reference: Record | None,
    losses: Mapping[str, Mapping[str, Any]],
    costed: CostReport | Missing,
    why: str,
) -> Report:
    """The report with its table of populations, and the share of spikes that differ from the float network's."""
    ordered = sorted(given.network.populations, key=lambda p: given.network.depth[p.name])
    names = [p.name for p in ordered if p.role != "input"]
    colors = dict(zip(names, ramp(len(names)), strict=True))
    rows = gather.populations(given.network, given.record, reference, losses, colors)
    differ: dict[str, float] = {}
    compared = 0
    if reference is not None:
        try:
            differ, compared = gather.differing(given.record, reference)
        except InputError as error:
            why = str(error)
    events = {} if isinstance(costed, Missing) else costs.per_population(costed)
    merged = tuple({**row, "differ": differ.get(row["name"]), **events.get(row["name"], {})} for row in rows)
    run = {**found.run, "compared": compared, "why_no_differ": why}
    return replace(found, populations=merged, run=run)


def _title(network: IntegerNetwork) -> str:
    """What the network is, or the name of its file where that is not known."""
    info = network.info
    if info.architecture and info.dataset:
        return f"{info.architecture} on {info.dataset}"
    return Path(network.source).name


def _raster(record: Record, sample: int, class_names: tuple[str, ...]) -> Raster | Missing:
    if not 0 <= sample < record.samples:
        raise InputError(f"`sample` {sample}: the record has the samples 0 to {record.samples - 1}")
    try:
        return raster(record, sample, class_names)
    except InputError as error:
        return Missing(f"{error}.")


def _flat(value: Any) -> str | None:
    """A mapping as one line."""
    if not isinstance(value, Mapping):
        return None
    return ", ".join(f"{k} {v}" for k, v in value.items() if not isinstance(v, Mapping | list) and v is not None)
