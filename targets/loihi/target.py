"""The target's interface: check, place, run."""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, get_args

import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.ir.ranges import state_ranges
from inflor.targets.loihi import CHIPS
from inflor.targets.loihi.layout.groups import plan
from inflor.targets.loihi.layout.guard import unproved
from inflor.targets.loihi.limits import limits
from inflor.targets.loihi.place.cores import Mapping
from inflor.targets.loihi.place.pack import place_on_cores
from inflor.targets.loihi.plan import STOCK, BalanceBy, FirstLayer, Guard, Options, Plan, SoftReset
from inflor.targets.loihi.report import Cost, soft_resets
from inflor.targets.loihi.rules import Violation, broken_rules
from inflor.targets.loihi.simulate import run as simulate
from inflor.targets.loihi.simulate.run import Place
from inflor.targets.loihi.simulate.session import require_hardware
from inflor.targets.record.file import RecordedPopulation, Recorder, recorded_populations
from inflor.targets.registry import Progress

Rates = abc.Mapping[str, float]
RUN_CONFIGS = ("sim", "hw")
LAVA_DELAY = 63
"""Longest delay that Lava's DelaySparse takes; that of Loihi 2 is not published."""


@dataclass(frozen=True, eq=False)
class LoihiPlan:
    """A network laid out for Loihi.

    rates: spikes per neuron and step of each population, for the costs. measured: what the last run of it took, filled
    in by `run`.
    """

    network: IntegerNetwork
    plan: Plan
    chip: str
    exact_lava: bool
    timeout: float | None
    run_config: str
    rates: Rates = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def mapping(self) -> Mapping:
        """The cores that it takes, made when first asked for."""
        return place_on_cores(self.plan, limits(self.chip))

    @cached_property
    def costs(self) -> list[Cost]:
        """Of both ways of a soft reset, on this chip."""
        return soft_resets(self.network, self.plan.options, limits(self.chip), self.rates)

    def summary(self) -> dict[str, Any]:
        roles: dict[str, int] = {}
        for group in self.plan.groups:
            roles[group.role] = roles.get(group.role, 0) + group.size
        return {
            "chip": self.chip,
            "soft_reset": self.plan.options.soft_reset,
            "guard": self.plan.guard,
            "period": self.plan.period,
            "timesteps": self.plan.active,
            "neurons": roles,
            "connections": len(self.plan.synapses),
            "on_host": [g.name for g in self.plan.groups if g.role == "encoder"],
            "cores": self.mapping.totals(),
            "violations": [str(v) for v in self.mapping.violations],
            "unproved_states": unproved(self.plan, state_ranges(self.network)),
            "unpublished_limits": list(self.mapping.unpublished),
            "balanced": [
                {"projection": b.projection, "steps": b.steps, "by": b.by, "reason": b.reason}
                for b in self.plan.balances
            ],
            **self.measured,
        }


def check(network: IntegerNetwork, **options: Any) -> list[Violation]:
    """The rules that the network breaks, and the limits of the chip's cores. options: as for `place`."""
    chosen = _options(options)
    violations = broken_rules(network, chosen)
    if violations:
        return violations
    return list(place_on_cores(plan(network, chosen), limits(options.get("chip", "loihi2"))).violations)


def place(
    network: IntegerNetwork,
    chip: str = "loihi2",
    soft_reset: SoftReset = "microcode",
    balance: BalanceBy = "auto",
    guard: Guard = "auto",
    first_layer: FirstLayer = "auto",
    exact_lava: bool = False,
    timeout: float | None = None,
    run_config: str = "sim",
    rates: Rates | None = None,
) -> LoihiPlan:
    """Lower a network.

    chip: "loihi2" or "loihi1", for the mapping on cores; the simulation is the same. soft_reset, balance, guard,
    first_layer: see `inflor.targets.loihi.plan.Options`. exact_lava: stock process models only, slower. timeout:
    seconds that a run may take. run_config: "sim", or "hw" for Intel's hardware. rates: spikes per neuron and step by
    population, for the costs; 1 where unknown.

    Raises:
        InputError: an option that does not exist, or the network breaks a rule that the lowering needs to be exact.
            (Limits of cores do not stop the simulation; `check` and the plan's mapping name them.)
        MissingPartError: run_config "hw" without Intel's package.
    """
    names = ("chip", "soft_reset", "balance", "guard", "first_layer")
    options = _options(dict(zip(names, (chip, soft_reset, balance, guard, first_layer), strict=True)))
    _choice("run-config", run_config, RUN_CONFIGS)
    if timeout is not None and timeout <= 0:
        raise InputError(f"--timeout {timeout:g}: give a positive number of seconds")
    violations = broken_rules(network, options)
    if violations:
        raise InputError(f"{network.source}: cannot be lowered to {chip}: " + "; ".join(map(str, violations)))
    lowered = plan(network, options)
    if exact_lava:
        _refuse_unwatched(network, lowered)
    if run_config == "hw":
        require_hardware()
    return LoihiPlan(network, lowered, chip, exact_lava, timeout, run_config, rates or {})


def _refuse_unwatched(network: IntegerNetwork, lowered: Plan) -> None:
    """Lava's own LIF wraps in silence; only our counting one, which exact_lava leaves out, would say so."""
    stock = {g.name for g in lowered.groups if g.role in STOCK}
    for name in (n for n in unproved(lowered, state_ranges(network)) if n in stock):
        raise InputError(
            f"{network.source}: population {name!r} may leave the 24 bits of a stock neuron, and Lava's own "
            "model does not notice; leave out --exact-lava, or use --soft-reset microcode"
        )


def populations(plan: LoihiPlan) -> tuple[RecordedPopulation, ...]:
    """Every population of the network but the input."""
    return recorded_populations(plan.network)


def run(plan: LoihiPlan, inputs: npt.NDArray[Any], recorder: Recorder, progress: Progress | None = None) -> None:
    """Run quantised images [samples, *shape], streamed back to back. Raises what `simulate` raises."""
    measured = simulate.simulate(
        plan.network, plan.plan, inputs, recorder, progress, plan.exact_lava, plan.timeout, plan.run_config
    )
    plan.measured.update(measured)


def observe(
    plan: LoihiPlan, inputs: npt.NDArray[Any], population: str, sample: int, timestep: int, neuron: tuple[int, ...]
) -> tuple[int | None, int | None]:
    """a and v before the reset, as the simulation held them; see `inflor.targets.loihi.simulate.run.observe`."""
    place = Place(population, sample, timestep, neuron)
    return simulate.observe(plan.network, plan.plan, inputs, place, plan.timeout)


def _options(options: dict[str, Any]) -> Options:
    chip = options.get("chip", "loihi2")
    _choice("chip", chip, CHIPS)
    allowed: dict[str, Any] = {"soft_reset": SoftReset, "balance": BalanceBy, "guard": Guard, "first_layer": FirstLayer}
    chosen = {name: options[name] for name in allowed if name in options}
    for name, value in chosen.items():
        _choice(name.replace("_", "-"), value, get_args(allowed[name]))
    known = limits(chip)
    return Options(
        **chosen,
        shared_convolutions=known.shared_convolutions,
        graded_spikes=known.graded_bits > 0,
        longest_delay=known.delay or LAVA_DELAY,
    )


def _choice(name: str, value: str, choices: abc.Sequence[str]) -> None:
    if value not in choices:
        raise InputError(f"--{name} {value}: choose one of {', '.join(choices)}")
