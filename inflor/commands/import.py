"""inflor import"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inflor import console
from inflor.command import Command
from inflor.options import FILE, SEED, WHOLE, DataSetName, data_options, example, json_option

if TYPE_CHECKING:
    from inflor.converter.modules.compare import Difference, ImportComparison, PopulationComparison

DIFFERENT = 1
TIMES = ("step", "inside", "first", "second", "joined")


class Sizes(click.ParamType[tuple[int, ...]]):
    """A shape as 1,28,28."""

    name = "shape"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = value.replace("x", ",").split(",")
        if not all(part.strip().isdigit() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} is not a shape; write it as 1,28,28.", param, ctx)
        return tuple(int(part) for part in parts)


class Numbers(click.ParamType[tuple[float, ...]]):
    """Numbers as 0.49,0.48,0.45."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no number and no list of numbers; write it as 0.49,0.48,0.45.", param, ctx)


@click.command(
    cls=Command,
    dumps=True,
    short_help="Make a .nir of a torch module.",
    epilog=example(
        "inflor import net.py:Net --example 1,28,28 --timesteps 10 --out model.nir",
    ),
)
@click.argument("module", metavar="FILE.py:NAME")
@click.option("--weights", type=FILE, metavar="FILE", help="Its state dict, as torch.save wrote it.")
@click.option("--example", "shape", type=Sizes(), required=True, metavar="SHAPE", help="Of one sample: 1,28,28.")
@click.option("--timesteps", type=WHOLE, metavar="T", help="Steps a sample.  [default: of a loop in it]")
@click.option("--out", type=FILE, metavar="FILE", required=True, help="The .nir to write.")
@click.option("--time", type=click.Choice(TIMES), metavar="KIND", help="Where time is, see above.  [default: tried]")
@click.option("--dataset", cls=DataSetName, metavar="DATA")
@click.option("--samples", type=WHOLE, default=16, show_default=True, metavar="N", help="Compare the first N.")
@click.option(
    "--mean", type=Numbers(), default=(0.0,), metavar="M", help="Data are (x - M) / S: 0.13, or one a channel."
)
@click.option("--std", type=Numbers(), default=(1.0,), metavar="S", help="Written to the file.  [default: 0 and 1]")
@click.option("--seed", type=SEED, default=0, show_default=True, metavar="N", help="Of random samples.")
@data_options
@json_option
def command(
    module: str,
    weights: Path | None,
    shape: tuple[int, ...],
    timesteps: int | None,
    out: Path,
    time: Any,
    dataset: str | None,
    samples: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    seed: int,
    data_dir: Path | None,
    layout: Any,
    as_json: bool,
) -> int:
    """Make a .nir of a torch module, and compare every spike with its own.

    FILE.py is executed: give one that you trust. No other command executes a
    file. NAME is a module, or a class or function without arguments that makes
    one. --example has no batch and no time. --time says where the module has
    its time: step (one call is one step), inside (it has a loop), first or
    second (axis of all steps), joined (batch * time). Without --dataset random numbers are compared.
    Exit code 1: something other than a tie of float32 differs, and nothing is
    written.
    """
    import inflor
    from inflor.api.loading import refuse_overwrite
    from inflor.api.module_file import load_module

    path = module.rpartition(":")[0]
    for source in (path, weights, dataset):
        refuse_overwrite(out, source)
    network = load_module(module, weights)
    with contextlib.redirect_stdout(sys.stderr):  # what its forward prints
        result = inflor.from_torch(
            network,
            shape,
            timesteps,
            out=out,
            data=dataset,
            samples=samples,
            time=time,
            data_dir=data_dir,
            layout=layout,
            input_mean=mean,
            input_std=std,
            seed=seed,
        )
    comparison = result.comparison
    if as_json:
        console.print_json(
            {
                "module": module,
                "out": result.path,
                "timesteps": result.graph.info.timesteps,
                "nodes": [
                    {"name": name, "type": type(result.graph.nodes[name]).__name__} for name in result.graph.order
                ],
                "notes": result.notes,
                "comparison": comparison.as_dict(),
            }
        )
    else:
        for note in result.notes:
            console.print_line(f"note: {note}")
        print_comparison(comparison)
        if comparison.differs:
            console.print_line(f"not written: what was made is not the module, as it differs above ({out})")
        else:
            console.print_line(f"wrote {result.path}: {len(result.graph.nodes)} nodes")
            console.print_line(
                f"next: inflor report {result.path} --dataset {dataset or 'DATA'} --targets cpu spinnaker"
            )
    return DIFFERENT if comparison.differs else 0


def print_comparison(comparison: ImportComparison) -> None:
    """A line for every population, and one of the predictions."""
    run = f"{comparison.timesteps} steps x {comparison.samples} samples"
    console.print_line(f"driven by the module's own spikes, on {comparison.data}:")
    for population in comparison.populations:
        console.print_line(f"  {population.name}: {_verdict(population)}, {_seen(population)} in {run}")
        if population.first is not None:
            console.print_line(f"    {_shown(population.first, population.kind)}")
    console.print_line(f"predictions of the whole: {comparison.predictions} of {comparison.samples} the same")
    if comparison.undecided:
        console.print_line(f"  of {comparison.undecided} the module gives every class the same, which compares nothing")
    if comparison.unexplained:
        console.print_line(f"  {comparison.unexplained} differ although every spike is the same")


def _seen(population: PopulationComparison) -> str:
    return f"{population.spikes:,} spikes" if population.kind == "spikes" else f"{population.compared:,} potentials"


def _verdict(population: PopulationComparison) -> str:
    if population.differing:
        what = "neurons" if population.kind == "spikes" else "potentials"
        return f"{population.differing:,} {what} DIFFER"
    if population.never:
        return "never fires, so that little is compared"
    if population.always:
        return "always fires, so that little is compared"
    return "equal" if not population.ties else f"equal but for {population.ties:,} ties of float32"


def _shown(first: Difference, kind: str) -> str:
    theirs = "unknown" if first.theirs is None else f"{first.theirs:.9g}"
    place = f"sample {first.sample}, step {first.step}, neuron {','.join(map(str, first.neuron))}"
    fired = f"; the module {'fires' if first.fired else 'does not fire'}, at {first.threshold:.9g}"
    return f"first: {place}: potential {theirs} in the module, {first.ours:.9g} here{fired if kind == 'spikes' else ''}"
