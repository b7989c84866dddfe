"""inflor train"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from inflor import console
from inflor.command import Command
from inflor.options import (
    FILE,
    SEED,
    WHOLE,
    Whole,
    data_options,
    dataset_option,
    example,
    json_option,
    threads_option,
)

OPTIMIZERS = ("sgd", "adam", "adamw")
NEURONS = ("srif", "if", "lif")
SURROGATES = ("straight_through", "triangle", "arctan")
AUGMENTS = ("none", "shift", "crop_flip")
DEVICES = ("auto", "cpu", "cuda")
"""Written out here, so that --help need not import what defines them; a test holds them together."""


@click.command(
    cls=Command,
    short_help="Train a spiking network.",
    epilog=example("inflor train --dataset digits --model convnet --out runs/digits"),
)
@dataset_option
@click.option(
    "--model",
    default="convnet",
    show_default=True,
    metavar="NAME",
    help="mlp, convnet, resnet8, resnet18, resnet19, resnet20, resnet34, vgg11 or vgg16.",
)
@click.option("--out", type=FILE, metavar="DIR", help="Folder to write to.  [default: runs/DATA-NAME]")
@click.option("--timesteps", type=WHOLE, metavar="T", help="Steps per sample.  [default: 4]")
@click.option("--epochs", type=WHOLE, metavar="N", help="Passes over the data.")
@click.option("--batch-size", type=Whole(2), metavar="N", help="Samples per update.")
@click.option("--lr", "learning_rate", type=float, metavar="X", help="Learning rate; falls to 0 along a cosine.")
@click.option("--optimizer", type=click.Choice(OPTIMIZERS), metavar="NAME", help="sgd (momentum 0.9), adam or adamw.")
@click.option("--weight-decay", type=float, metavar="X", help="Of conv and linear weights.")
@click.option("--channels", type=WHOLE, metavar="N", help="Base width of the network.")
@click.option("--neuron", type=click.Choice(NEURONS), metavar="KIND", help="srif (soft reset), if or lif (hard reset).")
@click.option(
    "--surrogate",
    type=click.Choice(SURROGATES),
    metavar="KIND",
    help="straight_through, triangle or arctan: the gradient of a spike.",
)
@click.option(
    "--augment", type=click.Choice(AUGMENTS), metavar="KIND", help="none, shift or crop_flip: changes of images."
)
@click.option("--device", type=click.Choice(DEVICES), metavar="NAME", help="auto, cpu or cuda.  [default: auto]")
@click.option("--seed", type=SEED, default=0, show_default=True, metavar="N", help="Of everything random.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the --out folder.")
@threads_option
@data_options
@json_option
def command(dataset: str, model: str, out: Path | None, resume: bool, as_json: bool, **options: Any) -> None:
    """Train a spiking network: writes model.pt and metrics.json.

    Settings that you leave out are those that work well for the data.
    """
    import inflor

    out = out or Path("runs") / f"{Path(dataset).stem}-{model}"
    with console.progress("training") as progress:
        result = inflor.train(dataset, model, out=out, resume=resume, progress=progress, **options)
    metrics = result.metrics
    if as_json:
        console.print_json({"model": result.model_path, **metrics})
        return
    count = metrics["dataset"]["test"]
    console.print_line(f"test accuracy {console.percent(metrics['test_accuracy'])} ({count} samples)")
    epochs = len(metrics["epochs"])
    console.print_line(f"{metrics['parameters']} parameters, {epochs} epochs in {metrics['seconds']:.1f} s")
    console.print_line(f"wrote {result.model_path}\nnext: inflor convert {result.model_path}")
