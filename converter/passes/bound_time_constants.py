"""Makes finite what snnTorch writes for a neuron without a leak: beta = 1 (alpha = 1) is an infinite tau and gain.

Before: LIF(tau = inf, r = inf)
After:  LIF(tau = 1e20, r = 1e20 / dt), of which no step of dt leaks anything
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np

from inflor.converter.nir.graph import nir_graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import PRIMITIVES
from inflor.converter.primitives.fields import changed

_NO_LEAK = 1e20
"""A time constant so long that a step's part of it is nothing beside 1."""


def bound_time_constants(dt: float) -> Pass[nir.NIRGraph]:
    """Bound the time constants of neurons that fire, in a graph that nothing has checked yet.

    Args:
        dt: the step, in the unit of the time constants.
    """
    return Pass("bound time constants", lambda graph: _bounded(graph, dt))


def _bounded(graph: nir.NIRGraph, dt: float) -> nir.NIRGraph:
    nodes: dict[Any, Any] = {}
    for name, node in graph.nodes.items():
        if isinstance(node, nir.NIRGraph):
            node = _bounded(node, dt)
        elif (form := PRIMITIVES.get(type(node))) is not None and form.fires:
            for tau in form.of_role("time"):
                node = _finite(node, tau, form.fields[tau].gain, dt)
        nodes[name] = node
    return nir_graph(nodes, graph.edges, graph.metadata)


def _finite(node: nir.NIRNode, tau: str, gain: str, dt: float) -> nir.NIRNode:
    times, gains = np.asarray(getattr(node, tau)), np.asarray(getattr(node, gain))
    if times.dtype.kind != "f" or gains.dtype.kind != "f" or times.shape != gains.shape:
        return node
    leakless = np.isposinf(times) & np.isposinf(gains)
    if not leakless.any():
        return node
    bounded = {
        tau: np.where(leakless, _NO_LEAK, times.astype(np.float64)),
        gain: np.where(leakless, _NO_LEAK / dt, gains.astype(np.float64)),
    }
    return changed(node, bounded)
