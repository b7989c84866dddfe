"""Places, runs and looks into networks on Loihi."""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.ir.ranges import state_ranges
from inflor.targets.api import Facts, Progress, Rates, UnplaceableError, Violation
from inflor.targets.loihi.layout.groups import plan
from inflor.targets.loihi.layout.guard import unproved
from inflor.targets.loihi.layout.joins import accumulators
from inflor.targets.loihi.limits import limits
from inflor.targets.loihi.options import LoihiOptions
from inflor.targets.loihi.place.cores import Mapping
from inflor.targets.loihi.place.pack import place_on_cores
from inflor.targets.loihi.plan import STOCK, LayoutOptions, Plan
from inflor.targets.loihi.report import Cost, soft_resets
from inflor.targets.loihi.rules import broken_rules
from inflor.targets.loihi.simulate import run as simulate
from inflor.targets.loihi.simulate.run import Place
from inflor.targets.loihi.simulate.session import require_hardware
from inflor.targets.record.file import RecordedPopulation, recorded_populations
from inflor.targets.record.recorder import Recorder


@dataclass(frozen=True, eq=False)
class LoihiPlan:
    """A network laid out for Loihi.

    Attributes:
        layout: groups of neurons, synapses and times.
        rates: spikes per neuron and step of each population, for the costs.
    """

    network: IntegerNetwork
    layout: Plan
    options: LoihiOptions
    rates: Rates = field(default_factory=dict)

    @property
    def chip(self) -> str:
        return self.options.chip

    @property
    def populations(self) -> tuple[RecordedPopulation, ...]:
        """Every population of the network but the input."""
        return recorded_populations(self.network)

    @cached_property
    def mapping(self) -> Mapping:
        """The cores that it takes, made when first asked for."""
        return place_on_cores(self.layout, limits(self.chip))

    @cached_property
    def costs(self) -> list[Cost]:
        """Of both ways of a soft reset, on this chip."""
        return soft_resets(self.network, self.layout.options, limits(self.chip), self.rates)

    def summary(self) -> dict[str, Any]:
        """What was decided, as plain data."""
        roles: dict[str, int] = {}
        for group in self.layout.groups:
            roles[group.role] = roles.get(group.role, 0) + group.size
        accumulating = {
            g.name: accumulators(self.layout.synapses, g.name)
            for g in self.layout.groups
            if g.population.groups and g.role == "program"
        }
        return {
            "chip": self.chip,
            "soft_reset": self.layout.options.soft_reset,
            "guard": self.layout.guard,
            "period": self.layout.period,
            "timesteps": self.layout.active,
            "neurons": roles,
            "connections": len(self.layout.synapses),
            **({"accumulators": accumulating} if accumulating else {}),
            "on_host": [g.name for g in self.layout.groups if g.role == "encoder"],
            "cores": self.mapping.totals(),
            "violations": [str(v) for v in self.mapping.violations],
            "unproved_states": unproved(self.layout, state_ranges(self.network)),
            "unpublished_limits": [*self.mapping.unpublished, *(["accumulators"] if accumulating else [])],
            "balanced": [
                {"projection": b.projection, "steps": b.steps, "by": b.by, "reason": b.reason}
                for b in self.layout.balances
            ],
        }


def violations(network: IntegerNetwork, options: LoihiOptions) -> abc.Sequence[Violation]:
    """The rules that the network breaks, or else the limits of the chip's cores."""
    layout = _layout_options(options)
    return broken_rules(network, layout) or place_on_cores(plan(network, layout), limits(options.chip)).violations


def place(network: IntegerNetwork, options: LoihiOptions, rates: Rates) -> LoihiPlan:
    """Lower a network.

    Raises:
        InputError: the network breaks a rule that the lowering needs to be exact. (Limits of cores do not stop the
            simulation; the plan's mapping names them.)
        MissingPartError: `run_config` "hw" without Intel's package.
    """
    layout = _layout_options(options)
    broken = broken_rules(network, layout)
    if broken:
        raise UnplaceableError(network.source, options.chip, broken)
    lowered = plan(network, layout)
    if options.exact_lava:
        _refuse_unwatched(network, lowered)
    if options.run_config == "hw":
        require_hardware()
    return LoihiPlan(network, lowered, options, rates)


def _refuse_unwatched(network: IntegerNetwork, lowered: Plan) -> None:
    """Lava's own LIF wraps in silence; only our counting one, which exact_lava leaves out, would say so."""
    stock = {g.name for g in lowered.groups if g.role in STOCK}
    for name in (n for n in unproved(lowered, state_ranges(network)) if n in stock):
        raise InputError(
            f"{network.source}: population {name!r} may leave the 24 bits of a stock neuron, and Lava's own "
            "model does not notice; leave out `exact_lava`, or use `soft_reset='microcode'`"
        )


def run(plan: LoihiPlan, inputs: npt.NDArray[Any], recorder: Recorder, progress: Progress | None) -> Facts:
    """Run quantized images [samples, *shape], or frames [samples, T, *shape], streamed back to back in a worker."""
    options = plan.options
    return simulate.simulate(
        plan.network, plan.layout, inputs, recorder, progress, options.exact_lava, options.timeout, options.run_config
    )


def observe(
    plan: LoihiPlan, inputs: npt.NDArray[Any], population: str, sample: int, timestep: int, neuron: tuple[int, ...]
) -> tuple[int | None, int | None]:
    """a and v before the reset, as the simulation held them; see `inflor.targets.loihi.simulate.run.observe`."""
    place = Place(population, sample, timestep, neuron)
    return simulate.observe(plan.network, plan.layout, inputs, place, plan.options.timeout)


def _layout_options(options: LoihiOptions) -> LayoutOptions:
    known = limits(options.chip)
    return LayoutOptions(
        soft_reset=options.soft_reset,
        balance=options.balance,
        guard=options.guard,
        first_layer=options.first_layer,
        shared_convolutions=known.shared_convolutions,
        graded_spikes=known.graded_bits > 0,
        longest_delay=known.simulated_delay,
    )
