"""The target's interface: check, place, run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, get_args

import numpy.typing as npt

from converter.errors import InputError
from quant.network import IntegerNetwork
from targets.loihi import simulate
from targets.loihi.plan import BalanceBy, Guard, Options, Plan, SoftReset, plan
from targets.loihi.rules import Violation, broken_rules
from targets.loihi.session import require_hardware
from targets.loihi.simulate import Place
from targets.record import RecordedPopulation, Recorder
from targets.registry import Progress

CHIPS = ("loihi2", "loihi1")
RUN_CONFIGS = ("sim", "hw")


@dataclass(frozen=True, eq=False)
class LoihiPlan:
    """A network laid out for Loihi. measured: what the last run of it took, filled in by `run`."""

    network: IntegerNetwork
    plan: Plan
    chip: str
    exact_lava: bool
    timeout: float | None
    run_config: str
    measured: dict[str, Any] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        roles: dict[str, int] = {}
        for group in self.plan.groups:
            roles[group.role] = roles.get(group.role, 0) + group.size
        return {
            "chip": self.chip,
            "soft_reset": self.plan.options.soft_reset,
            "period": self.plan.period,
            "timesteps": self.plan.active,
            "neurons": roles,
            "connections": len(self.plan.synapses),
            "balanced": [
                {"projection": b.projection, "steps": b.steps, "by": b.by, "reason": b.reason}
                for b in self.plan.balances
            ],
            **self.measured,
        }


def check(network: IntegerNetwork, **options: Any) -> list[Violation]:
    """The rules that the network breaks. options: as for `place`."""
    chosen = _options(options)
    return broken_rules(network, chosen.soft_reset)


def place(
    network: IntegerNetwork,
    chip: str = "loihi2",
    soft_reset: SoftReset = "microcode",
    balance: BalanceBy = "auto",
    guard: Guard = "short",
    exact_lava: bool = False,
    timeout: float | None = None,
    run_config: str = "sim",
) -> LoihiPlan:
    """Lower a network.

    chip: "loihi2" or "loihi1". soft_reset, balance, guard: see `targets.loihi.plan.Options`. exact_lava: stock process
    models only, slower. timeout: seconds that a run may take. run_config: "sim", or "hw" for Intel's hardware.

    Raises:
        InputError: an option that does not exist, or the network breaks a rule of `check`.
        MissingPartError: run_config "hw" without Intel's package.
    """
    options = _options({"chip": chip, "soft_reset": soft_reset, "balance": balance, "guard": guard})
    _choice("run-config", run_config, RUN_CONFIGS)
    if timeout is not None and timeout <= 0:
        raise InputError(f"--timeout {timeout:g}: give a positive number of seconds")
    violations = broken_rules(network, options.soft_reset)
    if violations:
        raise InputError(f"{network.source}: cannot be lowered to {chip}: " + "; ".join(map(str, violations)))
    if run_config == "hw":
        require_hardware()
    return LoihiPlan(network, plan(network, options), chip, exact_lava, timeout, run_config)


def populations(plan: LoihiPlan) -> tuple[RecordedPopulation, ...]:
    """Every population of the network but the input."""
    network = plan.network
    return tuple(
        RecordedPopulation(p.name, p.shape, p.kind, network.depth[p.name])
        for p in network.populations
        if p.kind != "input"
    )


def run(plan: LoihiPlan, inputs: npt.NDArray[Any], recorder: Recorder, progress: Progress | None = None) -> None:
    """Run quantised images [samples, *shape], streamed back to back. Raises what `simulate` raises."""
    measured = simulate.simulate(
        plan.network, plan.plan, inputs, recorder, progress, plan.exact_lava, plan.timeout, plan.run_config
    )
    plan.measured.update(measured)


def observe(
    plan: LoihiPlan, inputs: npt.NDArray[Any], population: str, sample: int, timestep: int, neuron: tuple[int, ...]
) -> tuple[int | None, int | None]:
    """a and v before the reset, as the simulation held them; see `targets.loihi.simulate.observe`."""
    place = Place(population, sample, timestep, neuron)
    return simulate.observe(plan.network, plan.plan, inputs, place, plan.timeout)


def _options(options: dict[str, Any]) -> Options:
    chip = options.get("chip", "loihi2")
    _choice("chip", chip, CHIPS)
    soft_reset = options.get("soft_reset", "microcode")
    balance, guard = options.get("balance", "auto"), options.get("guard", "short")
    _choice("soft-reset", soft_reset, get_args(SoftReset))
    _choice("balance", balance, get_args(BalanceBy))
    _choice("guard", guard, get_args(Guard))
    return Options(soft_reset, balance, shared_convolutions=chip == "loihi2", guard=guard)


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"--{name} {value}: choose one of {', '.join(choices)}")
