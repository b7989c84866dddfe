"""Every path of linear nodes between two neuron nodes becomes a projection, a chain of operators.

Before: lif1 -> SumPool2d -> Scale(1/4) -> Conv2d -> lif2          After: lif1 -(SumPool, Conv; factor 1/4)-> lif2
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import nir

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.base import primitive
from inflor.quant.operators import LINEAR_NODES, Operator, Weighted, operator_of
from inflor.quant.passes.fused import FloatProjection, FusedGraph
from inflor.quant.passes.limits import Path, refuse_large, refuse_many
from inflor.quant.passes.pools_to_sums import is_mean
from inflor.quant.passes.split_at_maxima import Split, split_at_maxima


def chains_to_projections(graph: Graph) -> FusedGraph:
    """The graph as populations and projections, its biases and delays left aside.

    Raises:
        InputError: a node cannot be part of an integer network, or there are too many paths or matrices too large;
            names a node.
    """
    between = (*LINEAR_NODES, nir.Delay, nir.Output)
    populations = tuple(n for n in graph.order if not isinstance(graph.nodes[n], between))
    chains = tuple(refuse_many(graph, _chains(graph, set(populations))))
    for source, _, target in chains:
        if primitive(graph.nodes[source]).integrates:
            raise InputError(
                f"{graph.source}: node {source!r} ({type(graph.nodes[source]).__name__}): its potential goes on to "
                f"{target!r}, and between populations only spikes go; quantize the network before `portable`, or put "
                "a neuron that fires behind it"
            )
    splits, groups = split_at_maxima(graph, chains)
    names = {name for split in splits for name in split.before if not isinstance(graph.nodes[name], nir.Delay)}
    operators = {
        name: operator_of(name, graph.nodes[name], graph.input_shapes[name], graph.source)
        for name in graph.order
        if name in names
    }
    projections = tuple(_projection(graph, operators, c, s) for c, s in zip(chains, splits, strict=True))
    refuse_large(graph, operators, projections)
    return FusedGraph(graph=graph, populations=populations, projections=projections, groups=groups)


def _chains(graph: Graph, populations: set[str]) -> Iterator[Path]:
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


def _projection(graph: Graph, operators: Mapping[str, Operator], chain: Path, split: Split) -> FloatProjection:
    source, path, target = chain
    factor, made = 1.0, []
    for name in split.before:
        if is_mean(graph.nodes[name]):
            factor *= float(graph.nodes[name].scale.flat[0])
        elif name in operators:
            made.append(operators[name])
    if split.scale is not None:
        made.append(split.scale)
    return FloatProjection(
        source=source,
        target=target,
        operators=tuple(made),
        nodes=path,
        weights=sum(isinstance(op, Weighted) for op in made),
        factor=factor,
        group=split.group,
    )
