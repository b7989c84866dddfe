"""Delay nodes and closing edges as delays of projections."""

from __future__ import annotations

import float_graphs as build
import nir
import numpy as np
import pytest

from inflor.converter.errors import InputError
from inflor.quant.passes.chains_to_projections import chains_to_projections
from inflor.quant.passes.collect_delays import collect_delays


def test_delays_add_up_and_an_edge_back_is_one() -> None:
    nodes = {
        "input": build.source((2,)),
        "d1": nir.Delay(np.array([2.0, 2.0])),
        "w": nir.Linear(np.eye(2)),
        "d2": nir.Delay(np.array([1.0, 1.0])),
        "a": build.fire((2,)),
        "back": nir.Linear(np.eye(2)),
        "output": build.sink((2,)),
    }
    edges = [("input", "d1"), ("d1", "w"), ("w", "d2"), ("d2", "a"), ("a", "back"), ("back", "a"), ("a", "output")]
    fused = collect_delays(chains_to_projections(build.graph_of(nodes, edges)))
    assert {q.source: q.delay for q in fused.projections} == {"input": 3, "a": 1}


def test_delays_that_differ_are_refused_by_name() -> None:
    graph = build.between(nir.Delay(np.array([1.0, 2.0])), shape=(2,))
    with pytest.raises(InputError, match=r"node 'link0': its delays differ from neuron to neuron, 1 to 2 steps"):
        collect_delays(chains_to_projections(graph))
