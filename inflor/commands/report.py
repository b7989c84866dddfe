"""inflor report"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from inflor import console
from inflor.command import Command
from inflor.options import FILE, SEED, WHOLE, conventions_of, data_options, example, json_option, time_options


@click.command(
    cls=Command,
    short_help="Show a run as one HTML page.",
    epilog=example("inflor report model.int.nir --record record.h5 --float-model model.nir"),
)
@click.argument("model", type=FILE)
@click.option("--record", type=FILE, required=True, metavar="FILE", help="Of a run of MODEL, with its spikes.")
@click.option("--out", type=FILE, default=Path("report.html"), show_default=True, metavar="FILE", help="The page.")
@click.option("--float-model", type=FILE, metavar="FILE", help="MODEL before it was quantized: shows potentials.")
@click.option("--float-record", type=FILE, metavar="FILE", help="A record of it, else it is run on up to 256 samples.")
@click.option("--check", type=FILE, metavar="FILE", help="What inflor check --json printed.")
@click.option("--targets", multiple=True, metavar="NAME...", help="Or: compare these now.")
@click.option("--check-samples", type=WHOLE, default=2, show_default=True, metavar="N", help="On the first N.")
@click.option(
    "--quantization",
    "--quantisation",  # as it was called in 0.1
    type=FILE,
    metavar="FILE",
    help="What inflor quantize --report wrote.",
)
@click.option("--dataset", metavar="DATA", help="The record's.  [default: digits, where it is that]")
@click.option("--sample", type=SEED, default=0, show_default=True, metavar="N", help="Whose spikes are drawn.")
@click.option("--hardware", multiple=True, metavar="NAME...", help="To estimate and to draw.  [default: all]")
@time_options
@data_options
@json_option
def command(
    model: Path,
    record: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Show a run of MODEL (an integer .nir) as one HTML page.

    Accuracy, equivalence, spikes, rounding, energy, cores and time, in a file
    that needs no network. What is not given is named in the page.
    """
    import inflor
    from inflor.page.contents import Missing

    options["hardware"] = options["hardware"] or None
    options["conventions"] = conventions_of(options)
    with console.progress("reporting") as progress:
        result = inflor.report(model, record, progress=progress, **options)
    if as_json:
        console.print_json({"model": model, "out": result.path, **result.as_dict()})
        return
    for warning in result.warnings:
        console.print_line(f"warning: {warning}")
    for what, part in (("equivalence", result.verdict), ("potentials", result.potentials), ("energy", result.costs)):
        if isinstance(part, Missing):
            console.print_line(f"note: {what} not shown: {part.why}")
    console.print_line(f"wrote {result.path} ({Path(result.path or '').stat().st_size / 1e6:.1f} MB)")
