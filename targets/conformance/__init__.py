"""The checks that every target of integer networks must pass, for those who write one.

    python -m inflor.targets.conformance toy

or, among the tests of a plugin,

    @pytest.mark.parametrize("check", suite(TARGET), ids=str)
    def test_it_conforms(check):
        check()

A check that fails raises `Failure`, which says in plain words what the target does wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inflor.targets.api import Target
from inflor.targets.conformance import chips, plans, spikes
from inflor.targets.conformance.examples import Failure

CHECKS: tuple[Callable[[Target], str], ...] = (
    plans.says_what_it_is,
    spikes.computes_what_the_specification_says,
    spikes.refuses_what_it_lacks,
    spikes.records_every_sample,
    plans.takes_its_options_to_their_limits,
    plans.leaves_its_plan_as_it_is,
    plans.shows_its_plan,
    plans.names_the_limits_that_a_network_breaks,
    chips.places_every_neuron_once,
    chips.prices_its_chips,
    chips.writes_its_exports,
)


@dataclass(frozen=True)
class Check:
    """One check of one target. Called, it returns what it found, in a sentence, or raises `Failure`."""

    target: Target
    test: Callable[[Target], str]

    def __str__(self) -> str:
        return self.test.__name__.replace("_", " ")

    def __call__(self) -> str:
        try:
            return self.test(self.target)
        except Failure:
            raise
        except Exception as error:
            raise Failure(f"{type(error).__name__}: {error}") from error


def suite(target: Target) -> tuple[Check, ...]:
    """All checks of a target, which need not be installed."""
    return tuple(Check(target, test) for test in CHECKS)
