"""Writes neurons that fire at v >= threshold for readers that fire at v > v_threshold.

Before: LIF(v_threshold = 0.5) of a framework that fires when v reaches it
After:  LIF(v_threshold = 0.49999997, the largest float32 below), metadata threshold 0.5
"""

from __future__ import annotations

import numpy as np

from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.fields import changed


def lower_thresholds() -> Pass[Graph]:
    """Set the thresholds and the metadata of all nodes that fire and do not say so themselves."""
    return Pass("lower thresholds", _lowered)


def _lowered(graph: Graph) -> Graph:
    nodes = {}
    for name, node in graph.nodes.items():
        for field in primitive(node).of_role("threshold"):
            if "threshold" not in node.metadata:
                reached = getattr(node, field).astype(np.float32)
                below = np.nextafter(reached, np.float32(-np.inf))
                nodes[name] = changed(node, {field: below}, {"threshold": reached})
    return graph.with_nodes(nodes)
