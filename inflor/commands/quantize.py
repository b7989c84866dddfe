"""inflor quantize"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inflor import console
from inflor.command import Command
from inflor.console import Column
from inflor.options import (
    FILE,
    SEED,
    WHOLE,
    LayerBits,
    Whole,
    beside,
    data_options,
    example,
    json_option,
    time_options,
)

if TYPE_CHECKING:
    from inflor.api.quantization import Quantized
    from inflor.quant.fix.report import LayerReport, QuantReport

LAYERS = (
    Column("population", "population", left=True),
    Column("bits", "bits"),
    Column("exponents", "exponent", lambda values: ",".join(map(str, values))),
    Column("threshold", "threshold", console.span),
    Column("weight_snr_db", "SNR dB", lambda value: f"{value:.1f}"),
    Column("largest_mantissa", "levels"),
    Column("clipped", "clipped", console.percent),
    Column("spike_rate_float", "rate float", console.percent),
    Column("spike_rate_integer", "rate int", console.percent),
    Column("agreement", "same", console.percent),
    Column("first_diverging_step", "diverges"),
    Column("state_bits", "state bits"),
)
WORTH_SAYING = 0.01
"""Of the input's values, from which on it is said what became of them."""
LEAST_SNR_DB = 6.0
"""Below it, half of the power of the weights is noise or worse."""
LARGE_DEVIATION = 0.01
"""Of a time constant, from which on a note says what mends it."""


@click.command(
    cls=Command,
    dumps=True,
    short_help="Fix weights and thresholds to integers.",
    epilog=example(
        "inflor quantize model.nir --bits 8 --calibrate digits --out model.int.nir",
        "inflor quantize model.nir --bits 4 readout=8 --calibrate digits",
    ),
)
@click.argument("model", type=FILE)
@click.option("--calibrate", required=True, metavar="DATA", help="Data set: its train split is used.")
@click.option(
    "--bits",
    type=LayerBits(),
    multiple=True,
    metavar="N|NAME=N...",
    help="Of the weights, 2 to 8; NAME=N: of those into a population.  [default: 8]",
)
@click.option(
    "--granularity",
    type=click.Choice(["channel", "population"]),
    default="channel",
    show_default=True,
    metavar="KIND",
    help="channel or population: what shares one scale.",
)
@click.option("--samples", type=WHOLE, default=256, show_default=True, metavar="N", help="Calibration samples.")
@click.option("--no-clip", is_flag=True, help="Scale by the largest weight.")
@click.option("--no-compensation", is_flag=True, help="Round each weight to its nearest.")
@click.option("--no-bias-correction", is_flag=True, help="Leave mean currents as rounded.")
@click.option("--decay-bits", type=Whole(8, 24), default=12, show_default=True, metavar="N", help="12 as on Loihi.")
@click.option(
    "--fraction-bits",
    type=Whole(0, 16),
    metavar="N",
    help="Of states.  [default: 6 as on Loihi, fewer where weights need it]",
)
@click.option("--seed", type=SEED, default=0, show_default=True, metavar="N", help="Draws the samples.")
@click.option("--out", type=FILE, metavar="FILE", help="The .int.nir to write.  [default: beside MODEL]")
@click.option("--report", type=FILE, metavar="FILE", help="Also write the report, as JSON, here.")
@time_options
@data_options
@json_option
def command(
    model: Path,
    calibrate: str,
    bits: tuple[tuple[str, int], ...],
    granularity: str,
    samples: int,
    no_clip: bool,
    no_compensation: bool,
    no_bias_correction: bool,
    decay_bits: int,
    fraction_bits: int | None,
    seed: int,
    out: Path | None,
    report: Path | None,
    data_dir: Path | None,
    layout: Any,
    as_json: bool,
    **time: Any,
) -> None:
    """Fix the weights and thresholds of MODEL (a float .nir) to integers.

    Prints what each population lost. "same": spikes equal to the float network's; "diverges": the first step with one
    that is not.
    """
    import inflor
    from inflor.api.loading import refuse_overwrite, refuse_twice

    out = out or beside(model, ".int.nir")
    refuse_overwrite(report, model, calibrate, option="report")
    refuse_twice(out, report)
    with _written(report) as write, console.progress("quantizing") as progress:
        result = inflor.quantize(
            model,
            conventions=inflor.Conventions(**time),
            calibrate=calibrate,
            bits=dict(bits).get("", 8),
            layer_bits={name: number for name, number in bits if name},
            granularity="channel" if granularity == "channel" else "population",
            samples=samples,
            clip=not no_clip,
            compensate=not no_compensation,
            correct_bias=not no_bias_correction,
            decay_bits=decay_bits,
            fraction_bits=fraction_bits,
            seed=seed,
            data_dir=data_dir,
            layout=layout,
            out=out,
            progress=progress,
        )
        write(result)
    if as_json:
        console.print_json({"model": model, "out": result.path, **result.as_dict(), "notes": result.notes}, sign=True)
        return
    for note in result.notes:
        console.print_line(f"note: {note}")
    print_report(result.report)
    console.print_line(f"wrote {result.path}")
    console.print_line(f"next: inflor run {result.path} --dataset {calibrate}")


def print_report(report: QuantReport) -> None:
    """The table of populations, and what became of the accuracy."""
    console.print_table(LAYERS, report.as_dict()["layers"])
    before, after = report.accuracy_float, report.accuracy_integer
    samples = f"{report.judged} samples, " + ("none of them calibrated on" if report.held_out else "calibrated on too")
    if before is not None and after is not None:
        console.print_line(
            f"accuracy {console.percent(before)} float, {console.percent(after)} integer, same prediction "
            f"{console.percent(report.agreement)} ({samples})"
        )
    for note in notes(report):
        console.print_line(f"note: {note}")


def notes(report: QuantReport) -> Iterator[str]:
    """What a reader of the report should know."""
    from inflor.targets.record.remarks import on_activity

    if report.input_zeroed > WORTH_SAYING:
        yield (
            f"input: {console.percent(report.input_zeroed)} of its values other than 0 round to 0, at a unit of "
            f"{report.input_unit:.3g}; scale the input, or clip its largest values"
        )
    if report.input_clipped > WORTH_SAYING:
        share = console.percent(report.input_clipped)
        yield f"input: {share} of its values are clipped, at a unit of {report.input_unit:.3g}"
    yield from on_activity({p.population: p.spike_rate_float for p in report.layers if p.spike_rate_float is not None})
    for layer in report.layers:
        for text in (_levels(layer), _spikes(layer), _at_rest(layer)):
            if text:
                yield f"{layer.population}: {text}"
        if not layer.exact_ratios:
            yield f"{layer.population}: reset or residual identity is met approximately"
        if layer.time_constant_error:
            percent = f"{100 * layer.time_constant_error:.3g} %"
            mend = "; give more --decay-bits" if layer.time_constant_error > LARGE_DEVIATION else ""
            yield f"{layer.population}: rounded decays change its time constants by up to {percent}{mend}"


def _levels(layer: LayerReport) -> str:
    """What the weights of a population lost, and why."""
    limit = (1 << layer.bits - 1) - 1
    if layer.trained_levels > limit:
        return (
            f"its weights were trained on {2 * layer.trained_levels + 1} levels, and {layer.bits} bits have "
            f"{2 * limit + 1}: give --bits {layer.trained_levels.bit_length() + 1} to keep them exactly"
        )
    if layer.weight_snr_db is not None and layer.weight_snr_db < LEAST_SNR_DB:
        side = "high" if 2 * layer.largest_mantissa < limit else "low"
        return (
            f"most of its weights are rounded away ({layer.weight_snr_db:.1f} dB): its threshold is too {side} beside "
            "them, or thresholds of one channel lie too far apart"
        )
    if layer.weight_snr_db is None or 2 * layer.largest_mantissa >= limit:
        return ""
    reach = f"its weights reach {layer.largest_mantissa} of {limit} levels only, so that its "
    if layer.narrowed:
        return reach + "states, which fade slowly, stay within 24 bits"
    return reach + "threshold stays small enough for the registers of the chips"


def _spikes(layer: LayerReport) -> str:
    """Neurons that rounding ended, or woke."""
    found = []
    if layer.silenced:
        found.append(f"{layer.silenced} neurons that fire in float never do in integers")
    if layer.awakened:
        found.append(f"{layer.awakened} that never fire in float do in integers")
    return ", ".join(found)


def _at_rest(layer: LayerReport) -> str:
    """Spikes without input, where they are others than in float."""
    before, after = layer.rest_rate_float, layer.rest_rate_integer
    if before is None or after is None or before == after:
        return ""
    return f"without input it fires at {console.percent(after)} in integers, and at {console.percent(before)} in float"


@contextlib.contextmanager
def _written(path: Path | None) -> Iterator[Callable[[Quantized], None]]:
    """What writes the report: its place is looked at before anything is made, and filled when the block ends well."""
    if path is None:
        yield lambda made: None
        return
    from inflor.converter.files import atomic_path
    from inflor.converter.reading.checksum import signed_text

    with atomic_path(path) as temporary:
        made: list[Quantized] = []
        yield made.append
        temporary.write_text(signed_text(made[0].as_dict()), encoding="utf-8")
