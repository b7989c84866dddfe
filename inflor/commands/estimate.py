"""inflor estimate"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inflor import console
from inflor.command import Command
from inflor.console import Column
from inflor.options import FILE, data_options, example, json_option

if TYPE_CHECKING:
    from inflor.targets.cost.result import CostReport

POPULATIONS = (
    Column("name", "population", left=True),
    Column("shape", "shape", console.shape),
    Column("spikes", "spikes", console.brief),
    Column("synaptic_events", "synaptic events", console.brief),
    Column("dense_events", "rate x MACs", console.brief),
    Column("input_macs", "input MACs", console.brief),
    Column("neuron_updates", "updates", console.brief),
    Column("active_updates", "active", console.brief),
    Column("kilobytes", "kB", console.brief),
)
COUNTED = ("spikes", "synaptic_events", "dense_events", "input_macs", "neuron_updates", "active_updates")


@click.command(
    cls=Command,
    short_help="Say what a run costs: energy, latency, memory.",
    epilog=example("inflor estimate model.int.nir --record record.h5 --hardware loihi1 cmos45"),
)
@click.argument("model", type=FILE)
@click.option("--record", type=FILE, required=True, metavar="FILE", help="A record.h5 of MODEL, with its spikes.")
@click.option(
    "--hardware",
    multiple=True,
    metavar="NAME...",
    help="Chips (inflor targets NAME) and cmos45.  [default: all]",
)
@click.option("--dataset", metavar="DATA", help="What the record was made with, to see zeros of the input.")
@click.option(
    "--table",
    type=click.Choice(["text", "markdown", "latex"]),
    default="text",
    show_default=True,
    metavar="FORMAT",
    help="text, markdown or latex.",
)
@data_options
@json_option
def command(
    model: Path,
    record: Path,
    hardware: tuple[str, ...],
    dataset: str | None,
    table: str,
    data_dir: Path | None,
    layout: Any,
    as_json: bool,
) -> None:
    """Count what MODEL (an integer .nir) did in a record, and multiply by
    published figures: energy and latency per inference.

    Each figure comes with its source, its kind and how far it was checked;
    where nothing is published, that is the answer.
    """
    import inflor
    from inflor.targets.cost.table import FORMATS

    chosen = {"hardware": hardware} if hardware else {}
    with console.progress("estimating") as progress:
        report = inflor.estimate(
            model, record, dataset=dataset, data_dir=data_dir, layout=layout, progress=progress, **chosen
        )
    if as_json:
        console.print_json({"model": model, **report.as_dict()})
        return
    if table == "text":
        samples = report.counts.samples
        rows = []
        for p in report.counts.populations:
            shown = {name: getattr(p, name) / samples for name in COUNTED}
            rows.append({"name": p.name, "shape": p.shape, **shown, "kilobytes": p.memory.shared_bytes / 1000})
        console.print_table(POPULATIONS, rows)
        console.print_line()
        if console.width() is not None:
            _show(report)
            return
    console.print_line(FORMATS[table](report))


def _show(report: CostReport) -> None:
    """The table on a terminal, in what width there is."""
    from inflor.targets.cost.table import below, table

    made = table(report)
    ends = (0, len(made.headings) - 1)
    columns = [Column(heading, heading, left=i in ends) for i, heading in enumerate(made.headings)]
    console.print_table(columns, [dict(zip(made.headings, row, strict=True)) for row in made.rows])
    console.print_line()
    console.print_paragraph(made.caption)
    console.print_line()
    for note in below(report):
        console.print_paragraph(note)
