"""The networks of the suite hold all that they should hold, and are what any tool could write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inflor.quant.file import read, write
from inflor.quant.ir.features import Feature
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.operators import OPERATORS, Conv, SumPool
from inflor.targets.conformance.examples import Example, example, examples
from inflor.targets.conformance.networks import needed_by, networks, with_two_inputs


def test_they_are_thirty_three_and_need_every_feature_alone_and_together() -> None:
    assert len(networks()) == 33
    assert sum(map(uneven, networks())) <= 10
    needed = needed_by(networks())
    assert needed == frozenset(Feature) - {Feature.SEVERAL_INPUTS}
    assert Feature.SEVERAL_INPUTS in with_two_inputs().features()
    least = {feature: min(len(n.features()) for n in networks() if feature in n.features()) for feature in needed}
    assert max(least.values()) <= 5  # the graded input, a readout, a reset, and decays where they are counted otherwise


def test_they_hold_every_operator_in_every_form() -> None:
    operators = [operator for n in networks() for q in n.projections for operator in q.operators]
    assert {type(operator) for operator in operators} == set(OPERATORS)
    convs = [operator for operator in operators if isinstance(operator, Conv)]
    assert {conv.weight.ndim for conv in convs} == {3, 4}
    for odd in (
        lambda c: c.groups > 1,
        lambda c: max(c.stride) > 1,
        lambda c: max(c.dilation) > 1,
        lambda c: any(before != after for before, after in c.padding),
        lambda c: np.abs(c.weight).max() == 127,
    ):
        assert any(map(odd, convs))
    assert any(operator.padding != (0, 0) for operator in operators if isinstance(operator, SumPool))
    assert {q.exponent for n in networks() for q in n.projections} == {0, 1}
    assert {len(n.outputs) for n in networks()} == {1, 2}
    assert {n.by_name[n.outputs[0]].role for n in networks()} == {"readout", "spiking"}
    assert min(n.info.timesteps for n in networks()) == 1


@pytest.mark.parametrize("one", examples(), ids=lambda one: one.network.source)
def test_every_population_fires_and_is_silent(one: Example) -> None:
    for p in one.network.populations:
        if p.role == "spiking":
            assert 0.02 < one.due(p.name).mean() < 0.7


def test_thresholds_are_met_exactly() -> None:
    """So that a threshold that is off by one fires otherwise."""
    just = {-1: 0, 0: 0, 1: 0}
    for one in examples():
        for p in one.network.populations:
            if p.role == "spiking":
                threshold = p.broadcast(p.rule.threshold).ravel() << p.rule.fraction_bits
                for sample in one.states:
                    for step in sample[p.name]:
                        for state, limit in zip(step, threshold, strict=True):
                            if state.v - limit in just:
                                just[state.v - limit] += 1
    assert min(just.values()) > 100


def uneven(network: IntegerNetwork) -> bool:
    """Whether it pads the ends of a dimension differently, for which NIR has no word."""
    operators = [operator for q in network.projections for operator in q.operators]
    return any(before != after for op in operators if isinstance(op, Conv) for before, after in op.padding)


@pytest.mark.parametrize("network", [n for n in networks() if not uneven(n)], ids=lambda network: network.source)
def test_they_are_files(network: IntegerNetwork, tmp_path: Path) -> None:
    write(tmp_path / "network.int.nir", network)
    again = read(tmp_path / "network.int.nir")
    assert again.features() == network.features()
    first, second = example(network, 1), example(again, 1)
    assert all((first.due(p.name) == second.due(p.name)).all() for p in network.populations if p.role != "input")
