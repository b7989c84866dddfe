"""Traced tensors: what they hold, and which of their axes is what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from inflor.converter.errors import InputError

Axis = Literal["batch", "time", "joined", "joined_second", ""]
"""Of a tensor: samples; steps; steps and samples as one, time first or second; a dimension of the values themselves."""


@dataclass(frozen=True)
class Traced:
    """A tensor that comes from the input.

    Attributes:
        terms: an expression for each step, or one where there is no axis of time.
        axes: what each axis of the tensor is.
    """

    terms: tuple[int, ...]
    axes: tuple[Axis, ...]

    @property
    def timed(self) -> bool:
        """Whether it holds several steps."""
        return any(axis in ("time", "joined", "joined_second") for axis in self.axes)

    @property
    def lead(self) -> tuple[Axis, ...]:
        """The axes that are not of the values, where these come last; what is else has no such order."""
        return self.axes[: len(self.axes) - sum(axis == "" for axis in self.axes)]

    @property
    def in_order(self) -> bool:
        """Whether the axes of the values come last."""
        return "" not in self.lead

    def mapped(self, rule: Callable[[int], int], axes: tuple[Axis, ...] | None = None) -> Traced:
        """Another expression for every step."""
        known: dict[int, int] = {}
        for term in self.terms:
            if term not in known:
                known[term] = rule(term)
        return Traced(tuple(known[term] for term in self.terms), self.axes if axes is None else axes)


@dataclass(frozen=True)
class Unknown:
    """A tensor that comes from the input by a way that has no form here.

    error: what to say where somebody needs it.
    """

    error: InputError


Value = Traced | Unknown


class LayoutError(InputError):
    """The module takes its time in another way than is being tried."""
