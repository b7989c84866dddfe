"""inflor place"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from inflor import console
from inflor.console import Column
from inflor.options import FILE, example, json_option, loihi_layout_options, spinnaker_options

POPULATIONS = (
    Column("name", "population", left=True),
    Column("model", "neuron", left=True),
    Column("shape", "shape", console.shape),
    Column("tile", "per core", console.shape),
    Column("cores", "cores"),
    Column("chips", "chips"),
    Column("kilobytes", "SDRAM kB"),
    Column("limited_by", "limited by", left=True),
)


@click.command(
    short_help="Place a network on a machine.",
    epilog=example("inflor place model.int.nir --out place.json --draw board.svg"),
)
@click.argument("model", type=FILE)
@click.option("--target", default="spinnaker", show_default=True, metavar="NAME", help="See inflor targets.")
@click.option("--out", type=FILE, metavar="FILE", help="Write all of it as JSON: placements, keys, tables.")
@click.option("--draw", type=FILE, metavar="FILE", help="Draw the board, .svg or .png.")
@click.option("--record", type=FILE, metavar="FILE", help="A record.h5, whose spike rates weigh the traffic.")
@click.option("--chip", metavar="NAME", help="Whose limits.  [default: spinnaker1]")
@loihi_layout_options
@spinnaker_options(hidden=False)
@json_option
def command(model: Path, as_json: bool, out: Path | None, draw: Path | None, **options: Any) -> None:
    """Place MODEL (an integer .nir) on the cores and chips of a machine.

    Says what each population takes and why; writes and draws it if asked to.
    """
    from inflor import api
    from inflor.converter.files import atomic_path

    api.refuse_overwrite(out, model, options["record"], options["dead"])
    api.refuse_overwrite(draw, model, options["record"], options["dead"], option="--draw")
    api.refuse_twice(out, draw)
    placed = api.place(model, draw=draw, **options)
    plain = placed.description
    if out is not None:
        with atomic_path(out) as temporary:
            temporary.write_text(json.dumps(plain))
    if "table" in plain and not as_json:
        console.print_line(plain["table"])
        for violation in plain["violations"]:
            console.print_line(f"warning: {violation}")
        return
    if as_json:
        console.print_json({"model": model, "out": out, "drawn": draw, **plain})
        return
    rows = [p | {"kilobytes": -(-p["sdram_bytes"] // 1000)} for p in plain["populations"]]
    console.print_table(POPULATIONS, rows)
    traffic, entries = plain["traffic"], plain["routing_entries"]
    console.print_line(
        f"{plain['cores']} cores on {plain['chips']} chips of {plain['boards']} boards ({plain['chip']}), "
        f"{plain['synapses']} synapses, {entries['after']} routing entries ({entries['before']} before compression)"
    )
    console.print_line(
        f"traffic {traffic['packet_hops']:.0f} packets x hops per tick; in the order of the network it would be "
        f"{traffic['naive_order']:.0f}"
    )
    if plain["guard_steps"] or plain["ticks_per_step"] > 1:
        console.print_line(
            f"{plain['ticks_per_step']} ticks per step, and {plain['guard_steps']} guard steps after each sample, for "
            "its cycles and delays"
        )
    for note in plain["assumed"]:
        console.print_line(f"note: {note}")
    for violation in plain["violations"]:
        console.print_line(f"warning: {violation}")
    for path in (out, draw):
        if path is not None:
            console.print_line(f"wrote {path}")
