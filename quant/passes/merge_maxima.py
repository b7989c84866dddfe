"""A maximum of maxima becomes one maximum over larger windows.

Before: Conv2d -> SumPool2d (max 2 x 2) -> SumPool2d (max 2 x 2) -> lif
After:  Conv2d -> SumPool2d (max 4 x 4) -> lif

Only where the larger windows hold the very places that the two hold together; other pairs stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import nir

from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.pool import is_max_pool, max_pool, windows_of
from inflor.converter.primitives.windows import Windows

MOST_PLACES = 1 << 22
"""Places of all windows along a dimension that are compared; pools with more are not merged."""


def merge_maxima(graph: Graph) -> Graph:
    """The graph with one max pool in the place of two that follow each other, as often as there are two."""
    for name in graph.order:
        before = graph.predecessors(name) if is_max_pool(graph.nodes[name]) else []
        if len(before) != 1 or not is_max_pool(graph.nodes[before[0]]) or (before[0], name) in graph.recurrent:
            continue
        first, shape = before[0], graph.input_shapes[before[0]]
        windows = _both(windows_of(graph.nodes[first]), windows_of(graph.nodes[name]), shape)
        if windows is not None:
            graph = _merged(graph, first, name, max_pool(windows))
    return graph


def _merged(graph: Graph, first: str, name: str, node: nir.NIRNode) -> Graph:
    """The graph in which `name` is `node` and reads what `first` reads; `first` goes where nothing else reads it."""
    gone = {first} if graph.successors(first) == [name] else set()
    edges = [edge for edge in graph.edges if edge != (first, name) and not gone & set(edge)]
    edges += [(source, name) for source in graph.predecessors(first)]
    closing = [(a, name) for a, b in graph.recurrent if b == first]
    kept = [edge for edge in graph.recurrent if not gone & set(edge)]
    return replace(
        graph,
        nodes={n: node if n == name else known for n, known in graph.nodes.items() if n not in gone},
        edges=tuple(edges),
        recurrent=(*kept, *closing),
        input_shapes={**graph.input_shapes, name: graph.input_shapes[first]},
        order=tuple(n for n in graph.order if n not in gone),
    )


def _both(first: Windows, second: Windows, shape: tuple[int, ...]) -> Windows | None:
    """The windows of the two over a map of this shape, or None where they are none of a kernel, stride and padding."""
    inner, outer = first.pooled(shape), second.pooled(first.pooled(shape))
    dimensions = range(len(shape) - 1)
    step = [first.stride[a] * second.dilation[a] for a in dimensions]
    if any(first.dilation[a] != 1 or step[a] > first.kernel[a] for a in dimensions if second.kernel[a] > 1):
        return None  # the places of a window have gaps
    found = Windows(
        kernel=tuple(step[a] * (second.kernel[a] - 1) + first.kernel[a] for a in dimensions),
        stride=tuple(first.stride[a] * second.stride[a] for a in dimensions),
        padding=tuple(first.padding[a] + first.stride[a] * second.padding[a] for a in dimensions),
        dilation=tuple(1 if second.kernel[a] > 1 else first.dilation[a] for a in dimensions),
        ceil_mode=first.ceil_mode or second.ceil_mode,
    )
    if found.pooled(shape) != outer:
        return None
    if any(outer[axis + 1] * found.kernel[axis] > MOST_PLACES for axis in dimensions):
        return None
    for axis in dimensions:
        inside = first.places(axis, shape[axis + 1])
        due = [
            {place for p in window if p >= 0 for place in inside[p]} for window in second.places(axis, inner[axis + 1])
        ]
        if [_places(window) for window in found.places(axis, shape[axis + 1])] != [_places(window) for window in due]:
            return None
    return found


def _places(window: Sequence[int] | set[int]) -> set[int]:
    return set(window) - {-1}
