"""inflor run"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inflor import console
from inflor.console import Column
from inflor.options import (
    FILE,
    WHOLE,
    conventions_of,
    data_options,
    dataset_option,
    example,
    json_option,
    split_option,
    time_options,
)
from inflor.target_options import TargetCommand

if TYPE_CHECKING:
    from inflor.targets.record.file import Record

POPULATIONS = (
    Column("name", "population", left=True),
    Column("shape", "shape", console.shape),
    Column("depth", "depth"),
    Column("spikes", "spikes"),
    Column("rate", "rate", console.percent),
)


@click.command(
    cls=TargetCommand,
    short_help="Run on a target and count spikes.",
    epilog=example("inflor run model.int.nir --dataset digits --out record.h5 --json"),
)
@click.argument("model", type=FILE)
@dataset_option
@click.option("--target", metavar="NAME", help="See inflor targets.  [default: float or cpu, by MODEL]")
@split_option
@click.option("--samples", type=WHOLE, metavar="N", help="Run the first N only.  [default: all]")
@click.option("--out", type=FILE, metavar="FILE", help="Record every spike in this .h5 file.")
@click.option("--no-spikes", is_flag=True, help="Leave the spikes out of it: counts and outputs only.")
@click.option("--strict", is_flag=True, help="Refuse inputs that are clipped, and potentials that saturate.")
@time_options
@data_options
@json_option
def command(
    model: Path,
    as_json: bool,
    out: Path | None,
    no_spikes: bool,
    target_options: dict[str, Any],
    **options: Any,
) -> None:
    """Run MODEL (a .nir, float or integer) on a target and count its spikes.

    Rates are spikes per neuron and timestep. Each target takes options of its
    own too: inflor targets NAME lists them.
    """
    import inflor
    from inflor.summary import summarize

    conventions = conventions_of(options)
    spikes = False if no_spikes else None
    with console.progress("running") as progress:
        record = inflor.run(
            model, out=out, spikes=spikes, conventions=conventions, progress=progress, **options, **target_options
        )
    result = summarize(record)
    if as_json:
        console.print_json({"model": model, **result})
    else:
        print_record(record, result)


def print_record(record: Record, result: dict[str, Any]) -> None:
    """A table of the populations and one line of accuracy."""
    print_populations(result["populations"])
    for name, count in record.overflows.items():
        console.print_line(f"overflow: population {name}: {count} membrane potentials left their width")
    for note in result["notes"]:
        console.print_line(f"note: {note}")
    accuracy = "accuracy unknown" if record.accuracy is None else f"accuracy {console.percent(record.accuracy)}"
    rate = result["samples_per_second"] or 0.0
    speed = f", {result['seconds']:.2f} s ({rate:.{0 if rate >= 10 else 2}f} per second)" if result["seconds"] else ""
    console.print_line(
        f"{accuracy} on {result['target']}: {record.samples} samples of {result['dataset']} {result['split']}, "
        f"{record.timesteps} timesteps{speed}"
    )
    if record.path is not None:
        console.print_line(f"wrote {record.path}")


def print_populations(populations: list[dict[str, Any]]) -> None:
    """Spikes and rates; readouts have none."""
    rows = [p | {"spikes": None, "rate": None} if p["kind"] == "readout" else p for p in populations]
    console.print_table(POPULATIONS, rows)
