"""inflor report"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inflor import console
from inflor.command import Command
from inflor.options import FILE, SEED, WHOLE, Whole, conventions_of, data_options, example, json_option, time_options

if TYPE_CHECKING:
    from inflor.page.contents import Report

DIFFERENT = 1


@click.command(
    cls=Command,
    short_help="Show a run as one HTML page.",
    epilog=example(
        "inflor report model.nir --dataset digits --targets cpu loihi spinnaker",
        "inflor report model.int.nir --record record.h5 --float-model model.nir",
    ),
)
@click.argument("model", type=FILE)
@click.option("--record", type=FILE, metavar="FILE", help="Of a run of MODEL, with its spikes; else it is run now.")
@click.option("--out", type=FILE, default=Path("report.html"), show_default=True, metavar="FILE", help="The page.")
@click.option("--float-model", type=FILE, metavar="FILE", help="MODEL before it was quantized: shows potentials.")
@click.option("--float-record", type=FILE, metavar="FILE", help="A record of it, else it is run on up to 256 samples.")
@click.option("--check", type=FILE, metavar="FILE", help="What inflor check --json printed.")
@click.option("--targets", multiple=True, metavar="NAME...", help="Or: compare these now.")
@click.option("--check-samples", type=WHOLE, default=2, show_default=True, metavar="N", help="On the first N.")
@click.option("--quantization", type=FILE, metavar="FILE", help="What inflor quantize --report wrote.")
@click.option("--quantisation", "as_in_0_1", type=FILE, hidden=True)
@click.option("--dataset", metavar="DATA", help="The record's, or what to run.")
@click.option("--bits", type=Whole(2, 8), metavar="N", help="Of a float MODEL's weights.  [default: 8]")
@click.option("--samples", type=WHOLE, metavar="N", help="Run the first N only.  [default: all]")
@click.option("--sample", type=SEED, default=0, show_default=True, metavar="N", help="Whose spikes are drawn.")
@click.option("--hardware", multiple=True, metavar="NAME...", help="To estimate and to draw.  [default: all]")
@time_options
@data_options
@json_option
def command(
    model: Path,
    record: Path | None,
    as_json: bool,
    as_in_0_1: Path | None,
    **options: Any,
) -> int:
    """Show a run of MODEL (a .nir) as one HTML page.

    Accuracy, equivalence, spikes, rounding, energy, cores and time. Without
    --record, a float MODEL is quantized, run and compared; an integer one is
    run and compared. What is made is kept beside the page.
    """
    import inflor
    from inflor.page.contents import Missing, Verdict

    options["quantization"] = options["quantization"] or as_in_0_1
    options["hardware"] = options["hardware"] or None
    options["conventions"] = conventions_of(options)
    with console.progress("reporting") as progress:
        result = inflor.report(model, record, progress=progress, **options)
    compared = isinstance(result.verdict, Verdict) and not result.verdict.equal and options["check"] is None
    code = DIFFERENT if compared else 0
    if as_json:
        console.print_json({"model": model, "out": result.path, **result.as_dict()})
        return code
    for warning in result.warnings:
        console.print_line(f"warning: {warning}")
    for what, part in (("equivalence", result.verdict), ("potentials", result.potentials), ("energy", result.costs)):
        if isinstance(part, Missing):
            console.print_line(f"note: {what} not shown: {part.why}")
    if record is None:
        _print_result(result)
    console.print_line(f"wrote {result.path} ({Path(result.path or '').stat().st_size / 1e6:.1f} MB)")
    if result.made:
        names = ", ".join(Path(made).name for made in result.made)
        console.print_line(f"and what it was made from, in {Path(result.made[0]).parent}: {names}")
    return code


def _print_result(result: Report) -> None:
    """What was found, in a few lines."""
    from inflor.page.contents import Verdict

    found = result.accuracy
    if found.integer is not None:
        before = "" if found.float_ is None else f"{console.percent(found.float_)} float, "
        console.print_line(f"accuracy {before}{console.percent(found.integer)} integer, {found.samples} samples")
    verdict = result.verdict
    if isinstance(verdict, Verdict):
        equal = "equal" if verdict.equal else f"{verdict.mismatches} different"
        console.print_line(
            f"{' and '.join(verdict.targets)}: {equal}; {verdict.compared} spikes and silences of {verdict.samples} "
            "samples compared"
        )
