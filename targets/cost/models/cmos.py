"""The 45 nm convention: energy of arithmetic only, for the spiking network and for the same network as an ANN."""

from __future__ import annotations

from quant.network import IntegerNetwork
from quant.operators import Conv, Linear, weighted
from targets.cost.counts import dense_macs
from targets.cost.figures import figure
from targets.cost.models.terms import Case, energy_term, total
from targets.cost.result import Estimate, Term

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
    """The same layers once, on 8-bit activations."""
    terms = _ann(case, "int8_mac_int32acc", "int8_ac_int32acc", figure("cmos45.int8_mac").energy)
    return _estimate("ann_int8", "the same network as an ANN, one pass, int8", terms, ("Low: accumulators of 8 bits.",))


def ann_fp32(case: Case) -> Estimate:
    """The same layers once, on float32 activations."""
    terms = _ann(case, "fp32_mac", "fp32_ac", None)
    return _estimate("ann_fp32", "the same network as an ANN, one pass, fp32", terms, ())


def ann_operations(network: IntegerNetwork) -> tuple[dict[str, int], dict[str, int]]:
    """Multiply-accumulates, and additions of residual identities, of one pass, per target population.

    Dense, as is usual: weights of zero and padding count, pooling does not.
    """
    macs: dict[str, int] = {}
    additions: dict[str, int] = {}
    for projection in network.projections:
        counted = macs if isinstance(weighted(projection.operators), Conv | Linear) else additions
        made = dense_macs(projection.operators, network.by_name[projection.source].shape)
        counted[projection.target] = counted.get(projection.target, 0) + made
    return macs, additions


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
    macs, additions = ann_operations(case.activity.network)
    terms = [energy_term("multiply-accumulates", macs, 1, f"cmos45.{mac}", low=low)]
    if additions:
        terms.append(energy_term("additions of residual identities", additions, 1, f"cmos45.{add}"))
    return terms


def _estimate(name: str, title: str, terms: list[Term], notes: tuple[str, ...]) -> Estimate:
    main, low = total(terms), total(terms, "low")
    return Estimate(
        name=name,
        hardware="cmos45",
        title=title,
        energy_joules=main,
        energy_low_joules=low,
        energy_high_joules=main,
        includes_static=False,
        static_joules=None,
        latency_seconds=None,
        latency_low_seconds=None,
        latency_high_seconds=None,
        streamed_seconds=None,
        cores=None,
        chips=None,
        terms=tuple(terms),
        notes=(*notes, *NOTES),
    )
