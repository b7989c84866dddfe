"""The steps of an unrolled run as one: what arrives at every neuron, said of any step.

A template is an expression in which steps are counted from the present one. That of the last step must give what was
traced in every step, where what lies before the first step is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.modules.expressions import Expression, Store
from inflor.converter.modules.neuron_calls import Calls
from inflor.converter.modules.values import Traced

Kind = Literal["steps", "sum", "mean", "last"]


@dataclass(frozen=True)
class Rolled:
    """What a module computes in a step.

    Attributes:
        arriving: the template of what arrives, by the name of the neuron.
        output: the template of what the module gives.
        kind: whether it gives that for every step, its sum or mean over them, or the last step's alone.
        steps: how many were traced.
    """

    arriving: Mapping[str, int]
    output: int
    kind: Kind
    steps: int


def roll(store: Store, calls: Mapping[str, Calls], given: Traced, steps: int) -> Rolled:
    """Roll up a trace of so many steps.

    Args:
        calls: one run of each neuron.
        given: what the module gave.

    Raises:
        InputError: a neuron takes something else in one step than in the others; what the module gives is no step's,
            and no sum or mean over them. Names the step and the module.
    """
    arriving = {
        name: same_in_every_step(store, call.runs[-1], f"{name} ({type(call.module).__name__})")
        for name, call in calls.items()
    }
    if given.timed or steps == 1:
        if len(given.terms) != steps:
            raise InputError(f"the module gives {len(given.terms)} of its {steps} steps; give all, or their sum")
        return Rolled(arriving, same_in_every_step(store, given.terms, "the output"), "steps", steps)
    kind, output = _over_time(store, given.terms[0], steps)
    return Rolled(arriving, output, kind, steps)


def same_in_every_step(store: Store, terms: Sequence[int], what: str) -> int:
    """The template that gives every step's expression.

    Raises:
        InputError: there is none; names the first step that differs.
    """
    last = len(terms) - 1
    template = _template(store, terms[last], last, what)
    for step, term in enumerate(terms):
        if (expected := _instance(store, template, step)) != term:
            raise InputError(
                f"{what}: in step {step} it takes {_apart(store, term, expected)}, where the rule of step {last} is "
                f"{_apart(store, expected, term)}; every step has to be the same, "
                "and a neuron stands at one place in it"
            )
    return template


def _template(store: Store, number: int, present: int, what: str) -> int:
    def leaf(expression: Expression) -> int:
        if expression.step is None:
            return store.make(expression)
        if expression.step > present:
            raise InputError(
                f"{what}: in step {present} it takes what {expression.site or 'the input'} gives in step "
                f"{expression.step}; a step can only use what was before it"
            )
        return store.make(replace(expression, step=expression.step - present, relative=True))

    return store.rebuilt(number, leaf, {})


def _instance(store: Store, template: int, present: int) -> int:
    def leaf(expression: Expression) -> int:
        if expression.step is None:
            return store.make(expression)
        step = present + expression.step
        return store.zero(expression.shape) if step < 0 else store.make(replace(expression, step=step, relative=False))

    return store.rebuilt(template, leaf, {})


def _apart(store: Store, number: int, other: int) -> str:
    """The part in which an expression differs from another, for messages."""
    while number != other:
        a, b = store[number], store[other]
        like = replace(a, inputs=()) == replace(b, inputs=()) and len(a.inputs) == len(b.inputs)
        pairs = [(x, y) for x, y in zip(a.inputs, b.inputs, strict=False) if x != y]
        if not like or len(pairs) != 1:
            break
        number, other = pairs[0]
    return store.described(number)


def _over_time(store: Store, number: int, steps: int) -> tuple[Kind, int]:
    """What is summed or averaged over time, and which of both; or the last step's potential."""
    expression = store[number]
    if expression.op == "state":
        if expression.step != steps - 1:
            raise InputError(f"the module gives a state of {expression.site} of step {expression.step}, not the last")
        return "last", _template(store, number, steps - 1, "the output")
    if expression.op == "add":
        return "sum", _summed(store, expression, steps)
    if expression.op == "scale":
        kind, inside = _over_time(store, expression.inputs[0], steps)
        factor = store.array(number, "factor")
        assert factor is not None
        if kind == "sum" and np.allclose(factor, 1 / steps, rtol=1e-6, atol=0):
            return "mean", inside
        return kind, store.scale(inside, factor, expression.site)
    if expression.inputs and expression.op != "max_pool2d":
        kind, inside = _over_time(store, expression.inputs[0], steps)
        if kind == "sum" and (expression.op == "norm" or "bias" in dict(expression.arrays)):
            raise InputError(
                f"{expression.site}: its bias is added once to a sum over time, not in every step; take the mean over "
                "time before it, or sum behind it"
            )
        made = store.rebuilt(number, lambda leaf: store.make(leaf), {expression.inputs[0]: inside})
        return kind, made
    raise InputError(
        f"the module gives {store.described(number)} alone; give the sum, the mean or a stack over all {steps} "
        "steps, or the last potential of a neuron that never resets"
    )


def _summed(store: Store, expression: Expression, steps: int) -> int:
    """The template of which a sum over time is the sum."""
    of_step: list[list[int]] = [[] for _ in range(steps)]
    static: list[int] = []
    for term in expression.inputs:
        last = max((leaf.step for leaf in store.leaves(term) if leaf.step is not None), default=None)
        if last is None:
            static.append(term)
        else:
            of_step[last].append(term)
    everywhere = [term for term in dict.fromkeys(static) for _ in range(static.count(term) // steps)]
    if len(everywhere) * steps != len(static):
        raise InputError(f"the module gives a sum in which {store.described(static[0])} does not stand once a step")
    parts = [[*terms, *everywhere] for terms in of_step]
    missing = [step for step, terms in enumerate(parts) if not terms]
    if missing:
        raise InputError(f"the module gives a sum over time without step {missing[0]}; add up all {steps} steps")
    return same_in_every_step(store, [store.add(terms) for terms in parts], "the output, a sum over time,")
