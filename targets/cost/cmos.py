"""The 45 nm convention: energy of arithmetic only, for the spiking network and for the same network as an ANN."""

from __future__ import annotations

from inflor.targets.chips.figures import figure
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.counts import dense_macs
from inflor.targets.cost.result import Estimate, Term, total
from inflor.targets.cost.terms import Case, energy_term

NOTES = (figure("cmos45.fp32_mac").source + ": arithmetic only; memory, control, leakage and time are not in it",)


def spiking_int8(case: Case) -> Estimate:
    """An addition of 32 bits per synaptic event, a multiplication of 8 bits with it per graded input."""
    narrow = figure("cmos45.int8_add").energy, figure("cmos45.int8_mac").energy
    terms = _spiking(case, "int8_ac_int32acc", "int8_mac_int32acc", narrow)
    notes = ("Low: accumulators of 8 bits.",)
    return _estimate("cmos45", "45 nm convention, int8 with 32-bit sums", terms, notes)


def spiking_fp32(case: Case) -> Estimate:
    """As most papers count."""
    terms = _spiking(case, "fp32_ac", "fp32_mac", (None, None))
    return _estimate("cmos45_fp32", "45 nm convention, fp32", terms, ())


def ann_int8(case: Case) -> Estimate:
    """The same layers on 8-bit activations."""
    terms = _ann(case, "int8_mac_int32acc", "int8_ac_int32acc", figure("cmos45.int8_mac").energy)
    notes = ("Low: accumulators of 8 bits.", *_passes_note(case))
    return _estimate("ann_int8", f"the same network as an ANN, {_passes(case)}, int8", terms, notes)


def ann_fp32(case: Case) -> Estimate:
    """The same layers on float32 activations."""
    terms = _ann(case, "fp32_mac", "fp32_ac", None)
    return _estimate("ann_fp32", f"the same network as an ANN, {_passes(case)}, fp32", terms, _passes_note(case))


def ann_passes(activity: Activity) -> int:
    """How often an ANN computes its layers for a sample: once for an image, at every step for frames or a memory."""
    return activity.record.timesteps if activity.sees_frames else 1


def ann_operations(activity: Activity) -> tuple[dict[str, int], dict[str, int]]:
    """Multiply-accumulates, and additions of residual identities, of one pass, per target population.

    On the footing of the synaptic events: padding does not count, but zeros do, as an ANN cannot tell them. Pooling
    does not count.
    """
    macs: dict[str, int] = {}
    additions: dict[str, int] = {}
    for number, projection in enumerate(activity.network.projections):
        made = activity.layer_macs.get(number)
        counted = additions if made is None else macs
        if made is None:
            made = dense_macs(projection.operators, activity.network.by_name[projection.source].shape)
        counted[projection.target] = counted.get(projection.target, 0) + made
    return macs, additions


def _passes(case: Case) -> str:
    passes = ann_passes(case.activity)
    return "one pass" if passes == 1 else f"{passes} passes"


def _passes_note(case: Case) -> tuple[str, ...]:
    passes, info = ann_passes(case.activity), case.activity.network.info
    if passes == 1:
        said = (info.known and info.encoding) or case.activity.inputs is not None or case.activity.record.timesteps == 1
        return () if said else ("The file does not say whether it takes frames over time: one pass is assumed.",)
    return (f"The ANN computes its layers for each of the {passes} steps: each brings an input or a state of its own.",)


def _spiking(case: Case, add: str, mac: str, low: tuple[float | None, float | None]) -> list[Term]:
    events = {p.name: p.synaptic_events for p in case.counts.populations}
    graded = {p.name: p.input_macs for p in case.counts.populations}
    return [
        energy_term("synaptic events", events, case.samples, f"cmos45.{add}", low=low[0]),
        energy_term(
            "multiply-accumulates of the graded input", graded, case.samples, f"cmos45.{mac}", "every step", low=low[1]
        ),
    ]


def _ann(case: Case, mac: str, add: str, low: float | None) -> list[Term]:
    """The same inputs as the spiking network's: all frames, or the one image."""
    passes = ann_passes(case.activity)
    each = "one pass for the one image" if passes == 1 else f"{passes} passes, one for each step"
    macs, additions = ({n: passes * made for n, made in one.items()} for one in ann_operations(case.activity))
    where = f"{each}; zeros count, padding does not"
    terms = [energy_term("multiply-accumulates", macs, 1, f"cmos45.{mac}", where, low=low)]
    if additions:
        terms.append(energy_term("additions of residual identities", additions, 1, f"cmos45.{add}", each))
    return terms


def _estimate(name: str, title: str, terms: list[Term], notes: tuple[str, ...]) -> Estimate:
    return Estimate(
        name=name,
        hardware="cmos45",
        title=title,
        terms=tuple(terms),
        energy_low_joules=total(terms, "low"),
        energy_high_joules=total(terms),
        notes=(*notes, *NOTES),
        reference=True,
    )
