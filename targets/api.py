"""The contract of a target: one object that everything which runs, checks, places and prices networks goes through.

A target is a plugin. Its distribution names a `Target` under an entry point of the group `inflor.targets`:

    [project.entry-points."inflor.targets"]
    toy = "toy_target:TARGET"

The command line takes the target's options from `Target.options`, its chips from `Target.chips`, and so on; nothing
else names a target. This module imports nothing heavy, and a target's module should not either: `deferred` delays an
import until a function is called.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from inflor.converter.errors import InputError
from inflor.quant.ir.features import Feature

if TYPE_CHECKING:
    import numpy.typing as npt

    from inflor.quant.ir.network import IntegerNetwork
    from inflor.quant.run.kernel import Profile
    from inflor.targets.cost.result import Estimate
    from inflor.targets.cost.terms import Case
    from inflor.targets.mapping import CoreMap
    from inflor.targets.record.file import RecordedPopulation
    from inflor.targets.record.recorder import Recorder

Progress = Callable[[int, int], None]
"""Called with the number of samples done and of samples in all."""
Facts = Mapping[str, Any]
"""What a run took and met, as plain data; it goes into the record beside the plan."""
Rates = Mapping[str, float]
"""Spikes per neuron and step of each population, by name."""
Kind = Literal["whole", "number", "seconds", "bytes", "flag", "choice", "text", "file"]


@dataclass(frozen=True, kw_only=True)
class Option:
    """What one option of a target takes.

    Attributes:
        kind: "whole" and "number" are numbers, "seconds" a positive time, "bytes" a positive size, "flag" true or
            false, "choice" one of `choices`, "text" and "file" a text and a path.
        help: one line for `inflor targets NAME`.
        choices: what a "choice" takes.
        least, most: bounds of a "whole", both allowed.
        metavar: what stands for the value in help.
    """

    kind: Kind
    help: str
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None
    metavar: str = "VALUE"


def option(
    default: Any,
    help: str,
    *,
    kind: Kind = "text",
    choices: tuple[str, ...] = (),
    least: int = 0,
    most: int | None = None,
    metavar: str = "",
) -> Any:
    """A field of a target's options: a dataclass of these is the type `Target.options`."""
    names: dict[Kind, str] = {"seconds": "S", "bytes": "SIZE", "file": "FILE", "text": "TEXT", "choice": "NAME"}
    spec = Option(
        kind="choice" if choices else kind,
        help=help,
        choices=choices,
        least=least,
        most=most,
        metavar=metavar or names.get("choice" if choices else kind, "N"),
    )
    return field(default=default, metadata={"option": spec})


@dataclass(frozen=True)
class NoOptions:
    """The options of a target that has none."""


@dataclass(frozen=True)
class Violation:
    """A limit that a network breaks on a target.

    Attributes:
        population: the population or the part of the chip that it concerns.
        limit: what is limited, e.g. "synaptic sum may reach".
        number: what the network needs.
        allowed: what there is.
        mend: what to do.
        fatal: the network cannot be lowered at all; otherwise it runs, and the result says so.
    """

    population: str
    limit: str
    number: Any
    allowed: Any
    mend: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"population {self.population!r}: {self.limit} {self.number}, allowed is {self.allowed}; {self.mend}"


class UnplaceableError(InputError):
    """A network that a target cannot take; `violations` says why."""

    def __init__(self, source: str, where: str, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__(f"{source}: cannot be lowered to {where}: " + "; ".join(map(str, violations)))


class Plan(Protocol):
    """A network placed on a target: plain data of the target's own that no run changes."""

    @property
    def populations(self) -> tuple[RecordedPopulation, ...]:
        """What a run records: all of it for every sample, or the run is an error."""
        ...

    def summary(self) -> dict[str, Any]:
        """What was decided, as plain data for JSON. Under "violations": texts of the limits that it breaks."""
        ...


@dataclass(frozen=True, kw_only=True)
class Described:
    """All of a plan, for a person and for a script.

    Attributes:
        data: plain data for JSON.
        columns: key and heading of each column of the table.
        rows: one for each line of the table, by the columns' keys.
        lines: sentences below the table.
    """

    data: Mapping[str, Any]
    columns: tuple[tuple[str, str], ...] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    lines: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Chip:
    """Hardware whose cost can be estimated.

    Attributes:
        title: what it is called in a report.
        models: each makes an estimate of a run by published figures, the main one first.
        by_default: whether reports draw it and comparisons price it where no hardware is named.
        every_synapse: whether the target's `core_map` lays out every connection by itself, also those that share a
            weight; estimates then leave out the cores of very large networks, which would take too long.
    """

    title: str
    models: tuple[Callable[[Case], Estimate], ...] = ()
    by_default: bool = True
    every_synapse: bool = False


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file of another tool that a target writes of an integer network.

    Attributes:
        help: what it is, in a few words.
        suffix: the end of its name.
        write: takes (network, path) and writes it; returns notes for the user.
        beside: paths that are written too, from the path of the first.
    """

    help: str
    suffix: str
    write: Callable[[IntegerNetwork, str | os.PathLike[str]], Sequence[str]]
    beside: Callable[[str | os.PathLike[str]], Sequence[str | os.PathLike[str]]] = lambda path: ()


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where networks run: a chip, a simulator or an emulator.

    Attributes:
        name: what `target=` and `--target` take; the same as the entry point's.
        summary: one line.
        input: "integer" for an IntegerNetwork, "float" for a Graph.
        options: a dataclass whose fields are made by `option`.
        features: what integer networks may need; one that needs more is refused by name before `place` sees it.
            List them: a feature that is new tomorrow is one that the target lacks.
        chips: by name, in the order in which they are shown.
        available: None, or the command that installs what is missing.
        violations: (network, options): the limits that the network breaks.
        place: (network, options, rates): decides where everything goes. rates: of a record, {} where unknown.
        run: (plan, inputs, recorder, progress): hands every sample to the recorder; returns facts. inputs: float32
            [samples, (T,) *shape] for "float", else signed integers.
        observe: (plan, inputs, population, sample, timestep, neuron): input and potential before the reset of one
            neuron, as the target held them; None where it cannot show one.
        describe: (plan): all of it; where it is None, `Plan.summary` is all there is.
        draw: (plan, path): draws the plan as .svg or .png.
        core_map: (network, chip, rates): where the neurons are on the cores of a chip, for counts and reports.
        exports: by name, what `inflor convert --to` writes.
        profile: the arithmetic of its states, for `profile=` of the target cpu.
    """

    name: str
    summary: str
    input: Literal["float", "integer"] = "integer"
    options: type[Any] = NoOptions
    features: frozenset[Feature] = frozenset()
    chips: Mapping[str, Chip] = field(default_factory=dict)
    available: Callable[[], str | None] = lambda: None
    violations: Callable[[Any, Any], Sequence[Violation]] = lambda network, options: ()
    place: Callable[[Any, Any, Rates], Any]
    run: Callable[[Any, npt.NDArray[Any], Recorder, Progress | None], Facts]
    observe: Callable[..., tuple[int | None, int | None]] | None = None
    describe: Callable[[Any], Described] | None = None
    draw: Callable[[Any, str | os.PathLike[str]], None] | None = None
    core_map: Callable[[IntegerNetwork, str, Rates], CoreMap] | None = None
    exports: Mapping[str, Export] = field(default_factory=dict)
    profile: Callable[[], Profile] | None = None


@dataclass(frozen=True)
class deferred:  # reads as the function that it stands for
    """A function that is imported when it is first called, or loaded. where: "package.module:function"."""

    where: str

    def load(self) -> Callable[..., Any]:
        """Import the function."""
        module, _, name = self.where.partition(":")
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return found

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self.load()(*arguments, **keywords)


def options_of(target: Target) -> dict[str, Option]:
    """The options of a target by name.

    Raises:
        TypeError: the target's options are no dataclass of `option`s; a programming error.
    """
    fields = dataclasses.fields(target.options)
    for odd in (f.name for f in fields if "option" not in f.metadata):
        raise TypeError(f"field {odd!r} of {target.options.__name__} is not made by inflor.targets.api.option")
    return {f.name: f.metadata["option"] for f in fields}


def choose(target: Target, given: Mapping[str, Any]) -> Any:
    """The target's options with the values given; None stands for the default.

    Raises:
        InputError: the target has no such option, or the value is none that it takes.
    """
    known = options_of(target)
    unknown = sorted(set(given) - set(known))
    if unknown:
        has = ", ".join(f"`{name}`" for name in known) or "none"
        named = ", ".join(f"`{name}`" for name in unknown)
        raise InputError(f"target {target.name!r} has no option {named}; it has {has}", option=unknown[0])
    return target.options(**{n: _checked(n, known[n], v) for n, v in given.items() if v is not None})


def _checked(name: str, spec: Option, value: Any) -> Any:
    if spec.kind == "choice" and value not in spec.choices:
        raise InputError(f"`{name}` {value}: choose one of {', '.join(spec.choices)}", option=name)
    if spec.kind == "flag" and not isinstance(value, bool):
        raise InputError(f"`{name}` {value}: give True or False", option=name)
    if spec.kind in ("whole", "bytes"):
        least = max(spec.least, int(spec.kind == "bytes"))
        whole = not isinstance(value, bool) and hasattr(value, "__index__")
        if not whole or value < least or (spec.most is not None and value > spec.most):
            end = f"of at least {least}" if spec.most is None else f"from {least} to {spec.most}"
            raise InputError(f"`{name}` {value}: give a whole number {end}", option=name)
        return operator.index(value)
    if spec.kind == "text" and not isinstance(value, str):
        raise InputError(f"`{name}` {value}: give a text", option=name)
    if spec.kind in ("number", "seconds"):
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or (spec.kind == "seconds" and value <= 0):
            sign = "positive " if spec.kind == "seconds" else ""
            raise InputError(f"`{name}` {value}: give a {sign}number", option=name)
    return value
