"""inflor.place"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inflor.api.checking import own_options
from inflor.api.loading import PathLike, load_network, refuse_overwrite
from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import registry, running
from inflor.targets.api import Described, Plan, Violation
from inflor.targets.record import file as records


@dataclass(frozen=True)
class Placed:
    """A network placed on a target.

    Attributes:
        plan: the target's own.
        description: all of it as plain data for JSON.
        shown: the same as a table and sentences.
    """

    plan: Plan
    description: Mapping[str, Any]
    shown: Described


def place(
    network: IntegerNetwork | PathLike,
    target: str = "spinnaker",
    *,
    record: PathLike | None = None,
    draw: PathLike | None = None,
    **options: Any,
) -> Placed:
    """Place an integer network on a target's cores.

    Args:
        network: in memory, or the path of its file.
        target: one that has cores.
        record: the path of a run of it, whose spike rates weigh the traffic.
        draw: where to draw the board.
        options: those of the target.

    Raises:
        InputError: a float network, an option that the target does not have, a target that places nothing, or no fit.
        MissingPartError: the target, or what draws, is not installed.
    """
    refuse_overwrite(draw, network, record, *options.values(), option="draw")
    source = os.fspath(network) if not isinstance(network, IntegerNetwork) else network.source
    loaded = network if isinstance(network, IntegerNetwork) else load_network(network)
    if not isinstance(loaded, IntegerNetwork):
        raise InputError(f"{source}: is a float network; make an integer one first with: inflor quantize {source}")
    chosen = registry.find(target)  # a plan needs nothing of what a run does
    if chosen.describe is None and chosen.core_map is None:
        raise InputError(f"target {target!r} has no cores to place on", option="target")
    if draw is not None and chosen.draw is None:
        raise InputError(f"target {target!r} has no board to draw; leave out `draw`", option="draw")
    rates = None if record is None else records.read(record).rates
    plan = running.place(chosen, loaded, own_options(target, options), rates)
    if draw is not None and chosen.draw is not None:
        chosen.draw(plan, draw)
    described = _summarized(plan) if chosen.describe is None else chosen.describe(plan)
    return Placed(plan, described.data, described)


def _summarized(plan: Plan) -> Described:
    """The summary alone, of a plan whose target describes no more."""
    facts = plan.summary()
    return Described(data=facts, lines=[f"{k.replace('_', ' ')}: {v}" for k, v in facts.items() if k != "violations"])


def violations(network: IntegerNetwork | PathLike, target: str, **options: Any) -> tuple[Violation, ...]:
    """The limits of a target that an integer network breaks; empty where it fits.

    Raises:
        InputError: a float network, or an option that the target does not have.
    """
    loaded = network if isinstance(network, IntegerNetwork) else load_network(network)
    return tuple(running.violations(registry.find(target), loaded, own_options(target, options)))
