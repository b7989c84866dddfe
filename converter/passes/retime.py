"""Writes a graph in another unit of time, for readers that know one step only (snnTorch: 1e-4).

Before: tau = 2, r of an IF = 1, dt = 1          After: tau = 2e-4, r = 1e4, dt = 1e-4
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.fields import changed


def retime(dt: float) -> Pass[Graph]:
    """Give the graph a step of `dt`; what it computes per step is the same.

    Raises:
        InputError: dt is not positive, or the times do not fit into float32 then.
    """
    return Pass("retime", lambda graph: _retimed(graph, dt))


@np.errstate(over="ignore")  # the fields refuse what float32 cannot hold
def _retimed(graph: Graph, dt: float) -> Graph:
    info = replace(graph.info, dt=dt)
    factor = info.dt / graph.info.dt
    nodes = {}
    for name, node in graph.nodes.items():
        form = primitive(node)
        values = {field: getattr(node, field) * factor for field in form.of_role("time")}
        values |= {field: getattr(node, field) / factor for field in form.of_role("rate")}
        if values:
            nodes[name] = form.checked(changed(node, values), graph.where(name))
    return replace(graph.with_nodes(nodes), info=info)
