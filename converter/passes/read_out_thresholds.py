"""Neurons that a threshold out of reach keeps silent become what is read of them: their potential.

Before: fc -> LIF(v_threshold = 1e9) -> output
After:  fc -> LI -> output

A common way to read the potential of the last layer: of LIF, CubaLIF and IF before an Output alone.
"""

from __future__ import annotations

import nir
import numpy as np

from inflor.converter.nir.graph import assumed, nir_graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.fields import make_node

UNREACHABLE = 1e9
"""A threshold from which on a neuron is taken for one that is read by its potential."""
_INTEGRATORS = {
    nir.IF: (nir.I, ("r",)),
    nir.LIF: (nir.LI, ("tau", "r", "v_leak")),
    nir.CubaLIF: (nir.CubaLI, ("tau_syn", "tau_mem", "r", "v_leak", "w_in")),
}


def read_out_thresholds() -> Pass[nir.NIRGraph]:
    """Turn last neurons that cannot fire into integrators; what nothing has checked yet stays as it is elsewhere."""
    return Pass("read out thresholds", _read_out, frozenset({"flat"}))


def _read_out(graph: nir.NIRGraph) -> nir.NIRGraph:
    outputs = {name for name, node in graph.nodes.items() if isinstance(node, nir.Output)}
    nodes, metadata = dict(graph.nodes), dict(graph.metadata)
    for name, node in graph.nodes.items():
        leads_to = {end for start, end in graph.edges if start == name}
        if type(node) in _INTEGRATORS and leads_to <= outputs and _silent(getattr(node, "v_threshold", None)):
            kind, fields = _INTEGRATORS[type(node)]
            values = {field: getattr(node, field) for field in fields if hasattr(node, field)}
            nodes[name] = make_node(kind, values)
            least = f"{np.min(node.v_threshold):g}"
            metadata = assumed(
                metadata, f"{name} never fires, its threshold being {least}: its potential is the output."
            )
    return nir_graph(nodes, graph.edges, metadata)


def _silent(threshold: object) -> bool:
    values = np.asarray(threshold)
    return values.dtype.kind in "iuf" and values.size > 0 and bool((values >= UNREACHABLE).all())
