"""Options and parameter types that several commands share; those of targets are in `inflor.target_options`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from inflor.converter.passes.conventions import Conventions

FILE = click.Path(path_type=Path)
FRAMEWORKS = ("snntorch", "norse", "spikingjelly", "sinabs", "rockpool", "lava-dl", "nengo")
INTEGRATIONS = ("euler", "exponential")
RESETS = ("zero", "subtract")
_FROM = "Framework that wrote a .nir; inflor convert lists them."
LARGEST = 2**31 - 1
"""What a number of samples, steps or threads may be at most; it is not said."""
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


class Whole(click.ParamType[int]):
    """A whole number from `least` to `most`, both allowed."""

    name = "number"

    def __init__(self, least: int, most: int | None = None) -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value)
        except ValueError:
            number = None
        if number is None or number < self.least or (self.most is not None and number > self.most):
            open_end = self.most is None or (self.most >= LARGEST and (number or 0) <= self.most)
            end = f"of at least {self.least}" if open_end else f"from {self.least} to {self.most}"
            self.fail(f"{value} is not a whole number {end}.", param, ctx)
        return number


WHOLE = Whole(1, LARGEST)
SEED = Whole(0, 2**63 - 1)
THREADS = Whole(1, 1024)


class LayerBits(click.ParamType[tuple[str, int]]):
    """Bits of all weights, N, or of those into one population, NAME=N: the name, "" for all, and the number."""

    name = "bits"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        name, equals, number = str(value).rpartition("=")
        if equals and not name:
            self.fail(f"{value!r} names no population; write it as NAME=4.", param, ctx)
        return name, Whole(2, 8).convert(number, param, ctx)


class Memory(click.ParamType[int]):
    """A number of bytes such as 512M, 2G or 1.5GiB; units are powers of 1024."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)(?:i?B)?", value.strip(), re.IGNORECASE)
        size = float(match[1]) * 1024 ** _POWERS[match[2].upper()] if match else 0.0
        if not 1 <= size < 2**63:
            self.fail(f"{value!r} is not a size of memory; write it as 512M or 2G.", param, ctx)
        return int(size)


def example(*commands: str) -> str:
    """An epilog that shows how the command is used."""
    return "\b\nExample:\n" + "\n".join(f"  {command}" for command in commands)


class DataSetName(click.Option):
    """The option --dataset; its help lists the data sets that there are when it is shown."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from inflor.converter.datasets.registry import names

        self.help = f"{', '.join(names())} or the path of an .npz."
        return super().get_help_record(ctx)


dataset_option = click.option("--dataset", cls=DataSetName, required=True, metavar="DATA")
split_option = click.option(
    "--split",
    type=click.Choice(["train", "test"]),
    default="test",
    show_default=True,
    metavar="PART",
    help="train or test.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
_data_dir = click.option("--data-dir", type=FILE, metavar="DIR", help="Folder of mnist, cifar10 and the like.")
_layout = click.option(
    "--layout",
    type=click.Choice(["auto", "chw", "hwc"]),
    default="auto",
    metavar="KIND",
    help="auto, chw or hwc: images in an .npz.  [default: auto]",
)


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every command with a data set takes: where its files are, and the layout of its images."""
    return _data_dir(_layout(command))


threads_option = click.option("--threads", type=THREADS, metavar="N", help="CPU threads to use.  [default: all]")
targets_option = click.option(
    "--targets", multiple=True, required=True, metavar="NAME...", help="Two or more; see inflor targets."
)


def beside(path: Path, suffix: str) -> Path:
    """The path with everything from its first suffix of a model replaced: runs/model.pt, ".nir" -> runs/model.nir."""
    stem = path.name
    for known in (".pt", ".pth", ".int.nir", ".nir"):
        stem = stem.removesuffix(known)
    return path.parent / (stem + suffix)


class Positive(click.ParamType[float]):
    """A positive number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            self.fail(f"{value} is not a positive number.", param, ctx)
        return number


timesteps_option = click.option("--timesteps", type=WHOLE, metavar="T", help="Steps per sample, if not MODEL's.")


def time_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a float .nir of another framework does not say about time."""
    for option in reversed(
        (
            click.option("--from", "framework", type=click.Choice(FRAMEWORKS), metavar="NAME", help=_FROM),
            click.option(
                "--dt", type=Positive(), metavar="T", help="A step, in the unit of the file's time constants."
            ),
            click.option(
                "--integration", type=click.Choice(INTEGRATIONS), metavar="RULE", help="euler or exponential."
            ),
            timesteps_option,
            click.option("--reset", type=click.Choice(RESETS), metavar="KIND", help="zero or subtract."),
        )
    ):
        command = option(command)
    return command


class Seconds(click.ParamType[float]):
    """A positive number of seconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 0 < number < 1e9:
            self.fail(f"{value} is not a positive number of seconds.", param, ctx)
        return number


def conventions_of(options: dict[str, Any]) -> Conventions:
    """Take the options of `time_options` out of a command's."""
    from inflor.converter.passes.conventions import Conventions

    names = ("framework", "dt", "integration", "timesteps", "reset")
    return Conventions(**{name: options.pop(name) for name in names})
