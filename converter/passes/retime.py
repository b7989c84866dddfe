"""Writes a graph in another unit of time, for readers that know one step only (snnTorch: 1e-4).

Before: tau = 2, r of an IF = 1, dt = 1          After: tau = 2e-4, r = 1e4, dt = 1e-4
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import nir

from inflor.converter.nir.graph import Graph

_TIMES = {
    nir.LIF: ("tau",),
    nir.LI: ("tau",),
    nir.CubaLIF: ("tau_syn", "tau_mem"),
    nir.CubaLI: ("tau_syn", "tau_mem"),
    nir.Delay: ("delay",),
}
"""The fields that are times."""
_RATES = {nir.IF: ("r",), nir.I: ("r",)}
"""The fields that a step multiplies by dt."""


def retimed(graph: Graph, dt: float) -> Graph:
    """The graph with a step of `dt`; what it computes per step is the same.

    Raises:
        InputError: dt is not positive.
    """
    info = replace(graph.info, dt=dt)
    factor = info.dt / graph.info.dt
    nodes = {name: _scaled(node, factor) for name, node in graph.nodes.items()}
    return replace(graph, nodes=nodes, info=info)


def _scaled(node: nir.NIRNode, factor: float) -> nir.NIRNode:
    changed: dict[str, Any] = {field: getattr(node, field) * factor for field in _TIMES.get(type(node), ())}
    changed |= {field: getattr(node, field) / factor for field in _RATES.get(type(node), ())}
    if not changed:
        return node
    result = copy.copy(node)
    for field, values in changed.items():
        setattr(result, field, values)
    return result
