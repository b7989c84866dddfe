"""A neuron without a leak, which snnTorch writes with an infinite time constant and gain."""

from __future__ import annotations

import nir
import numpy as np
import pytest
from primitive_examples import N, full

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import nir_graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.bound_time_constants import bound_time_constants
from inflor.converter.primitives.dynamics import dynamics

DT = 1e-4


def made(node: nir.NIRNode) -> nir.NIRGraph:
    nodes = {"input": nir.Input(np.array([N])), "n": node, "output": nir.Output(np.array([N]))}
    return nir_graph(nodes, [("input", "n"), ("n", "output")], {METADATA_KEY: ModelInfo(dt=DT).to_json()})


def mixed(other: float) -> np.ndarray:
    return np.array([np.inf, other, np.inf, other], np.float32)


def test_nothing_leaks_and_a_unit_adds_one():
    tau = mixed(2 * DT)
    for node in (
        nir.LIF(tau, tau / np.float32(DT), full(0), full(1), full(0)),
        nir.CubaLIF(tau, tau, tau / np.float32(DT), full(0), full(1), full(0), tau / np.float32(DT)),
    ):
        raw = made(node)
        with pytest.raises(InputError, match="not finite"):
            validate(raw, "x.nir")
        step = dynamics(validate(run_passes(raw, [bound_time_constants(DT)]), "x.nir"), "n")
        assert step.keep.tolist() == [1, 0.5, 1, 0.5]
        assert step.gain.tolist() == [1] * N
        if step.current_keep is not None:
            assert step.current_keep.tolist() == [1, 0.5, 1, 0.5]
            assert step.current_gain.tolist() == [1] * N
        assert np.isinf(node.r).any()  # the given graph stays as it is


def test_graphs_inside_it_are_bounded_too():
    inner = made(nir.LIF(full(np.inf), full(np.inf), full(0), full(1), full(0)))
    after = run_passes(made(inner), [bound_time_constants(DT)])
    assert after.nodes["n"].nodes["n"].tau.tolist() == [1e20] * N
    assert after.nodes["n"].nodes["n"].r.tolist() == [1e20 / DT] * N


@pytest.mark.parametrize(
    "node",
    [
        nir.LIF(full(2), full(1), full(0), full(1), full(0)),
        nir.LIF(full(np.inf), full(1), full(0), full(1), full(0)),  # is not what snnTorch writes
        nir.LI(full(np.inf), full(np.inf), full(0)),
        nir.Scale(full(np.inf)),
    ],
)
def test_everything_else_stays(node):
    graph = made(node)
    assert run_passes(graph, [bound_time_constants(DT)]).nodes["n"] is node
