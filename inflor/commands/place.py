"""inflor place"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from inflor import console
from inflor.console import Column
from inflor.options import FILE, example, json_option
from inflor.target_options import TargetCommand


@click.command(
    cls=TargetCommand,
    short_help="Place a network on a machine.",
    epilog=example("inflor place model.int.nir --out place.json --draw board.svg"),
)
@click.argument("model", type=FILE)
@click.option("--target", default="spinnaker", show_default=True, metavar="NAME", help="See inflor targets.")
@click.option("--out", type=FILE, metavar="FILE", help="Write all of it as JSON: placements, keys, tables.")
@click.option("--draw", type=FILE, metavar="FILE", help="Draw the board, .svg or .png.")
@click.option("--record", type=FILE, metavar="FILE", help="A record.h5, whose spike rates weigh the traffic.")
@json_option
def command(
    model: Path, as_json: bool, out: Path | None, draw: Path | None, target_options: dict[str, Any], **options: Any
) -> None:
    """Place MODEL (an integer .nir) on the cores and chips of a machine.

    Says what each population takes and why; writes and draws it if asked to.
    Each target takes options of its own too: inflor targets NAME lists them.
    """
    import inflor
    from inflor.api.loading import refuse_overwrite, refuse_twice
    from inflor.converter.files import atomic_path

    sources = (model, options["record"], *target_options.values())
    refuse_overwrite(out, *sources)
    refuse_overwrite(draw, *sources, option="draw")
    refuse_twice(out, draw)
    placed = inflor.place(model, draw=draw, **options, **target_options)
    if out is not None:
        with atomic_path(out) as temporary:
            temporary.write_text(json.dumps(console.typed(placed.description)))
    if as_json:
        console.print_json({"model": model, "out": out, "drawn": draw, **placed.description})
        return
    shown = placed.shown
    if shown.columns:
        columns = [Column(key, heading, *_style(key, shown.rows)) for key, heading in shown.columns]
        console.print_table(columns, shown.rows)
    for line in shown.lines:
        console.print_line(line)
    for violation in placed.description.get("violations", ()):
        console.print_line(f"warning: {violation}")
    for path in (out, draw):
        if path is not None:
            console.print_line(f"wrote {path}")


def _style(key: str, rows: Sequence[Mapping[str, Any]]) -> tuple[Callable[[Any], str], bool]:
    """How the values of a column are written: lists as shapes, texts to the left."""
    values = [row[key] for row in rows]
    if any(isinstance(value, list | tuple) for value in values):
        return console.shape, False
    return str, any(isinstance(value, str) for value in values)
