"""Writes neurons that fire at v >= threshold for readers that fire at v > v_threshold.

Before: LIF(v_threshold = 0.5) of a framework that fires when v reaches it
After:  LIF(v_threshold = 0.49999997, the largest float32 below), metadata threshold 0.5
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.fields import changed


def lower_thresholds(only: Collection[str] | None = None) -> Pass[Graph]:
    """Set the thresholds and the metadata of nodes that fire and do not say so themselves.

    Args:
        only: the nodes to set them of; None for all.
    """
    return Pass("lower thresholds", lambda graph: _lowered(graph, only))


def _lowered(graph: Graph, only: Collection[str] | None) -> Graph:
    nodes = {}
    for name, node in graph.nodes.items():
        if only is not None and name not in only:
            continue
        for field in primitive(node).of_role("threshold"):
            if "threshold" not in node.metadata:
                reached = getattr(node, field).astype(np.float32)
                below = np.nextafter(reached, np.float32(-np.inf))
                nodes[name] = changed(node, {field: below}, {"threshold": reached})
    return graph.with_nodes(nodes)
