"""Takes the batch off an Input that has it: sizes of 1 before the shape that the node behind it takes.

Before: Input([1, 2, 6, 6]) -> Conv2d over [2, 6, 6]
After:  Input([2, 6, 6]) -> Conv2d over [2, 6, 6]
"""

from __future__ import annotations

import nir

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import nir_graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.fields import make_node
from inflor.converter.primitives.shapes import Pattern, matches


def fit_inputs(source: str) -> Pass[nir.NIRGraph]:
    """Take leading sizes of 1 off an Input where what it leads to takes the rest, and not the whole.

    Args:
        source: the file's name, for messages.

    Raises:
        InputError: other sizes stand before the rest; NIR's shapes have neither batch nor time.
    """
    return Pass("fit inputs", lambda graph: _fitted(graph, source), frozenset({"normal", "ends"}))


def _fitted(graph: nir.NIRGraph, source: str) -> nir.NIRGraph:
    nodes = dict(graph.nodes)
    for name, node in graph.nodes.items():
        if not isinstance(node, nir.Input):
            continue
        shape = tuple(int(size) for size in node.input_type["input"])
        readers = [end for start, end in graph.edges if start == name]
        extra = {_extra(shape, primitive(nodes[end]).accepted(nodes[end])) for end in readers}
        if len(extra) != 1 or (count := extra.pop()) == 0:
            continue
        larger = [size for size in shape[:count] if size != 1]
        if len(larger) > 1:
            continue  # more likely a Flatten that is missing
        if larger:
            raise InputError(
                f"{source}: node {name!r} (Input): its shape {list(shape)} begins with a batch or time of "
                f"{list(shape[:count])} before what {readers[0]!r} takes, and NIR's shapes have neither; write "
                f"{list(shape[count:])}"
            )
        nodes[name] = make_node(nir.Input, {"input_type": {"input": shape[count:]}}, node.metadata)
    return nir_graph(nodes, graph.edges, graph.metadata)


def _extra(shape: tuple[int, ...], pattern: Pattern | None) -> int:
    """How many sizes stand before what a node takes; 0 where it takes the whole, or no part of it."""
    if pattern is None or matches(shape, pattern) or len(shape) <= len(pattern):
        return 0
    count = len(shape) - len(pattern)
    return count if matches(shape[count:], pattern) else 0
