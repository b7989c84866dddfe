"""Every path of linear nodes between two neuron nodes becomes a projection, a chain of operators.

Before: lif1 -> SumPool2d -> Scale(1/4) -> Conv2d -> lif2          After: lif1 -(SumPool, Conv; factor 1/4)-> lif2

Paths can be as many as two to the power of the nodes, and two weighted nodes in a row become a matrix that is larger
than both. So paths are counted, and the entries of such matrices added up from shapes, before any array is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

import nir

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.base import primitive
from inflor.quant.operators import LINEAR_NODES, Operator, Weighted, operator_of, output_shape
from inflor.quant.passes.fused import FloatProjection, FusedGraph
from inflor.quant.passes.merge_linear import MAX_MATRIX
from inflor.quant.passes.merge_scales import per_channel
from inflor.quant.passes.pools_to_sums import MEAN_OF

MAX_CHAINS = 10_000
"""Most paths between neurons of one graph."""
MAX_STEPS = 1 << 20
"""Most nodes on all of these paths together."""
MAX_MADE = 1 << 25
"""Most entries of the weights that merging makes, [numbers], beside `COPIES` times those that the graph has."""
COPIES = 8


def chains_to_projections(graph: Graph) -> FusedGraph:
    """The graph as populations and projections, its biases and delays left aside.

    Raises:
        InputError: a node cannot be part of an integer network, or there are too many paths or matrices too large;
            names a node.
    """
    between = (*LINEAR_NODES, nir.Delay, nir.Output)
    populations = tuple(n for n in graph.order if not isinstance(graph.nodes[n], between))
    chains = tuple(_counted(graph, populations))
    for source, _, target in chains:
        if primitive(graph.nodes[source]).integrates:
            raise InputError(
                f"{graph.source}: node {source!r} ({type(graph.nodes[source]).__name__}): its potential goes on to "
                f"{target!r}, and between populations only spikes go; quantise the network before `portable`, or put "
                "a neuron that fires behind it"
            )
    names = {name for _, path, _ in chains for name in path if not isinstance(graph.nodes[name], nir.Delay)}
    operators = {
        name: operator_of(name, graph.nodes[name], graph.input_shapes[name], graph.source)
        for name in graph.order
        if name in names
    }
    projections = tuple(_projection(graph, operators, *chain) for chain in chains)
    _refuse_large(graph, operators, projections)
    return FusedGraph(graph=graph, populations=populations, projections=projections)


def _chains(graph: Graph, populations: set[str]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Every path source -> linear nodes -> target, in the order of the targets."""
    for target in graph.order:
        if target not in populations or isinstance(graph.nodes[target], nir.Input):
            continue
        stack: list[tuple[str, tuple[str, ...]]] = [(n, ()) for n in reversed(graph.predecessors(target))]
        while stack:
            node, path = stack.pop()
            if node in populations:
                yield node, path, target
            else:
                stack += [(n, (node, *path)) for n in reversed(graph.predecessors(node))]


def _counted(graph: Graph, populations: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """The paths, as far as there are not too many."""
    number = steps = 0
    for chain in _chains(graph, set(populations)):
        number, steps = number + 1, steps + len(chain[1])
        if number > MAX_CHAINS or steps > MAX_STEPS:
            what, most = ("paths between neurons", MAX_CHAINS) if number > MAX_CHAINS else ("nodes on them", MAX_STEPS)
            text = f"the paths that lead to it, and to neurons before it, are too many: more than {most} {what}"
            raise InputError(text, path=graph.source, node=chain[2], mend="simplify the graph")
        yield chain


def _projection(
    graph: Graph, operators: Mapping[str, Operator], source: str, path: tuple[str, ...], target: str
) -> FloatProjection:
    factor, chain = 1.0, []
    for name in path:
        if MEAN_OF in graph.nodes[name].metadata and isinstance(graph.nodes[name], nir.Scale):
            factor *= float(graph.nodes[name].scale.flat[0])
        elif name in operators:
            chain.append(operators[name])
    weights = sum(isinstance(op, Weighted) for op in chain)
    return FloatProjection(
        source=source, target=target, operators=tuple(chain), nodes=path, weights=weights, factor=factor
    )


def _refuse_large(graph: Graph, operators: Mapping[str, Operator], projections: tuple[FloatProjection, ...]) -> None:
    """Refuse projections whose merged weights would take too much memory, from the shapes alone."""
    given = sum(op.weight.size for op in operators.values() if isinstance(op, Weighted))
    most, made = MAX_MADE + COPIES * given, 0
    for q in projections:
        made += _made(q, graph.output_shapes[q.source])
        if made > most:
            text = f"the matrices of the paths that lead to it, and to neurons before it, have more than {most} entries"
            raise InputError(text, path=graph.source, node=q.target, mend="put neurons between linear nodes")


def _made(q: FloatProjection, shape: tuple[int, ...]) -> int:
    """Entries of the weights that a projection is merged into, 0 where it keeps those of a node."""
    held = [op for op in q.operators if isinstance(op, Weighted)]
    mixing = sum(not op.elementwise for op in held)
    wide = any(op.elementwise and not per_channel(op.weight) for op in held)
    if mixing > 1 or (wide and len(held) > 1):
        return min(prod(shape) * prod(output_shape(q.operators, shape)), MAX_MATRIX)
    return max((op.weight.size for op in held), default=0) if len(held) > 1 or q.factor != 1 else 0
