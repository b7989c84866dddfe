"""The options of the installed targets on the command line, made from their typed ones."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import click

from inflor.command import Command
from inflor.options import FILE, LARGEST, Memory, Seconds, Whole
from inflor.targets import registry
from inflor.targets.api import Option, options_of

OWNER = "__"
"""Stands for the dot of --loihi.chip in the name of a parameter, and before that of --chip."""


class TargetCommand(Command):
    """A command that also takes every option of every target.

    They are left out of its help, which `inflor targets NAME` gives, and reach the command as `target_options`, by
    name: "chip", or "loihi.chip" where it was given for one target only.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        params = super().get_params(ctx)
        taken = {flag for p in params for flag in p.opts}
        return [*params[:-1], *(p for p in _parameters() if not taken & set(p.opts)), params[-1]]  # the last is --help

    def invoke(self, ctx: click.Context) -> Any:
        names = {str(p.name) for p in _parameters()} & set(ctx.params)
        given = {name.replace(OWNER, ".").removeprefix("."): ctx.params.pop(name) for name in names}
        ctx.params["target_options"] = {name: value for name, value in given.items() if value is not None}
        return super().invoke(ctx)


def _parameters() -> list[click.Option]:
    """--NAME for every name, and --TARGET.NAME for every target that has it."""
    found = {name: options_of(target) for name, target in registry.targets().items()}
    shared: dict[str, list[Option]] = {}
    for options in found.values():
        for name, spec in options.items():
            shared.setdefault(name, []).append(spec)
    params = [_parameter(flag(name), f"{OWNER}{name}", specs) for name, specs in shared.items()]
    for target, options in found.items():
        params += [
            _parameter(f"--{target}.{flag(name)[2:]}", f"{target}{OWNER}{name}", [spec])
            for name, spec in options.items()
        ]
    return params


def flag(name: str) -> str:
    """An option as it is typed: --state-bits for state_bits."""
    return f"--{name.replace('_', '-')}"


def _parameter(typed: str, name: str, specs: list[Option]) -> click.Option:
    """One option, whose values are checked as far as all targets that have it agree."""
    kinds = {spec.kind for spec in specs}
    if kinds == {"flag"}:
        return click.Option([typed, name], is_flag=True, default=None, hidden=True)
    types = [_type([spec]) for spec in specs]
    return click.Option([typed, name], type=_type(specs) if len(kinds) == 1 else Either(types), hidden=True)


class Either(click.ParamType[Any]):
    """What the first of several types takes that takes it: of targets that mean different things by one name."""

    name = "value"

    def __init__(self, types: Sequence[click.ParamType[Any]]) -> None:
        self.types = types

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        for kind in self.types[:-1]:
            with contextlib.suppress(click.BadParameter):
                return kind.convert(value, param, ctx)
        return self.types[-1].convert(value, param, ctx)


def _type(specs: list[Option]) -> click.ParamType[Any]:
    spec = specs[0]
    if spec.kind == "choice":
        return click.Choice(list(dict.fromkeys(choice for s in specs for choice in s.choices)))
    if spec.kind == "whole":
        bounded = all(s.most is not None for s in specs)
        return Whole(min(s.least for s in specs), max(s.most or 0 for s in specs) if bounded else LARGEST)
    kinds: Mapping[str, click.ParamType[Any]] = {
        "number": click.FLOAT,
        "seconds": Seconds(),
        "bytes": Memory(),
        "file": FILE,
        "text": click.STRING,
        "flag": click.BOOL,
    }
    return kinds[spec.kind]
