"""Drops the batch (and time) that Norse and Rockpool write into the shapes of Input and Output.

Before: Input([1, 1, 6]) -> lif -> Output([1, 6])
After:  Input([6]) -> lif -> Output([6])
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np

from inflor.converter.nir.graph import nir_graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.fields import changed


def drop_batch_sizes() -> Pass[nir.NIRGraph]:
    """Drop leading sizes of 1 from the ends of a graph that nothing has checked yet, and of the graphs inside it."""
    return Pass("drop batch sizes", _dropped)


def _dropped(graph: nir.NIRGraph) -> nir.NIRGraph:
    nodes: dict[Any, Any] = {}
    for name, node in graph.nodes.items():
        if isinstance(node, nir.NIRGraph):
            node = _dropped(node)
        elif isinstance(node, nir.Input):
            node = changed(node, {"input_type": {"input": _without_batch(node.input_type["input"])}})
        elif isinstance(node, nir.Output):
            node = changed(node, {"output_type": {"output": _without_batch(node.output_type["output"])}})
        nodes[name] = node
    return nir_graph(nodes, graph.edges, graph.metadata)


def _without_batch(shape: object) -> object:
    """[1, F] and [1, 1, F] as [F], [1, C, H, W] as [C, H, W]."""
    sizes = np.asarray(shape)
    if sizes.dtype.kind not in "iu" or sizes.ndim != 1:
        return shape
    kept = 1 if len(sizes) in (2, 3) else len(sizes) - (len(sizes) > 3)
    return sizes[-kept:] if kept and (sizes[:-kept] == 1).all() else shape
