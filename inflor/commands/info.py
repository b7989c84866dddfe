"""inflor info"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from inflor import console
from inflor.command import Command
from inflor.console import Column, Row
from inflor.options import FILE, example, json_option, time_options


@click.command(cls=Command, short_help="Say what a file holds.", epilog=example("inflor info model.int.nir"))
@click.argument("file", type=FILE)
@time_options
@json_option
def command(file: Path, as_json: bool, **time: Any) -> None:
    """Say what FILE holds: a model.pt, a .nir (float or integer) or a record.

    Layers, shapes, bits, scales and ranges, and where the file came from.
    """
    import inflor
    from inflor import describe

    description = describe.info(file, inflor.Conventions(**time))
    if as_json:
        console.print_json(description.as_dict())
        return
    console.print_line(f"{file}: {description.kind}\n")
    console.print_facts(description.facts)
    for name, rows in description.tables.items():
        console.print_line(f"\n{name.replace('_', ' ')}")
        keys = list(rows[0]) if rows else []
        console.print_table([_column(key, rows) for key in keys], rows)


def _column(key: str, rows: Sequence[Row]) -> Column:
    heading = key.replace("_", " ")
    value = next((row[key] for row in rows if row[key] is not None), None)
    if key in ("shape", "weights", "kernel", "stride"):
        return Column(key, heading, console.shape, left=True)
    if isinstance(value, str):
        return Column(key, heading, left=True)
    return Column(key, heading, _show)


def _show(value: object) -> str:
    if isinstance(value, tuple) and len(value) == 2:
        return console.span(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
