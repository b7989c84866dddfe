"""inflor compare"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from inflor import console
from inflor.command import Command
from inflor.console import Column
from inflor.options import (
    FILE,
    WHOLE,
    data_options,
    dataset_option,
    example,
    json_option,
    split_option,
)


@click.command(
    cls=Command,
    short_help="Compare networks by bits, accuracy and cost.",
    epilog=example("inflor compare 4.int.nir 8.int.nir --dataset digits --out compare.html"),
)
@click.argument("models", nargs=-1, type=FILE, required=True, metavar="MODEL...")
@dataset_option
@split_option
@click.option("--samples", type=WHOLE, default=256, show_default=True, metavar="N", help="Run the first N only.")
@click.option("--hardware", multiple=True, metavar="NAME...", help="To estimate: chips (inflor targets NAME), cmos45.")
@click.option("--out", type=FILE, metavar="FILE", help="A page (.html), or the plot alone (.png, .svg).")
@data_options
@json_option
def command(models: tuple[Path, ...], as_json: bool, hardware: tuple[str, ...], **options: Any) -> None:
    """Compare MODELs (integer .nir files): accuracy, memory, energy and cores.

    For choosing bits, timesteps and chip; all of them run on the same samples.
    """
    import inflor
    from inflor.page.comparison import describe, table

    with console.progress("comparing") as progress:
        result = inflor.compare(models, hardware=hardware or None, progress=progress, **options)
    if as_json:
        console.print_json({"out": result.path, **result.as_dict()})
        return
    shown = table(result)
    columns = [Column(str(i), c.heading, left=not c.number) for i, c in enumerate(shown.columns)]
    console.print_table(columns, [{str(i): cell.text for i, cell in enumerate(row)} for row in shown.rows])
    console.print_line(describe(result))
    if result.path is None:
        console.print_line("sources of the figures: inflor estimate, or the page (--out compare.html)")
    if result.path is not None:
        console.print_line(f"wrote {result.path}")
