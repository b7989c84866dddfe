"""What every command of the command line shares: lists of names, what is logged, graphs that are dumped."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from inflor.options import FILE

VERBOSE = click.Option(["--verbose", "-v"], is_flag=True, help="Log what is done, on standard error.")
DUMP = click.Option(["--dump"], type=FILE, metavar="DIR", help="Write the graph after every pass into this folder.")


class Command(click.Command):
    """A command that takes -v, and lists in one grammar.

    The values of an option of several names (`multiple=True`) are written as `a b`, as `a,b`, or with the option
    repeated: `--targets cpu loihi`, `--targets cpu,loihi`, `--targets cpu --targets loihi`. A list ends at the next
    option, and before what is a file rather than a name.

    Attributes:
        dumps: whether it takes --dump.
    """

    def __init__(self, *arguments: Any, dumps: bool = False, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.dumps = dumps

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        params = super().get_params(ctx)
        return [*params[:-1], *((DUMP,) if self.dumps else ()), VERBOSE, params[-1]]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        lists = {flag for p in self.params if isinstance(p, click.Option) and p.multiple for flag in p.opts}
        return super().parse_args(ctx, _repeated(args, lists))

    def invoke(self, ctx: click.Context) -> Any:
        verbose, dump = ctx.params.pop("verbose"), ctx.params.pop("dump", None)
        with _logged(verbose), _dumped(dump):
            return super().invoke(ctx)


def _repeated(args: Sequence[str], lists: set[str]) -> list[str]:
    """The arguments with a list's option before each of its values."""
    found: list[str] = []
    option, first = "", False
    for arg in args:
        name, equals, value = arg.partition("=")
        if arg.startswith("-"):
            option = name if name in lists else ""
            first = bool(option) and not equals
            if option and equals:
                found += [part for one in value.split(",") if one for part in (option, one)]
            elif not option:
                found.append(arg)
        elif option and (first or not _is_file(arg)):
            found += [part for one in arg.split(",") if one for part in (option, one)]
            first = False
        else:
            option = ""
            found.append(arg)
    return found


def _is_file(arg: str) -> bool:
    """Whether an argument is a file rather than a name of a target or of hardware."""
    if "=" in arg:  # a name and a number, as in fc.1=4
        return os.path.isfile(arg)
    if os.sep in arg or "." in arg or not os.path.isfile(arg):
        return os.sep in arg or "." in arg
    from inflor.targets import registry

    return arg not in registry.targets() and arg not in registry.chips()


@contextlib.contextmanager
def _logged(verbose: bool) -> Iterator[None]:
    """Loggers of this package write to standard error: warnings, and with `verbose` all that is worth a line."""
    log = logging.getLogger("inflor")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s" if verbose else "%(levelname)s: %(message)s"))
    before, passed = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO if verbose else logging.WARNING)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
        log.propagate = passed


@contextlib.contextmanager
def _dumped(folder: Path | None) -> Iterator[None]:
    if folder is None:
        yield
        return
    from inflor.api.dumping import dumping_to

    with dumping_to(folder):
        yield
