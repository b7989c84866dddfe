"""What a user says about a file, and what contradicts the file."""

from __future__ import annotations

import nir
import pytest
from primitive_examples import N, full, graph_of

from inflor.converter.errors import InputError
from inflor.converter.passes.conventions import Conventions, check_agreement


def test_nothing_is_said_by_default():
    assert not Conventions().given
    for said in ({"dt": 1.0}, {"integration": "euler"}, {"reset": "zero"}, {"framework": "norse"}):
        assert Conventions(**said).given


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"dt": 0.0}, "dt is 0.0; give a positive number"),
        ({"dt": float("inf")}, "dt is inf"),
        ({"dt": float("nan")}, "dt is nan"),
        ({"integration": "rk4"}, "integration is 'rk4'; it is one of euler, exponential"),
        ({"reset": "soft"}, "reset is 'soft'; it is one of zero, subtract"),
        ({"framework": "brian"}, "framework is 'brian'; it is one of snntorch, norse"),
    ],
)
def test_what_is_no_convention(said, message):
    with pytest.raises(InputError, match=message):
        Conventions(**said)


def test_what_contradicts_the_metadata_of_a_graph():
    """The graph says dt = 0.5, Euler's rule, NIR's reset and no framework."""
    graph = graph_of(nir.LIF(full(2), full(1), full(0), full(1), full(0)), (N,), dt=0.5)
    check_agreement(graph, Conventions(dt=0.5, integration="euler", reset="zero"))
    for said, value, shown in (
        ({"dt": 1.0}, "0.5", "`dt=1.0`"),
        ({"integration": "exponential"}, "euler", "`integration='exponential'`"),
        ({"reset": "subtract"}, "zero", "`reset='subtract'`"),
        ({"framework": "norse"}, "inflor", "`framework='norse'`"),
    ):
        message = rf"x\.nir: its metadata say {value}, which contradicts {shown}; leave the option out"
        with pytest.raises(InputError, match=message):
            check_agreement(graph, Conventions(**said))


def test_a_graph_that_resets_in_two_ways_contradicts_either():
    soft = nir.IF(full(1), full(1))
    soft.metadata["reset"] = "subtract"
    graph = graph_of(soft, (N,))
    both = graph.with_nodes({"other": nir.IF(full(1), full(1), full(0))})
    for reset in ("zero", "subtract"):
        with pytest.raises(InputError, match="its metadata say subtract, zero, which contradicts"):
            check_agreement(both, Conventions(reset=reset))
