"""What a network must keep to, so that its lowering is exact: one function per rule.

These rules come from the number formats (Lava checks none of them). The limits of cores are in
`inflor.targets.loihi.place.pack`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from inflor.quant.ir.network import IntegerNetwork, Population
from inflor.quant.ir.ranges import StateRange, state_ranges
from inflor.targets.api import Violation
from inflor.targets.loihi.layout.groups import roles
from inflor.targets.loihi.numbers import JOINED, decays, misfits
from inflor.targets.loihi.plan import STOCK, LayoutOptions
from inflor.targets.loihi.widths import DECAY_BITS, STATE_BITS

USE_MICROCODE = "use `soft_reset='microcode'`"
MENDS = {
    "leak": f"quantize with `fraction_bits=6`, or {USE_MICROCODE}",
    "threshold": f"quantize with fewer bits, or {USE_MICROCODE}",
    JOINED: f"{USE_MICROCODE}, or put the pool behind the neuron (the maximum of spikes)",
}
"""Of misfits of stock neurons, where there is more to say than what else to use."""


def broken_rules(network: IntegerNetwork, options: LayoutOptions) -> list[Violation]:
    """All rules, over all populations."""
    ranges, role = state_ranges(network), roles(network, options)
    found: list[Violation] = []
    for population in network.populations:
        rules = [*ALWAYS, *(ON_STOCK_NEURONS if role[population.name] in STOCK else ())]
        for rule in rules:
            found += rule(network, population, ranges.get(population.name))
    if options.guard == "long" and options.soft_reset == "stock":
        found += silent_without_help(network)
    return found


def input_of_eight_bits(network: IntegerNetwork, population: Population, _: StateRange | None) -> Iterator[Violation]:
    if population.role == "input" and network.input_bits > 8:
        yield Violation(population.name, "input width", network.input_bits, 8, "quantize the input to 8 bits")


def time_for_every_synapse(
    network: IntegerNetwork, population: Population, _: StateRange | None
) -> Iterator[Violation]:
    """A synapse takes one step on the chip, so what leads back over n of them is n steps late at least."""
    for projection in network.incoming[population.name]:
        least = network.depth[projection.source] - network.depth[population.name] + 1
        if projection.delay < least:
            yield Violation(
                population.name,
                f"projection {projection.name!r} leads back over {least} synapses with a delay of",
                projection.delay,
                f"{least} or more",
                f"give it a delay of {least} steps before training, or use another target",
            )


def decays_of_12_bits(network: IntegerNetwork, population: Population, _: StateRange | None) -> Iterator[Violation]:
    rule = population.rule
    one = 1 << rule.decay_bits
    for decay in rule.decays:
        if decay.min() < 0 or decay.max() > one:
            worst = int(decay.min() if decay.min() < 0 else decay.max())
            yield Violation(population.name, "decay", worst, f"0 to {one}", "quantize it anew")
            return
    if decays(population) is None:
        yield Violation(
            population.name,
            "bits of its decays",
            rule.decay_bits,
            DECAY_BITS,
            "quantize it with `decay_bits=12`",
        )


def one_or_two_dimensional_maps(
    network: IntegerNetwork, population: Population, _: StateRange | None
) -> Iterator[Violation]:
    if len(population.shape) > 3:
        yield Violation(population.name, "dimensions", len(population.shape), 3, "flatten it")


def synaptic_sum_of_24_bits(
    network: IntegerNetwork, population: Population, state: StateRange | None
) -> Iterator[Violation]:
    """Lava's connections wrap at 24 bits in silence."""
    limit = (1 << (STATE_BITS - 1)) - 1
    if state is None:
        return
    peak = state.current_partial if population.groups else state.current.peak
    if peak > limit:
        yield Violation(population.name, "synaptic sum may reach", peak, limit, "use fewer weight bits")


def fits_stock_neurons(network: IntegerNetwork, population: Population, _: StateRange | None) -> Iterator[Violation]:
    for misfit in misfits(population):
        yield Violation(
            population.name, misfit.limit, misfit.number, misfit.allowed, MENDS.get(misfit.limit, USE_MICROCODE)
        )


def silent_without_help(network: IntegerNetwork) -> Iterator[Violation]:
    """In a long guard nothing fires only if no spike is under way for longer than a step and no drift makes one."""
    for projection in network.projections:
        if projection.delay:
            what = f"projection {projection.name!r} has a delay of"
            yield Violation(projection.target, what, projection.delay, "0 with `guard='long'`", "use `guard='short'`")
    for population in network.populations:
        if population.rule.drift.any() and population.role != "readout":
            most = int(np.abs(population.rule.drift).max())
            yield Violation(population.name, "drift", most, "0 with `guard='long'`", "use `guard='short'`")


Rule = Callable[[IntegerNetwork, Population, StateRange | None], Iterator[Violation]]
ALWAYS: tuple[Rule, ...] = (
    input_of_eight_bits,
    time_for_every_synapse,
    decays_of_12_bits,
    one_or_two_dimensional_maps,
    synaptic_sum_of_24_bits,
)
ON_STOCK_NEURONS: tuple[Rule, ...] = (fits_stock_neurons,)
