"""Refuses maxima where a graph is written for readers of plain NIR, which has none.

Before: conv -> SumPool2d (combine: "max" in its metadata) -> lif          After: an error that names the pool
"""

from __future__ import annotations

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.pool import is_max_pool


def refuse_max_pools() -> Pass[Graph]:
    """Leave a graph without max pools as it is.

    Raises:
        InputError: there is a max pool; names the first.
    """
    return Pass("refuse max pools", refused)


def refused(graph: Graph) -> Graph:
    """The graph itself, which has no max pool."""
    for name in _max_pools(graph):
        raise InputError(
            f"{graph.where(name)}: takes a maximum, which has no form in plain NIR; put the pool behind the neuron, as "
            "a SumPool2d and a Threshold, or convert without `portable`"
        )
    return graph


def notes(graph: Graph) -> list[str]:
    """What a reader of plain NIR makes of the graph, for the user."""
    names = _max_pools(graph)
    if not names:
        return []
    return [
        f"NIR has no max pool: {', '.join(names)} say it in their metadata (combine: max). A reader that ignores "
        "these computes the sum instead, or refuses the shapes where there are 'dilation' and 'ceil_mode'."
    ]


def _max_pools(graph: Graph) -> list[str]:
    return [name for name, node in graph.nodes.items() if is_max_pool(node)]
