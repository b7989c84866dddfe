"""What one unit of input adds to the current and to the potential, by frameworks that do not mean NIR's equations."""

from __future__ import annotations

import nir
import numpy as np
import pytest
from primitive_examples import N, full, graph_of

from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.scale_inputs import scale_inputs
from inflor.converter.primitives.dynamics import dynamics

HAS = frozenset({"time"})
NODES = {
    "I": lambda: nir.I(full(3)),
    "IF": lambda: nir.IF(full(3), full(1), full(0)),
    "LI": lambda: nir.LI(full(2), full(3), full(0)),
    "LIF": lambda: nir.LIF(full(2), full(3), full(0), full(1), full(0)),
    "CubaLI": lambda: nir.CubaLI(full(1), full(2), full(3), full(0), full(5)),
    "CubaLIF": lambda: nir.CubaLIF(full(1), full(2), full(3), full(0), full(1), full(0), full(5)),
}
DT = 0.5


def scaled(kind: str, gains: dict[str, str]) -> tuple[Graph, Graph]:
    graph = graph_of(NODES[kind](), (N,), DT)
    return graph, run_passes(graph, [scale_inputs(gains)], HAS)


@pytest.mark.parametrize("kind", NODES)
def test_a_unit_of_what_drives_the_potential_adds_one(kind):
    _, after = scaled(kind, {kind: "one"})
    step = dynamics(after, "n")
    assert np.array_equal(step.gain, np.ones(N))


@pytest.mark.parametrize("kind", ["LI", "LIF", "CubaLI", "CubaLIF"])
def test_a_unit_adds_what_a_step_keeps_of_it(kind):
    _, after = scaled(kind, {kind: "kept"})
    step = dynamics(after, "n")
    assert np.array_equal(step.keep, np.full(N, 0.75))  # 1 - dt / tau
    assert np.array_equal(step.gain, np.full(N, 0.75))


@pytest.mark.parametrize(("rule", "adds"), [("one", 1.0), ("kept", 0.5)])
@pytest.mark.parametrize("kind", ["CubaLI", "CubaLIF"])
def test_what_a_unit_adds_to_the_current(kind, rule, adds):
    before, after = scaled(kind, {"current": rule})
    assert np.array_equal(dynamics(after, "n").current_gain, np.full(N, adds))
    assert np.array_equal(dynamics(after, "n").gain, dynamics(before, "n").gain)


@pytest.mark.parametrize("kind", NODES)
def test_what_no_gain_is_said_of_stays(kind):
    before, after = scaled(kind, {"Other": "one", **({} if kind.startswith("Cuba") else {"current": "one"})})
    assert after.nodes["n"] is before.nodes["n"]


def test_the_equations_in_the_docstring():
    _, after = scaled("CubaLIF", {"current": "one"})
    assert np.array_equal(after.nodes["n"].w_in, np.full(N, 1 / (1 - 0.5)))
