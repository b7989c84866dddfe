"""inflor check"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from inflor import console
from inflor.console import Column
from inflor.options import (
    FILE,
    WHOLE,
    data_options,
    dataset_option,
    example,
    json_option,
    split_option,
    targets_option,
    timesteps_option,
)
from inflor.target_options import TargetCommand

DIFFERENT = 1
LAYERS = (
    Column("name", "population", left=True),
    Column("depth", "depth"),
    Column("compared", "compared"),
    Column("fired", "spikes"),
    Column("mismatches", "different"),
    Column("agreement", "agreement", console.percent),
)


@click.command(
    cls=TargetCommand,
    short_help="Compare targets spike for spike.",
    epilog=example("inflor check model.int.nir --targets cpu loihi --dataset digits --samples 4"),
)
@click.argument("model", type=FILE)
@targets_option
@dataset_option
@split_option
@click.option("--samples", type=WHOLE, default=4, show_default=True, metavar="N", help="Compare the first N.")
@click.option("--strict", is_flag=True, help="End with 1 also where anything saturated or was clipped.")
@timesteps_option
@data_options
@json_option
def command(
    model: Path, targets: tuple[str, ...], strict: bool, as_json: bool, target_options: dict[str, Any], **options: Any
) -> int:
    """Run MODEL (an integer .nir) on several targets and compare every spike.

    Ends with 0 if all are equal. If not, says where the first difference in
    causal order is, with both sides' input, potential and threshold: 1.
    Options of targets (inflor targets NAME lists them) go to all that have
    them; --loihi.chip goes to loihi alone.
    """
    import inflor
    from inflor.converter.reading.paths import sha256

    with console.progress("comparing") as progress:
        result = inflor.check(model, targets, progress=progress, **options, **target_options)
    good = result.sound if strict else result.equal
    if as_json:
        console.print_json({"model": model, "sha256": sha256(model), **result.as_dict()}, sign=True)
        return 0 if good else DIFFERENT
    console.print_table(LAYERS, result.as_dict()["layers"])
    for note in result.notes:
        console.print_line(f"note: {note}")
    compared = f"{result.compared_spikes} spikes and silences of {result.samples} samples compared"
    console.print_line(f"{' and '.join(result.targets)}: {result.verdict}; {compared}")
    if result.not_compared:
        console.print_line(f"not compared, as not every target records them: {', '.join(result.not_compared)}")
    if result.first_mismatch is not None:
        console.print_line(str(result.first_mismatch))
    return 0 if good else DIFFERENT
