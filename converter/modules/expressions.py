"""What a traced tensor holds: an expression over the input and the spikes of single steps, of one sample.

Expressions are interned: two of the same form are the same number. Numbers of layers (weights) count by their values,
so that a weight that is computed anew in every step is the same in every step where it has the same values.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.nir.graph import Shape

Array = npt.NDArray[Any]
Option = int | float | str | bool | None | tuple[int, ...]

_SILENT = ("avg_pool2d", "max_pool2d", "pad")
"""Layers that make nothing of nothing; those of _WEIGHTED do where they have no bias."""
_WEIGHTED = ("linear", "conv1d", "conv2d")


@dataclass(frozen=True)
class Expression:
    """One value of one sample.

    Attributes:
        op: "input", "neuron", "state", "zero", "add", "scale", "reshape", or the name of a layer.
        shape: without batch and time.
        site: the module that it comes from, as in net.block.conv; with the function's name where that is not all.
        inputs: the expressions that it is made of; of "add" with repetitions, in order.
        step: of "input", "neuron" and "state": which step's; None where it is the same at every step.
        relative: whether `step` counts from the present one, as in templates.
        options: numbers and texts of a layer, by name.
        arrays: digests of its arrays, by name.
    """

    op: str
    shape: Shape
    site: str = ""
    inputs: tuple[int, ...] = ()
    step: int | None = None
    relative: bool = False
    options: tuple[tuple[str, Option], ...] = ()
    arrays: tuple[tuple[str, str], ...] = ()


class Store:
    """The expressions of a trace. Every expression is made here, in its one simplest form."""

    def __init__(self) -> None:
        self._all: list[Expression] = []
        self._number: dict[Expression, int] = {}
        self._arrays: dict[str, Array] = {}

    def __getitem__(self, number: int) -> Expression:
        return self._all[number]

    def __len__(self) -> int:
        return len(self._all)

    def array(self, number: int, name: str) -> Array | None:
        """An array of a layer; None where it has none of this name."""
        digest = dict(self[number].arrays).get(name)
        return None if digest is None else self._arrays[digest]

    def make(self, expression: Expression) -> int:
        """The number of an expression that needs no simplification."""
        number = self._number.setdefault(expression, len(self._all))
        if number == len(self._all):
            self._all.append(expression)
        return number

    def zero(self, shape: Shape) -> int:
        """Nothing: the state before the first step."""
        return self.make(Expression("zero", shape))

    def layer(
        self,
        op: str,
        source: int,
        shape: Shape,
        site: str,
        arrays: Mapping[str, Array | None] | None = None,
        options: Mapping[str, Option] | None = None,
    ) -> int:
        """A layer without memory."""
        digests = tuple((name, self._digest(array)) for name, array in (arrays or {}).items() if array is not None)
        return self._made(Expression(op, shape, site, (source,), None, False, tuple((options or {}).items()), digests))

    def add(self, terms: Sequence[int]) -> int:
        """A sum; sums in it are opened, and nothing is left out."""
        shape, found = self[terms[0]].shape, list[int]()
        for term in terms:
            found += self[term].inputs if self[term].op == "add" else [term]
        found = [term for term in found if self[term].op != "zero"]
        if len(found) < 2:
            return found[0] if found else self.zero(shape)
        return self.make(Expression("add", shape, inputs=tuple(sorted(found))))

    def scale(self, source: int, factor: Array, site: str) -> int:
        """A factor for each element, or one for all; one after the other are one."""
        expression, factor = self[source], np.asarray(factor, np.float64)
        if expression.op == "scale":
            before = self.array(source, "factor")
            assert before is not None
            return self.scale(expression.inputs[0], before * factor, expression.site)
        if expression.op == "zero" or (factor == 1).all():
            return source
        if factor.size > 1 and (factor == factor.flat[0]).all():
            factor = factor.reshape(-1)[0]
        digest = self._digest(np.asarray(factor))
        return self.make(Expression("scale", expression.shape, site, (source,), arrays=(("factor", digest),)))

    def reshape(self, source: int, shape: Shape, site: str) -> int:
        """The same elements in another shape; what only comes back to where it was is nothing."""
        expression = self[source]
        assert math.prod(expression.shape) == math.prod(shape)
        if expression.op == "reshape":
            return self.reshape(expression.inputs[0], shape, site)
        if expression.shape == shape:
            return source
        if expression.op == "zero":
            return self.zero(shape)
        return self.make(Expression("reshape", shape, site, (source,)))

    def rebuilt(self, number: int, leaf: Callable[[Expression], int], memo: dict[int, int]) -> int:
        """The expression with other leaves ("input", "neuron", "state"), simplified anew."""
        if number in memo:
            return memo[number]
        expression = self[number]
        if expression.op in ("input", "neuron", "state"):
            result = leaf(expression)
        elif not expression.inputs:
            result = number
        else:
            inputs = [self.rebuilt(source, leaf, memo) for source in expression.inputs]
            if expression.op == "add":
                result = self.add(inputs)
            elif expression.op == "scale":
                factor = self.array(number, "factor")
                assert factor is not None
                result = self.scale(inputs[0], factor, expression.site)
            elif expression.op == "reshape":
                result = self.reshape(inputs[0], expression.shape, expression.site)
            else:
                result = self._made(replace(expression, inputs=tuple(inputs)))
        memo[number] = result
        return result

    def nonnegative(self, number: int) -> bool:
        """Whether it is known to hold nothing below 0: spikes, and sums and windows of such."""
        expression = self[number]
        if expression.op in ("neuron", "zero"):
            return True
        kept = expression.op in ("add", "reshape", "max_pool2d", "avg_pool2d", "pad")
        return kept and all(map(self.nonnegative, expression.inputs))

    def leaves(self, number: int) -> list[Expression]:
        """The inputs, spikes and states that an expression is made of."""
        found, pending, seen = list[Expression](), [number], set[int]()
        while pending:
            current = pending.pop()
            if current not in seen:
                seen.add(current)
                pending += self[current].inputs
                if self[current].op in ("input", "neuron", "state"):
                    found.append(self[current])
        return found

    def described(self, number: int) -> str:
        """An expression as a message shows it: its last part, and what that takes."""
        expression = self[number]
        if expression.op == "add":
            parts = Counter(self.described(source) for source in expression.inputs)
            shown = [text if n == 1 else f"{n} x {text}" for text, n in parts.items()]
            return " + ".join([*shown[:3], *(["..."] if len(shown) > 3 else [])])
        if expression.op == "input":
            return "the input" if expression.step is None else f"the input of step {expression.step}"
        if expression.op == "neuron":
            return f"the spikes of {expression.site} of step {expression.step}"
        if expression.op == "state":
            return f"a state of {expression.site} of step {expression.step}"
        if expression.op == "zero":
            return "nothing"
        return f"{expression.site} of ({self.described(expression.inputs[0])})"

    def _made(self, expression: Expression) -> int:
        silent = expression.op in _SILENT or (expression.op in _WEIGHTED and "bias" not in dict(expression.arrays))
        if silent and self[expression.inputs[0]].op == "zero":
            return self.zero(expression.shape)
        return self.make(expression)

    def _digest(self, array: Array) -> str:
        form = f"{array.dtype} {array.shape} ".encode()
        digest = hashlib.blake2b(form + np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()
        self._arrays.setdefault(digest, array)
        return digest
