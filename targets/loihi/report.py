"""What the two ways of a soft reset cost on the same chip, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.api import Described
from inflor.targets.loihi.layout.groups import plan
from inflor.targets.loihi.limits import Limits
from inflor.targets.loihi.options import SoftReset
from inflor.targets.loihi.place.cores import Mapping as Cores
from inflor.targets.loihi.place.pack import ON_HOST, place_on_cores
from inflor.targets.loihi.plan import LayoutOptions, Plan
from inflor.targets.loihi.rules import broken_rules

if TYPE_CHECKING:
    from inflor.targets.loihi.target import LoihiPlan

HEADINGS = ("soft reset", "steps/sample", "neurons", "on host", "cores", "synapses", "events/sample", "spikes/sample")


@dataclass(frozen=True)
class Cost:
    """One way. steps: from one sample to the next. neurons: on the chip, relays included; on_host: beside it.

    events, spikes: synaptic events, and spikes that enter a core, per sample at the rates given. broken: the limits
    of the chip that it breaks. refused: why there is no such lowering of this network; all else is then 0.
    """

    soft_reset: SoftReset
    steps: int = 0
    neurons: int = 0
    on_host: int = 0
    cores: int = 0
    chips: int = 0
    synapses: int = 0
    synapse_bits: int = 0
    events: float = 0.0
    spikes: float = 0.0
    broken: tuple[str, ...] = ()
    refused: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def soft_resets(
    network: IntegerNetwork, options: LayoutOptions, limits: Limits, rates: Mapping[str, float]
) -> list[Cost]:
    """The costs of every way. rates: spikes per neuron and step by population; 1 where unknown."""
    costs = []
    for way in get_args(SoftReset):
        chosen = replace(options, soft_reset=way)
        refusals = broken_rules(network, chosen)
        if refusals:
            costs.append(Cost(way, refused=str(refusals[0])))
            continue
        lowered = plan(network, chosen)
        costs.append(_cost(lowered, place_on_cores(lowered, limits), rates))
    return costs


def describe(plan: LoihiPlan) -> Described:
    """The mapping and the costs of both soft resets as plain data, and as text."""
    summary = plan.summary()
    parts = [plan.mapping.table(), "", table(plan.costs, plan.rates)]
    if summary["unproved_states"]:
        names = ", ".join(summary["unproved_states"])
        parts.append(f"not proved to stay within 24 bits, so runs watch them: {names}")
    text = "\n".join(parts)
    costs = [cost.as_dict() for cost in plan.costs]
    return Described(data={"target": "loihi", **summary, "soft_resets": costs, "table": text}, lines=[text])


def table(costs: Sequence[Cost], rates: Mapping[str, float]) -> str:
    """One line per way, and under them at which rates, and what was refused."""
    lines = [
        (c.soft_reset, *(f"{n:.0f}" for n in (c.steps, c.neurons, c.on_host, c.cores, c.synapses, c.events, c.spikes)))
        for c in costs
        if not c.refused
    ]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *lines, strict=True)]
    rows = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (HEADINGS, *lines)]
    rows += [f"{c.soft_reset}: not possible: {c.refused}" for c in costs if c.refused]
    rows += [f"{c.soft_reset}: breaks {len(c.broken)} limits of the chip" for c in costs if c.broken]
    rates_of = "spike rates of the record" if rates else "events and spikes if every neuron fired at every step"
    return "\n".join([*rows, f"({rates_of})"])


def _cost(lowered: Plan, cores: Cores, rates: Mapping[str, float]) -> Cost:
    population = {g.name: g.population.name for g in lowered.groups}
    sizes = {True: 0, False: 0}
    for group in lowered.groups:
        if group.role != "input":
            sizes[group.role in ON_HOST] += group.size
    loads = [(rates.get(population[load.source], 1.0), load) for core in cores.cores for load in core.loads]
    totals = cores.totals()
    return Cost(
        lowered.options.soft_reset,
        lowered.period,
        sizes[False],
        sizes[True],
        totals["cores"],
        totals["chips"],
        totals["synapses"],
        totals["synapse_bits"],
        lowered.active * sum(rate * load.synapses for rate, load in loads),
        lowered.active * sum(rate * load.axons for rate, load in loads),
        tuple(str(v) for v in cores.violations),
    )
