"""The targets: found through the entry points of the group `inflor.targets`, each a module of this shape."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, cast

import numpy.typing as npt

from inflor.converter.errors import InputError, MissingPartError
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.mapping import CoreMap
from inflor.targets.record.file import RecordedPopulation, Recorder

GROUP = "inflor.targets"
Progress = Callable[[int, int], None]
"""Called with samples done and samples in all."""


class Violation(Protocol):
    """A limit of the chip that a network breaks; its text names the population, the limit, the number and a mend."""

    def __str__(self) -> str: ...


class Plan(Protocol):
    """A network placed on a target: plain data of the target's own."""

    def summary(self) -> dict[str, Any]:
        """What was decided, as plain data for JSON."""
        ...


class Target(Protocol):
    """What a target's module offers. `network` is an IntegerNetwork, or a Graph where INPUT is "float"."""

    NAME: str
    SUMMARY: str
    INPUT: Literal["float", "integer"]
    OPTIONS: Sequence[str]
    """Names of the keyword options that `place` takes."""

    def available(self) -> str | None:
        """None, or the command that installs what is missing."""
        ...

    def check(self, network: Any, **options: Any) -> Sequence[Violation]:
        """The limits that the network breaks."""
        ...

    def place(self, network: Any, **options: Any) -> Plan:
        """Decide where everything goes."""
        ...

    def populations(self, plan: Any) -> tuple[RecordedPopulation, ...]:
        """What a run records."""
        ...

    def run(self, plan: Any, inputs: npt.NDArray[Any], recorder: Recorder, progress: Progress | None = None) -> None:
        """Run all samples. inputs: [samples, *shape], float32 normalised for "float" targets, else signed integers."""
        ...


class TargetWithCores(Target, Protocol):
    """What a target's module offers besides, where its neurons are on the cores of chips."""

    CHIPS: Sequence[str]
    """Names of the chips in `targets/chips/hardware.yaml` that networks are placed on."""

    def describe(self, plan: Any) -> dict[str, Any]:
        """A plan as plain data; as text under "table"."""
        ...

    def on_chip(self, network: IntegerNetwork, chip: str, rates: Mapping[str, float] | None) -> CoreMap:
        """Where the neurons are on a chip. rates: spikes per neuron and step by population, where they are known."""
        ...


def names() -> tuple[str, ...]:
    """The names of all targets that are registered."""
    return tuple(sorted(entry.name for entry in importlib.metadata.entry_points(group=GROUP)))


def find(name: str) -> Target:
    """The target called `name`, whether or not what it needs is installed.

    Raises:
        InputError: there is none of this name.
    """
    entry = next((e for e in importlib.metadata.entry_points(group=GROUP) if e.name == name), None)
    if entry is None:
        raise InputError(f"unknown target {name!r}; choose one of {', '.join(names())}")
    return cast(Target, entry.load())


def of_chip(chip: str) -> TargetWithCores | None:
    """The target that places networks on the chip, or None where there is none."""
    for name in names():
        module: Any = find(name)
        if chip in getattr(module, "CHIPS", ()):
            return cast(TargetWithCores, module)
    return None


def load(name: str) -> Target:
    """The target called `name`, ready to be used.

    Raises:
        InputError: there is none of this name. MissingPartError: what it needs is not installed.
    """
    target = find(name)
    command = target.available()
    if command is not None:
        raise MissingPartError(f"target {name!r} needs a part that is not installed; install it with: {command}")
    return target


def flags(options: Iterable[str]) -> str:
    """Options of a target as they are typed: state_bits as --state-bits."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in options)
