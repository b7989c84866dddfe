"""Checks of what a target says of itself, its options and its plans."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inflor.converter.errors import InputError, MissingPartError
from inflor.quant.ir.features import Feature
from inflor.targets import running
from inflor.targets.api import Option, Plan, Target, Violation, choose, options_of
from inflor.targets.conformance.examples import Example, Failure, difference, examples, placed, recorded, taken


def says_what_it_is(target: Target) -> str:
    """Its name, its summary, its features, and defaults that its own options take."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", target.name):
        raise Failure(f"its name {target.name!r} is not of lower-case letters and digits")
    if not target.summary or "\n" in target.summary:
        raise Failure(f"its summary must be one line: {target.summary!r}")
    if target.input != "integer":
        raise Failure("it runs float networks, and these checks are about integer ones")
    if odd := [feature for feature in target.features if not isinstance(feature, Feature)]:
        raise Failure(f"its features must be of inflor.quant.ir.features.Feature: {odd}")
    defaults = target.options()
    choose(target, {name: getattr(defaults, name) for name in options_of(target)})
    if (command := target.available()) is not None:
        raise Failure(f"it cannot be used here; install what it needs with: {command}")
    return target.summary


def takes_its_options_to_their_limits(target: Target) -> str:
    """Every option takes what it says, alone, with the same spikes or a refusal in words; and nothing beyond."""
    one, _ = next(taken(target))
    tried = 0
    for name, spec in options_of(target).items():
        for value in _allowed(spec):
            plan = placed(target, one.network, **{name: value})
            found = None if isinstance(plan, str) else _run(target, plan, one)
            if found:
                raise Failure(f"with {name}={value!r}: {found}")
            tried += 1
        for value in _beyond(spec):
            try:
                running.place(target, one.network, {name: value})
            except InputError:
                tried += 1
            else:
                raise Failure(f"it takes {name}={value!r}, which its option leaves out")
    return f"{tried} values"


def _run(target: Target, plan: Plan, one: Example) -> str | None:
    """Where a run differs from what is due; None too where the target says that it cannot be run so."""
    try:
        return difference(one, running.record(target, plan, one.network, one.inputs))
    except InputError:
        return None


def _allowed(spec: Option) -> Iterator[Any]:
    match spec.kind:
        case "whole":
            yield spec.least
            if spec.most is not None:
                yield spec.most
        case "choice":
            yield from spec.choices
        case "flag":
            yield from (True, False)
        case "number" | "seconds" | "bytes" | "text" | "file":
            return  # what else is allowed is known to the target alone


def _beyond(spec: Option) -> Iterator[Any]:
    match spec.kind:
        case "whole":
            yield from (spec.least - 1, spec.least + 0.5, str(spec.least))
            if spec.most is not None:
                yield spec.most + 1
        case "choice":
            yield "none of " + ", ".join(spec.choices)
        case "flag":
            yield "yes"
        case "number":
            yield from (float("nan"), "much")
        case "seconds" | "bytes":
            yield from (0, -1, "much")
        case "text" | "file":
            return


def leaves_its_plan_as_it_is(target: Target) -> str:
    """A plan is the same after a run, and a second run of it gives the same."""
    one, plan = next(taken(target))
    before = _json("the summary of its plan", plan.summary())
    for _ in range(2):
        record = recorded(target, plan, one)
        if found := difference(one, record):
            raise Failure(f"of two runs of one plan: {found}")
        _json("the facts of its run", record.run)
        if _json("the summary of its plan", plan.summary()) != before:
            raise Failure("a run changes what the plan says of itself; facts of a run are what `run` returns")
    return "two runs"


def _json(what: str, data: Any) -> str:
    try:
        return json.dumps(data, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise Failure(f"{what} is not plain data for JSON: {error}") from error


def shows_its_plan(target: Target) -> str:
    """Descriptions are plain data, drawings are written, and states that it shows are those that are due."""
    one, plan = next(taken(target))
    shown = []
    if target.describe is not None:
        found = target.describe(plan)
        _json("the description of its plan", found.data)
        if odd := [key for key, _ in found.columns if any(key not in row for row in found.rows)]:
            raise Failure(f"rows of its description lack the column {odd[0]!r}")
        shown.append("description")
    if target.draw is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "plan.svg")
            try:
                target.draw(plan, path)
            except MissingPartError:
                pass  # drawing is optional
            else:
                if not path.exists() or not path.stat().st_size:
                    raise Failure("`draw` wrote nothing")
        shown.append("drawing")
    if target.observe is not None:
        for p in one.network.populations:
            for neuron in (0, p.size - 1) if p.role != "input" else ():
                _observe(target, plan, one, p.name, neuron)
        shown.append("states")
    return ", ".join(shown) or "its summary alone"


def _observe(target: Target, plan: Plan, one: Example, name: str, neuron: int) -> None:
    assert target.observe is not None
    population, step = one.network.by_name[name], one.network.info.timesteps - 1
    due, rule = one.states[-1][name][step][neuron], population.rule
    index = tuple(int(i) for i in _unravel(neuron, population.shape))
    a, v = target.observe(plan, one.inputs, name, len(one.inputs) - 1, step, index)
    if v not in (None, due.v):
        raise Failure(f"{one.network.source}: `observe` says that v of {name!r} {index} is {v}, and {due.v} is due")
    if rule.current_decay is None and a not in (None, due.u >> rule.fraction_bits):
        raise Failure(f"{one.network.source}: `observe` says that a of {name!r} {index} is {a}, and {due.u} is due")


def _unravel(neuron: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    index: tuple[int, ...] = ()
    for size in reversed(shape):
        neuron, at = divmod(neuron, size)
        index = (at, *index)
    return index


def names_the_limits_that_a_network_breaks(target: Target) -> str:
    """What `violations` calls fatal is refused by `place`, and only that."""
    fatal = 0
    for one in examples():
        if one.network.features() - target.features:
            continue
        broken = list(running.violations(target, one.network))
        if odd := [violation for violation in broken if not isinstance(violation, Violation)]:
            raise Failure(f"{one.network.source}: `violations` gives {odd[0]!r}, which is no Violation")
        worst = [violation for violation in broken if violation.fatal]
        fatal += bool(worst)
        if worst and not isinstance(placed(target, one.network), str):
            raise Failure(f"{one.network.source}: is placed, and is said to break a limit: {worst[0]}")
    return f"{fatal} networks break limits"
