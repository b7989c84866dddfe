"""What a network must keep to, so that its lowering is exact: one function per rule.

These rules come from the number formats (Lava checks none of them). The limits of cores are in `targets.loihi.mapper`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from quant.network import IntegerNetwork, Population
from quant.ranges import StateRange, state_ranges
from targets.loihi.plan import STATE_BITS, Options, roles

THRESHOLD_BITS = 17
STOCK = ("lif", "integrator", "readout")
USE_MICROCODE = "use --soft-reset microcode"


@dataclass(frozen=True)
class Violation:
    """A limit that a population breaks. number: what it needs; allowed: what there is."""

    population: str
    limit: str
    number: Any
    allowed: Any
    mend: str

    def __str__(self) -> str:
        return f"population {self.population!r}: {self.limit} {self.number}, allowed is {self.allowed}; {self.mend}"


def broken_rules(network: IntegerNetwork, options: Options) -> list[Violation]:
    """All rules, over all populations."""
    ranges, role = state_ranges(network), roles(network, options)
    found: list[Violation] = []
    for population in network.populations:
        rules = [*ALWAYS, *(ON_STOCK_NEURONS if role[population.name] in STOCK else ())]
        for rule in rules:
            found += rule(network, population, ranges.get(population.name))
    return found


def input_of_eight_bits(network: IntegerNetwork, population: Population, _: StateRange | None) -> Iterator[Violation]:
    if population.kind == "input" and network.input_bits > 8:
        yield Violation(population.name, "input width", network.input_bits, 8, "quantise the input to 8 bits")


def no_reference_delay(network: IntegerNetwork, population: Population, _: StateRange | None) -> Iterator[Violation]:
    for projection in network.incoming[population.name]:
        if projection.delay:
            yield Violation(
                population.name,
                f"projection {projection.name!r} has a delay of",
                projection.delay,
                0,
                "remove it: samples stream back to back and a late spike would reach the next one",
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
    if state is not None and state.current.peak > limit:
        yield Violation(population.name, "synaptic sum may reach", state.current.peak, limit, "use fewer weight bits")


def threshold_of_17_bits(network: IntegerNetwork, population: Population, _: StateRange | None) -> Iterator[Violation]:
    if population.kind == "readout":
        return
    threshold = population.threshold - population.v_reset
    highest = (1 << THRESHOLD_BITS) - 1
    for value in (int(threshold.min()), int(threshold.max())):
        if not 0 <= value <= highest:
            yield Violation(
                population.name, "threshold", value, f"0 to {highest}", f"quantise with fewer bits, or {USE_MICROCODE}"
            )
            return


def leak_in_whole_units(network: IntegerNetwork, population: Population, _: StateRange | None) -> Iterator[Violation]:
    """Stock LIF keeps potentials in 1/64 of a unit, so its leak rounds elsewhere than the integer network's."""
    if population.decay.any():
        yield Violation(
            population.name,
            "leak",
            f"{int(np.max(population.decay))}/4096",
            "none on stock neurons, which round it to 1/64 of a unit",
            USE_MICROCODE,
        )


Rule = Callable[[IntegerNetwork, Population, StateRange | None], Iterator[Violation]]
ALWAYS: tuple[Rule, ...] = (
    input_of_eight_bits,
    no_reference_delay,
    one_or_two_dimensional_maps,
    synaptic_sum_of_24_bits,
)
ON_STOCK_NEURONS: tuple[Rule, ...] = (threshold_of_17_bits, leak_in_whole_units)
