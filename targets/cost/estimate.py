"""What a run costs on published hardware: exact counts times published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import registry
from inflor.targets.api import Chip, Progress
from inflor.targets.cost import cmos
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.counts import count
from inflor.targets.cost.metrics import metrics
from inflor.targets.cost.placing import count_on, place
from inflor.targets.cost.result import CostReport, Estimate
from inflor.targets.cost.terms import Case
from inflor.targets.cost.updates import count_updates
from inflor.targets.mapping import CoreMap
from inflor.targets.record.file import Record, as_recorded

REFERENCES: Mapping[str, Chip] = {
    "cmos45": Chip(title="45 nm", models=(cmos.spiking_int8, cmos.spiking_fp32, cmos.ann_int8, cmos.ann_fp32))
}
"""Hardware without cores, which costs are compared with."""


def hardware() -> dict[str, Chip]:
    """All hardware that costs can be estimated for, by name: the chips of all targets, and the references."""
    return {**registry.chips(), **REFERENCES}


def known_hardware(names: Sequence[str] | None) -> tuple[str, ...]:
    """The hardware of these names, each once; all that there is for None.

    Raises:
        InputError: one is unknown.
    """
    known = hardware()
    for name in names or ():
        if name not in known:
            raise InputError(f"unknown hardware {name}{registry.meant(name, known)}", option="hardware")
    return tuple(known if names is None else dict.fromkeys(names))


def title(name: str) -> str:
    """What hardware is called in a report."""
    known = hardware()
    return known[name].title if name in known else name


def estimate(
    network: IntegerNetwork,
    record: Record,
    names: Sequence[str] | None = None,
    inputs: npt.NDArray[np.integer] | None = None,
    progress: Progress | None = None,
) -> CostReport:
    """Counts of a record and estimates for the hardware named, each by all of its models.

    Args:
        names: of the hardware; None for all there is.
        inputs: the quantized inputs of the record, [samples, *shape] or [samples, T, *shape], so that those that are
            zero are known; without them none is taken to be.

    Raises:
        InputError: the record is of another network or has no spikes; hardware that there is none of.
    """
    names = known_hardware(names)
    if not names:
        raise InputError(f"no hardware; choose from {', '.join(hardware())}", option="hardware")
    activity = Activity(_as_recorded(network, record, inputs), record, inputs)
    updates = count_updates(activity)
    counts = count(activity, updates)
    made: list[Estimate] = []
    placed: dict[str, CoreMap] = {}
    for number, name in enumerate(names):
        if progress is not None:
            progress(number, len(names))
        case = Case(activity=activity, counts=counts)
        if name not in REFERENCES:
            try:
                placed[name] = place(activity, name)
                case = count_on(placed[name], activity, counts, updates)
            except InputError as error:
                case = Case(activity=activity, counts=counts, reason=f"not placed on {name} ({error})")
        made += [model(case) for model in hardware()[name].models]
    found = metrics(activity, counts, sum(updates.changed.values()))
    warnings = _unlike(updates.unlike, inputs is not None)
    notes = () if inputs is not None else ("None of the graded input values is known to be zero: all of them count.",)
    return CostReport(network.source, record.path, counts, found, tuple(made), warnings, notes, placed)


def refuse_float_run(record: Record, network: str) -> None:
    """Raises InputError for a record of a float network, where one of the integer network (its file) is due."""
    if record.run.get("target") == "float":
        where = record.path or "the record"
        raise InputError(f"{where}: is a run of a float network; run {network} on an integer target instead")


def _unlike(names: tuple[str, ...], known: bool) -> tuple[str, ...]:
    """known: the inputs are."""
    if not names:
        return ()
    other = "another network, of other data" if known else "another network"
    return (
        f"The recorded spikes of {', '.join(map(repr, names))} are not those that this network makes of its recorded "
        f"sources: the record is of {other} or of another arithmetic.",
    )


def _as_recorded(network: IntegerNetwork, record: Record, inputs: npt.NDArray[np.integer] | None) -> IntegerNetwork:
    """The network as it ran; refuses a record that is not of it, or inputs that are not the record's."""
    where = record.path or "the record"
    refuse_float_run(record, network.source)
    ran = as_recorded(network, record)
    if record.samples < 1:
        raise InputError(f"{where}: has no samples")
    if inputs is not None:
        shape = ran.inputs[0].shape
        known = ((record.samples, *shape), (record.samples, record.timesteps, *shape))
        if inputs.shape not in known:
            raise InputError(f"{where}: is of {record.samples} samples of {shape}, but the inputs are {inputs.shape}")
    return ran
