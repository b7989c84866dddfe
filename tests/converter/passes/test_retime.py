"""Graphs in other units of time fire the spikes that they fired before."""

from __future__ import annotations

import nir
import numpy as np
import pytest
import torch
from peers import ours

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.validate import validate
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.retime import retime
from inflor.converter.simulate.execute import run


def retimed(graph: Graph, dt: float) -> Graph:
    return run_passes(graph, [retime(dt)])


@pytest.mark.parametrize("case", ours.GRAPHS)
@pytest.mark.parametrize("dt", [1e-4, 3.0])
def test_another_unit_of_time_is_the_same(case, dt):
    graph = ours.GRAPHS[case]()
    other = retimed(graph, dt)
    assert other.info.dt == dt
    x = 2 * torch.randn(12, 4, *graph.input_shapes["input"], generator=torch.Generator().manual_seed(0))
    before, after = run(graph, x, 12), run(other, x, 12)
    for name in before.spikes:
        assert torch.equal(before.spikes[name], after.spikes[name])


def test_delays_are_times():
    delay = nir.Delay(np.array([2.0, 0, 1, 3]))
    nodes = {"input": nir.Input(np.array([4])), "delay": delay, "if": nir.IF(np.ones(4), np.ones(4))}
    nodes["output"] = nir.Output(np.array([4]))
    graph = validate(nir.NIRGraph(nodes, list(zip(nodes, list(nodes)[1:], strict=False)), type_check=False), "delay")
    x = torch.randn(12, 2, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(run(graph, x, 12).spikes["if"], run(retimed(graph, 1e-3), x, 12).spikes["if"])
    with pytest.raises(InputError, match="dt is 0"):
        retimed(graph, 0.0)
