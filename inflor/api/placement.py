"""inflor.place"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inflor.api.loading import PathLike, load_network, refuse_overwrite
from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import registry
from inflor.targets.record import file as records


@dataclass(frozen=True)
class Placed:
    """A network placed on a target. plan: the target's own; description: all of it as plain data for JSON."""

    plan: Any
    description: Mapping[str, Any]


def place(
    network: IntegerNetwork | PathLike,
    target: str = "spinnaker",
    *,
    record: PathLike | None = None,
    draw: PathLike | None = None,
    **options: Any,
) -> Placed:
    """Place an integer network on a target's cores. record: a run of it, whose spike rates weigh the traffic.

    draw: where to draw the board. options: those of the target.

    Raises:
        InputError: a float network, an option that the target does not have, a target that places nothing, or no fit.
        MissingPartError: the target, or what draws, is not installed.
    """
    refuse_overwrite(draw, network, record, options.get("dead"), option="--draw")
    source = os.fspath(network) if not isinstance(network, IntegerNetwork) else network.source
    loaded = network if isinstance(network, IntegerNetwork) else load_network(network)
    if not isinstance(loaded, IntegerNetwork):
        raise InputError(f"{source}: is a float network; make an integer one first with: inflor quantize {source}")
    module: Any = registry.find(target)  # a plan needs nothing of what a run does
    if not hasattr(module, "describe"):
        raise InputError(f"target {target!r} has no cores to place on")
    if draw is not None and not hasattr(module, "draw"):
        raise InputError(f"target {target!r} has no board to draw; leave out --draw")
    given = {name: value for name, value in options.items() if value is not None}
    unknown = sorted(set(given) - set(module.OPTIONS))
    if unknown:
        has = registry.flags(module.OPTIONS)
        raise InputError(f"target {target!r} has no option {registry.flags(unknown)}; it has {has}")
    if record is not None:
        given["rates"] = records.read(record).rates
    plan = module.place(loaded, **given)
    if draw is not None:
        module.draw(plan, draw)
    return Placed(plan, module.describe(plan))
