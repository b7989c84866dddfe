"""inflor convert"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from inflor import console
from inflor.command import Command
from inflor.options import FILE, beside, example, json_option, time_options


@click.command(
    cls=Command,
    dumps=True,
    short_help="Export to NIR, or validate a .nir.",
    epilog=example(
        "inflor convert runs/digits/model.pt --out model.nir",
        "inflor convert their.nir --from snntorch --out model.nir",
    ),
)
@click.argument("model", type=FILE)
@click.option("--out", type=FILE, metavar="FILE", help="The .nir to write.  [default: beside a model.pt]")
@click.option(
    "--to",
    "form",
    default="nir",
    show_default=True,
    metavar="FORM",
    help="nir, or of integer networks what a target exports: inflor targets NAME lists it.",
)
@click.option(
    "--portable",
    is_flag=True,
    help="Of a float network: say soft resets in plain NIR, for readers without our metadata.",
)
@click.option(
    "--step",
    type=float,
    metavar="DT",
    help="Write times in a unit in which a step is DT (snntorch, spikingjelly read 1e-4; norse 1e-3).",
)
@time_options
@json_option
def command(
    model: Path, out: Path | None, form: str, portable: bool, step: float | None, as_json: bool, **time: Any
) -> None:
    """Export a trained MODEL (.pt) to NIR, or validate one (.nir).

    A .nir is written, in the order of evaluation, only where --out says so. What
    a .nir of another framework leaves open about time is then said in it; --from
    is snntorch, norse, spikingjelly, sinabs, rockpool, lava-dl or nengo.
    """
    import inflor
    from inflor.api.loading import kind_of

    if form != "nir":
        if portable or step is not None:
            raise click.UsageError("--portable and --step are about NIR files; leave them out with --to.")
        known = inflor.exports()
        out = out or beside(model, known[form].suffix if form in known else "")
        notes = inflor.export_to(model, form, out)
        if as_json:
            console.print_json({"model": model, "out": out, "notes": notes})
            return
        for note in notes:
            console.print_line(f"note: {note}")
        console.print_line(f"wrote {out}")
        return
    if out is None and kind_of(model) == "checkpoint":
        out = beside(model, ".nir")
    result = inflor.convert(model, out, conventions=inflor.Conventions(**time), portable=portable, step=step)
    graph = result.graph
    if as_json:
        console.print_json(
            {
                "model": model,
                "out": result.path,
                "valid": True,
                "stage": graph.info.stage,
                "timesteps": graph.info.timesteps if graph.info.says_timesteps else None,
                "nodes": [{"name": name, "type": type(graph.nodes[name]).__name__} for name in graph.order],
                "notes": result.notes,
            }
        )
        return
    for note in result.notes:
        console.print_line(f"note: {note}")
    steps = f", {graph.info.timesteps} timesteps" if graph.info.says_timesteps else ""
    console.print_line(f"{model}: a valid {graph.info.stage} network, {len(graph.nodes)} nodes{steps}")
    if result.path is not None:
        console.print_line(f"wrote {result.path}")
        if graph.info.stage == "float" and not portable:
            console.print_line(f"next: inflor quantize {result.path} --calibrate {graph.info.dataset or 'DATA'}")
