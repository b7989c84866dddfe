"""Chooses r and w_in such that one unit of input adds what a framework lets it add.

Before: CubaLIF(r = 1, w_in = 1) of Norse, whose current grows by its input
After:  CubaLIF(r = 1, w_in = 1 / (1 - current_keep))
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inflor.converter.nir.frameworks import Gain
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.dynamics import dynamics
from inflor.converter.primitives.fields import changed
from inflor.converter.primitives.step import FloatArray


def scale_inputs(gains: Mapping[str, Gain]) -> Pass[Graph]:
    """Set r and w_in.

    Args:
        gains: what a unit adds to u ("current") or v (by primitive): "one", or "kept", the part that a step keeps.
    """
    return Pass("scale inputs", lambda graph: _scaled(graph, gains), frozenset({"time"}))


@np.errstate(over="ignore", divide="ignore", invalid="ignore")  # the dynamics refuse what float32 cannot hold
def _scaled(graph: Graph, gains: Mapping[str, Gain]) -> Graph:
    nodes = {}
    for name, node in graph.nodes.items():
        form = primitive(node)
        if not form.is_neuron or form.step is None:
            continue
        step = dynamics(graph, name)
        values = {}
        if form.name in gains:
            leakless = form.fields["r"].role == "rate"
            values["r"] = _factor(gains[form.name], step.keep, graph.info.dt if leakless else 1 - step.keep)
        if "current" in gains and step.current_keep is not None:
            values["w_in"] = _factor(gains["current"], step.current_keep, 1 - step.current_keep)
        if values:
            nodes[name] = changed(node, values)
    return graph.with_nodes(nodes)


def _factor(rule: Gain, keep: FloatArray, scale: FloatArray | float) -> FloatArray:
    """scale: what NIR scales the input by, the part of the way that a step goes, or dt where nothing leaks."""
    return (keep if rule == "kept" else np.ones_like(keep)) / scale
