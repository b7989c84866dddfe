"""Places and runs integer networks on a target by its name."""

from __future__ import annotations

from typing import Any

from inflor.targets import registry, running
from inflor.targets.record.file import Record


def placed(target: str, network: Any, rates: Any = None, **options: Any) -> Any:
    """The target's plan of a network."""
    return running.place(registry.find(target), network, options, rates)


def violated(target: str, network: Any, **options: Any) -> list[Any]:
    """The limits of the target that a network breaks."""
    return list(running.violations(registry.find(target), network, options))


def recorded(target: str, plan: Any, inputs: Any) -> Record:
    """All that a run of a plan records; the facts of the run are in `run["plan"]`."""
    return running.record(registry.find(target), plan, plan.network, inputs)


def observed(target: str, plan: Any, inputs: Any, *where: Any) -> Any:
    """Input and potential before the reset of one neuron at one step."""
    found = registry.find(target).observe
    assert found is not None
    return found(plan, inputs, *where)
