"""What the paths of a graph may come to, counted before any array is made.

Paths can be as many as two to the power of the nodes, and two weighted nodes in a row become a matrix that is larger
than both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.quant.operators import Operator, Scale, Weighted, output_shape
from inflor.quant.passes.fused import FloatProjection
from inflor.quant.passes.merge_convolutions import merged_convolutions
from inflor.quant.passes.merge_linear import MAX_MATRIX
from inflor.quant.passes.merge_scales import per_channel

Path = tuple[str, tuple[str, ...], str]
"""Source, linear nodes, target."""
MAX_CHAINS = 10_000
"""Most paths between neurons of one graph."""
MAX_STEPS = 1 << 20
"""Most nodes on all of these paths together."""
MAX_MADE = 1 << 25
"""Most entries of the weights that merging makes, [numbers], beside `COPIES` times those that the graph has."""
COPIES = 8


def refuse_many(graph: Graph, paths: Iterable[Path]) -> Iterator[Path]:
    """The paths, as far as there are not too many.

    Raises:
        InputError: there are; names the node that the last of them leads to.
    """
    number = steps = 0
    for path in paths:
        number, steps = number + 1, steps + len(path[1])
        if number > MAX_CHAINS or steps > MAX_STEPS:
            what = f"{MAX_CHAINS} paths between neurons" if number > MAX_CHAINS else f"{MAX_STEPS} nodes on them"
            text = f"the paths that lead to it, and to neurons before it, are too many: more than {what}"
            raise InputError(text, path=graph.source, node=path[2], mend="simplify the graph")
        yield path


def refuse_large(graph: Graph, operators: Mapping[str, Operator], projections: tuple[FloatProjection, ...]) -> None:
    """Refuse projections whose merged weights would take too much memory, from the shapes alone.

    Args:
        operators: of all nodes that projections are made of.

    Raises:
        InputError: they would; names the target of the first that is too many.
    """
    given = sum(op.weight.size for op in operators.values() if isinstance(op, Weighted))
    most, made = MAX_MADE + COPIES * given, 0
    for q in projections:
        made += _made(q, graph.output_shapes[q.source])
        if made > most:
            text = f"the matrices of the paths that lead to it, and to neurons before it, have more than {most} entries"
            raise InputError(text, path=graph.source, node=q.target, mend="put neurons between linear nodes")


def _made(q: FloatProjection, shape: tuple[int, ...]) -> int:
    """Entries of the weights that a projection is merged into, 0 where it keeps those of a node."""
    operators = merged_convolutions(tuple(Scale.of(op) or op for op in q.operators), shape, plan=True)
    held = [op for op in operators if isinstance(op, Weighted)]
    mixing = sum(not op.elementwise for op in held)
    wide = any(op.elementwise and not per_channel(op.weight) for op in held)
    if mixing > 1 or (wide and len(held) > 1):
        return min(prod(shape) * prod(output_shape(operators, shape)), MAX_MATRIX)
    return max((op.weight.size for op in held), default=0) if q.weights > 1 or q.factor != 1 else 0
