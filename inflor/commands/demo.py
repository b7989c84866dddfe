"""inflor demo"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inflor import console
from inflor.command import Command
from inflor.console import Column
from inflor.options import FILE, SEED, example, json_option

if TYPE_CHECKING:
    from inflor.demonstrate import DemoResult, Step

POPULATIONS = (
    Column("population", "population", left=True),
    Column("shape", "shape", console.shape),
    Column("spikes_float", "spikes float"),
    Column("spikes_integer", "spikes int"),
    Column("rate_float", "rate float", console.percent),
    Column("rate_integer", "rate int", console.percent),
)
LOST = (
    Column("population", "population", left=True),
    Column("weight_snr_db", "weights' SNR dB", lambda value: f"{value:.1f}"),
    Column("agreement", "same spikes", console.percent),
    Column("threshold", "threshold", console.span),
    Column("state_bits", "state bits"),
)


@click.command(cls=Command, epilog=example("inflor demo --out runs/demo"))
@click.option("--out", type=FILE, default=Path("runs/demo"), show_default=True, metavar="DIR", help="Where to write.")
@click.option("--model", default="convnet", show_default=True, metavar="NAME", help="Which network to train.")
@click.option("--seed", type=SEED, default=0, show_default=True, metavar="N", help="The same seed, the same result.")
@json_option
def command(out: Path, model: str, seed: int, as_json: bool) -> None:
    """All of it on real handwritten digits, in under three minutes.

    Trains a network, exports it to NIR, fixes it to 8 bits, runs both on every
    test image, compares targets spike for spike and shows it all on one page.
    """
    from inflor.demonstrate import demo

    if out.exists() and not out.is_dir():
        raise click.UsageError(f"{out}: is a file; name a folder with --out.")
    if not as_json:
        console.print_line("InfLoR on scikit-learn's handwritten digits: from training to integers. By hand:\n")
    result = demo(out, model=model, seed=seed, watch=console.progress, report=None if as_json else print_step)
    if as_json:
        console.print_json(result.as_dict())
    else:
        print_result(result)


def print_step(step: Step) -> None:
    """The command that does the same, and the time that it took."""
    console.print_line(f"$ {step.command}    # {step.seconds:.1f} s")


def print_result(result: DemoResult) -> None:
    """What came out: notes, spikes, what each layer lost, accuracy, files."""
    console.print_line()
    for note in result.conversion.notes:
        console.print_line(f"note: {note}")
    report, record = result.quantized.report, result.in_integers
    console.print_line(f"\nspikes on the test split ({record.samples} images, {record.timesteps} timesteps)")
    console.print_table(POPULATIONS, _populations(result))
    others = "others than those calibrated on" if report.held_out else "those calibrated on"
    console.print_line(f"\nwhat {report.bits} bits cost each layer ({report.judged} training images, {others})")
    console.print_table(LOST, report.as_dict()["layers"])
    before, after = result.in_float.accuracy or 0.0, record.accuracy or 0.0
    same = float((result.in_float.predictions == record.predictions).mean())
    console.print_line(f"\ntest accuracy in float     {console.percent(before)}")
    console.print_line(
        f"test accuracy in integers  {console.percent(after)}  ({100 * (after - before):+.2f} points, "
        f"same prediction for {console.percent(same)})"
    )
    verdict = "the same spikes" if result.equivalence.equal else f"{result.equivalence.mismatches} different spikes"
    console.print_line(
        f"\n{' and '.join(result.equivalence.targets)}: {verdict}, {result.equivalence.compared_spikes} compared"
    )
    console.print_line(f"all of it on one page: {result.page.path}")
    console.print_line(f"\n{result.seconds:.0f} s; the files are in {result.out}:")
    for path in sorted(result.out.iterdir()):
        if path.is_file():
            console.print_line(f"  {path.name:<16} {path.stat().st_size:>9} bytes")


def _populations(result: DemoResult) -> list[dict[str, Any]]:
    plain = result.as_dict()
    before = {p["name"]: p for p in plain["float"]["populations"]}
    rows = []
    for p in plain["integer"]["populations"]:
        fires = p["kind"] != "readout"
        rows.append(
            {
                "population": p["name"],
                "shape": p["shape"],
                "spikes_float": before[p["name"]]["spikes"] if fires else None,
                "spikes_integer": p["spikes"] if fires else None,
                "rate_float": before[p["name"]]["rate"] if fires else None,
                "rate_integer": p["rate"] if fires else None,
            }
        )
    return rows
