"""What a run costs on published hardware: exact counts times published figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.cost import cmos
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.counts import count
from inflor.targets.cost.metrics import metrics
from inflor.targets.cost.placing import count_on, place
from inflor.targets.cost.result import CostReport, Estimate
from inflor.targets.cost.terms import Case
from inflor.targets.cost.updates import count_updates
from inflor.targets.loihi import cost as loihi
from inflor.targets.mapping import CoreMap
from inflor.targets.record.file import Record, as_recorded
from inflor.targets.registry import Progress
from inflor.targets.spinnaker import cost as spinnaker

Model = Callable[[Case], Estimate]
MODELS: Mapping[str, tuple[Model, ...]] = {
    "loihi1": (loihi.davies, loihi.sanafe),
    "loihi2": (loihi.loihi2,),
    "spinnaker1": (spinnaker.events, spinnaker.board),
    "spinnaker2": (spinnaker.second,),
    "cmos45": (cmos.spiking_int8, cmos.spiking_fp32, cmos.ann_int8, cmos.ann_fp32),
}
HARDWARE = tuple(MODELS)
WITHOUT_CORES = ("cmos45",)


def estimate(
    network: IntegerNetwork,
    record: Record,
    hardware: Sequence[str] = HARDWARE,
    inputs: npt.NDArray[np.integer] | None = None,
    progress: Progress | None = None,
) -> CostReport:
    """Counts of a record and estimates for the hardware named, each by all of its models.

    inputs: the quantised inputs of the record, [samples, *shape] or [samples, T, *shape], so that those that are zero
    are known; without them none is taken to be.

    Raises:
        InputError: the record is of another network or has no spikes; hardware that there is none of.
    """
    unknown = [name for name in hardware if name not in MODELS]
    if unknown or not hardware:
        what = f"unknown hardware {', '.join(unknown)}" if unknown else "no hardware"
        raise InputError(f"{what}; choose from {', '.join(HARDWARE)}")
    activity = Activity(_as_recorded(network, record, inputs), record, inputs)
    names = list(dict.fromkeys(hardware))
    updates = count_updates(activity)
    counts = count(activity, updates)
    made: list[Estimate] = []
    placed: dict[str, CoreMap] = {}
    for number, name in enumerate(names):
        if progress is not None:
            progress(number, len(names))
        case = Case(activity, counts)
        if name not in WITHOUT_CORES:
            try:
                placed[name] = place(activity, name)
                case = count_on(placed[name], activity, counts, updates)
            except InputError as error:
                case = Case(activity, counts, reason=f"not placed on {name} ({error})")
        made += [model(case) for model in MODELS[name]]
    found = metrics(activity, counts, sum(updates.changed.values()))
    warnings = _unlike(updates.unlike, inputs is not None)
    notes = () if inputs is not None else ("None of the graded input values is known to be zero: all of them count.",)
    return CostReport(network.source, record.path, counts, found, tuple(made), warnings, notes, placed)


def refuse_float_run(record: Record, network: str) -> None:
    """Raises InputError for a record of a float network, where one of the integer network (its file) is due."""
    if record.run.get("target") == "float":
        where = record.path or "the record"
        raise InputError(f"{where}: is a run of a float network; run {network} with: inflor run --out")


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
