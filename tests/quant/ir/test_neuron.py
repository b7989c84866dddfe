"""Every feature is said by what needs it, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import small_networks

from inflor.converter.nir.metadata import ModelInfo
from inflor.quant.ir.features import Feature
from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.ir.neuron import ZERO, NeuronRule, SetTo, Subtract
from inflor.quant.operators import Linear

ONE = np.ones((), np.int64)
PLAIN = NeuronRule(threshold=3 * ONE, reset=Subtract(4 * ONE))


def network(**changes: Any) -> IntegerNetwork:
    made = small_networks.network(
        [
            small_networks.population("input", (2,), "input"),
            small_networks.population("n", (2,), "spiking", 3, "subtract", 4),
        ],
        [Projection("input", "n", (Linear("w", np.eye(2, dtype=np.int64)),))],
        4,
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({}, set()),
        ({"reset": SetTo(ZERO)}, {Feature.HARD_RESET}),
        ({"reset": SetTo(ONE)}, {Feature.HARD_RESET, Feature.HARD_RESET_TO_VALUE}),
        ({"reset": None}, {Feature.NO_RESET}),
        ({"reset": None, "decay": 4096 * ONE}, {Feature.LEAK}),
        ({"bias": -ONE}, {Feature.BIAS}),
        ({"decay": ONE}, {Feature.LEAK}),
        ({"decay": ONE, "decay_bits": 15}, {Feature.LEAK, Feature.DECAY_BITS}),
        ({"decay_bits": 15}, set()),
        ({"current_decay": ZERO}, {Feature.CURRENT}),
        ({"drift": ONE}, {Feature.DRIFT}),
        ({"refractory": True}, {Feature.REFRACTORY}),
        ({"fraction_bits": 6}, {Feature.FRACTION_BITS}),
        ({"threshold": np.array([3, 4])}, {Feature.PER_NEURON_THRESHOLDS}),
        ({"threshold": np.array([3, 3])}, set()),
    ],
)
def test_a_rule_needs_what_it_uses(changes: dict[str, Any], needs: set[Feature]) -> None:
    soft = set() if "reset" in changes else {Feature.SOFT_RESET}
    assert replace(PLAIN, **changes).features() == needs | soft


def test_a_network_needs_what_its_parts_need() -> None:
    made = network()
    plain = {Feature.GRADED_INPUT, Feature.SOFT_RESET}
    assert made.features() == plain
    (forward,) = made.projections
    assert replace(made, projections=(replace(forward, delay=1),)).features() == plain | {Feature.DELAY}
    assert replace(made, projections=(replace(forward, delay=1),)).needs[Feature.DELAY] == "n"
    back = Projection("n", "n", forward.operators, delay=1)
    assert replace(made, projections=(forward, back)).features() == plain | {Feature.RECURRENT}
    late = replace(made, projections=(forward, replace(back, delay=2)))
    assert late.features() == plain | {Feature.RECURRENT, Feature.DELAY}
    assert replace(made, info=ModelInfo(encoding="frames")).features() == plain | {Feature.FRAMES}
    second = replace(made.populations[0], name="input2")
    assert replace(made, populations=(second, *made.populations)).features() == plain | {Feature.SEVERAL_INPUTS}
    readout = small_networks.population("n", (2,), "readout")
    assert replace(made, populations=(made.populations[0], readout)).features() == {
        Feature.GRADED_INPUT,
        Feature.READOUT,
    }


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({}, "if"), ({"decay": ONE}, "lif"), ({"current_decay": ZERO}, "cuba_lif")],
)
def test_the_kind_of_a_population_follows_from_its_rule(changes: dict[str, Any], kind: str) -> None:
    neurons = network().by_name["n"].with_rule(**changes)
    assert neurons.kind == kind
    assert (replace(neurons, role="readout").kind, network().by_name["input"].kind) == ("readout", "input")


def test_the_rule_of_one_neuron_has_its_numbers_alone() -> None:
    rule = replace(
        PLAIN, threshold=np.array([[1], [2]]), decay=np.array([5, 6, 7]), reset=SetTo(np.arange(6).reshape(2, 3))
    )
    one = rule.at((2, 3), 4)  # row 1, column 1
    assert (int(one.threshold), int(one.decay), int(one.v_reset), int(one.drift)) == (2, 6, 4, 0)
    assert (one.current_decay, one.decay_bits) == (None, 12)
