"""The step of a graph: what is given, else the framework's, else 1 and Euler's rule."""

from __future__ import annotations

import math

import nir
import numpy as np
import pytest
from primitive_examples import N, full, graph_of

from inflor.converter.errors import InputError
from inflor.converter.nir.frameworks import FRAMEWORKS
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.conventions import Conventions
from inflor.converter.passes.set_time import set_time

LIF = nir.LIF(full(2), full(1), full(0), full(1), full(0))


def timed(node: nir.NIRNode = LIF, **given: object) -> Graph:
    return run_passes(graph_of(node, (N,)), [set_time(Conventions(**given))])


def exported(tau: float, dt: float) -> float:
    """r as Rockpool writes it."""
    return tau / dt * math.exp(-dt / tau)


@pytest.mark.parametrize(
    ("given", "dt", "integration"),
    [
        ({}, 1.0, "euler"),
        ({"dt": 0.25}, 0.25, "euler"),
        ({"integration": "exponential"}, 1.0, "exponential"),
        ({"framework": "snntorch"}, 1e-4, "euler"),
        ({"framework": "snntorch", "dt": 1e-3}, 1e-3, "euler"),
        ({"framework": "nengo"}, 1e-3, "exponential"),
        ({"framework": "nengo", "integration": "exponential"}, 1e-3, "exponential"),
    ],
)
def test_the_step(given, dt, integration):
    graph = timed(**given)
    assert (graph.info.dt, graph.info.integration) == (dt, integration)
    assert graph.info.framework == given.get("framework", "")
    assert graph.info.known
    assert (graph.info.timesteps, graph.info.says_timesteps) == (6, True)


def test_another_integration_than_the_frameworks():
    for name, framework in FRAMEWORKS.items():
        other = {"euler": "exponential", "exponential": "euler"}[framework.integration]
        with pytest.raises(InputError, match=rf"x\.nir: {name} integrates by .*contradicts `integration='{other}'`"):
            timed(framework=name, integration=other)


@pytest.mark.parametrize("dt", [1e-4, 2e-3, 0.5])
def test_rockpools_step_is_recovered(dt):
    for node in (
        nir.LIF(full(0.6), full(exported(0.6, dt)), full(0), full(1), full(0)),
        nir.LI(full(0.8), full(exported(0.8, dt)), full(0)),
        nir.CubaLIF(full(0.7), full(0.6), full(exported(0.6, dt)), full(0), full(1), full(0), full(3)),
    ):
        assert timed(node, framework="rockpool").info.dt == pytest.approx(dt, rel=1e-5)
        assert timed(node, framework="rockpool", dt=dt).info.dt == pytest.approx(dt, rel=1e-5)
        with pytest.raises(InputError, match=r"node 'n': was written for a step of .* which contradicts `dt=7`"):
            timed(node, framework="rockpool", dt=7.0)
    assert timed(nir.IF(full(1), full(1), full(0)), framework="rockpool").info.dt == 1


def test_rockpools_neurons_with_two_steps():
    r = np.float32([exported(0.02, dt) for dt in (1e-3, 1e-3, 2e-3, 2e-3)])
    node = nir.LIF(full(0.02), r, full(0), full(1))
    with pytest.raises(
        InputError, match=r"x\.nir: its neurons have steps from 0.001 to 0.002.*export it again, with one step"
    ):
        timed(node, framework="rockpool")


@pytest.mark.parametrize("dt", [1e-4, 1e-3, 1.0])
def test_spikingjellys_step_is_what_its_file_proves(dt):
    """It was taken for 1e-4 always: a network exported with 1e-3 fired 4 times instead of 166."""
    for node in (
        nir.IF(full(1 / dt), full(1), full(0)),
        nir.LIF(full(3 * dt), full(3), full(0), full(1), full(0)),  # decay_input=False
        nir.CubaLIF(full(2 * dt), full(4 * dt), full(4), full(0), full(1), full(0), full(2)),
    ):
        assert timed(node, framework="spikingjelly").info.dt == pytest.approx(dt, rel=1e-4)
        with pytest.raises(InputError, match=r"which contradicts `dt=0.02`"):
            timed(node, framework="spikingjelly", dt=0.02)
    open_ = nir.LIF(full(3 * dt), full(1), full(0), full(1), full(0))
    assert timed(open_, framework="spikingjelly").info.dt == 1e-4
    assert timed(open_, framework="spikingjelly", dt=dt).info.dt == dt
