"""The table of torch's functions that are followed, and what a rule for one is given.

Methods, operators and functions of one name are one: torch.flatten, x.flatten. A rule looks at the call after it was
made, and says what its result holds, or refuses; the refusal is raised where somebody needs the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from inflor.converter.modules.expressions import Store
from inflor.converter.modules.values import Traced, Value


class Refused(Exception):
    """The call has no form here. The text says why and what to write instead; where it stands is added."""


class Misplaced(Refused):
    """The call has no form where the axes are what they are taken for."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a function with a traced tensor.

    Attributes:
        name: of the function.
        site: where it stands: the module, with the function's name where the module is more than that.
        args, kwargs: as they were given.
        result: what it returned.
        store: the expressions.
        batch: how many samples are traced together.
        look: tensor -> what it holds, as it was before the call; None for a constant.
    """

    name: str
    site: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    store: Store
    batch: int
    look: Callable[[Tensor], Value | None]

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """An argument, by position or by name."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def traced(self, position: int = 0, name: str = "input") -> Traced:
        """A tensor among the arguments that comes from the input."""
        value = self.look(self.argument(position, name))
        if not isinstance(value, Traced):
            raise Refused("a constant stands where the input is expected; write it the other way round")
        return value

    def constant(self, position: int, name: str) -> npt.NDArray[Any] | None:
        """A tensor among the arguments that does not come from the input, as an array; None where there is none."""
        given = self.argument(position, name)
        if given is None:
            return None
        if self.look(given) is not None:
            raise Refused(f"its {name} comes from the input, so that it multiplies activities; no target does that")
        return as_array(given)

    def samples(self, position: int = 0, dims: int | None = None) -> Traced:
        """A traced tensor of which the samples come first, and as many dimensions of their values.

        Args:
            dims: of the values.
        """
        value = self.traced(position)
        if value.lead not in (("batch",), ("joined",), ("joined_second",)) or not value.in_order:
            raise Misplaced(
                f"it takes its input as {shown(value)}; join time and batch first (x.flatten(0, 1)), or call it step "
                "by step"
            )
        count = sum(axis == "" for axis in value.axes)
        if dims is not None and count != dims:
            raise Misplaced(f"it takes values of {dims} dimensions, and {count} arrive")
        return value

    def shape(self, value: Traced) -> tuple[int, ...]:
        """The shape of the values."""
        return self.store[value.terms[0]].shape


Rule = Callable[[Call], Value | Sequence[Value]]
RULES: dict[str, Rule] = {}
"""By the function's name. Filled by `follows`."""
REFUSED: dict[str, str] = {}
"""Functions that have no form, and what to write instead."""
PLAIN: set[str] = set()
"""Functions that tell of a tensor what does not depend on its values."""


def follows(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for the functions of these names."""

    def register(rule: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ValueError(f"the function {name} is registered twice")
            RULES[name] = rule
        return rule

    return register


def as_array(tensor: Any) -> npt.NDArray[Any]:
    """A constant as an array of its own."""
    return np.array(tensor.detach().cpu().numpy() if isinstance(tensor, Tensor) else tensor)


def shown(value: Traced) -> str:
    """The layout of a tensor for messages."""
    names = {"batch": "batch", "time": "time", "joined": "time x batch", "joined_second": "batch x time", "": "value"}
    return "[" + ", ".join(names[axis] for axis in value.axes) + "]"


def sizes(value: Any, count: int) -> tuple[int, ...]:
    """Sizes of so many dimensions, of which one stands for all."""
    entries = tuple(int(v) for v in value) if isinstance(value, list | tuple) else (int(value),)
    return entries * count if len(entries) == 1 else entries
