"""Fuses every chain of linear NIR nodes between two neuron nodes into one projection.

Before: lif1 -> AvgPool2d -> Conv2d -> Scale -> lif2          After: lif1 -> (SumPool, Conv) -> lif2, and a bias of lif2

Average pools become sums whose divisor goes into the weights, scales go into the weights beside them, two weighted
nodes in a row become one matrix, and every bias is carried through what follows it to the neuron that it ends in. Delay
nodes and edges that close a cycle become the projection's delay.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
import torch

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.ordering import evaluation_order
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.delay import delay_steps
from inflor.quant.operators import (
    LINEAR_NODES,
    Flatten,
    Linear,
    Operator,
    Scale,
    Shape,
    SumPool,
    Weighted,
    apply_chain,
    operator_of,
    output_shape,
    weight_tensor,
)
from inflor.quant.operators.arrays import channels_first

FloatArray = npt.NDArray[np.float64]
MAX_CHAINS = 10_000
MAX_MATRIX = 1 << 24
"""Largest matrix, in entries, that two linear nodes without a neuron between them may be multiplied into."""


@dataclass(frozen=True, eq=False)
class FloatProjection:
    """A chain with real weights (float64). nodes: the NIR nodes it was made of, in order; none for a bare edge.

    delay: steps of its Delay nodes, and one for every edge of the path that closes a cycle.
    """

    source: str
    target: str
    operators: tuple[Operator, ...]
    nodes: tuple[str, ...]
    delay: int = 0


@dataclass(frozen=True, eq=False)
class FusedGraph:
    """What is left of a graph: neuron nodes in evaluation order, chains between them, and one bias per neuron node.

    bias: float64 at the population's full shape.
    """

    graph: Graph
    populations: tuple[str, ...]
    projections: tuple[FloatProjection, ...]
    bias: dict[str, FloatArray]


def fuse(graph: Graph) -> FusedGraph:
    """Fuse a validated graph.

    Raises:
        InputError: a node cannot be part of an integer network (the message names it), or a chain is too large.
    """
    populations = tuple(
        n for n in graph.order if not isinstance(graph.nodes[n], (*LINEAR_NODES, nir.AvgPool2d, nir.Delay, nir.Output))
    )
    chains = itertools.islice(_chains(graph, set(populations)), MAX_CHAINS + 1)
    projections = tuple(_projection(graph, *chain) for chain in chains)
    if len(projections) > MAX_CHAINS:
        raise InputError(f"{graph.source}: more than {MAX_CHAINS} paths between neurons; simplify the graph")
    for q in projections:
        if primitive(graph.nodes[q.source]).integrates:
            raise InputError(
                f"{graph.source}: node {q.source!r} ({type(graph.nodes[q.source]).__name__}): its potential goes on to "
                f"{q.target!r}, and between populations only spikes go; quantise the network before --portable, or put "
                "a neuron that fires behind it"
            )
    constant = _constants(graph)
    return FusedGraph(graph, populations, projections, {name: constant[name] for name in populations})


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


def _constants(graph: Graph) -> dict[str, FloatArray]:
    """What arrives at every node when no neuron fires: the biases, carried through the linear nodes after them."""
    linear = [n for n in graph.order if isinstance(graph.nodes[n], (*LINEAR_NODES, nir.AvgPool2d, nir.Delay))]
    members = set(linear)
    out: dict[str, FloatArray] = {}

    def arriving(name: str) -> FloatArray:
        total = np.zeros(graph.input_shapes[name])
        for source in graph.predecessors(name):
            if source in out:
                total = total + out[source]
        return total

    # a cycle's weights may stand after the neuron that they lead to; no cycle is without a neuron
    for name in evaluation_order(linear, [(a, b) for a, b in graph.edges if a in members and b in members]):
        out[name] = _constant(graph, name, arriving(name))
    return {name: arriving(name) for name in graph.order}


def _constant(graph: Graph, name: str, arriving: FloatArray) -> FloatArray:
    """What the linear node `name` gives for a constant input."""
    node = graph.nodes[name]
    if isinstance(node, nir.Delay):
        if arriving.any() and delay_steps(graph, name).any():
            raise InputError(
                f"{graph.source}: node {name!r}: a bias before a Delay begins to act only after it, which an integer "
                "network has no form for; put the Delay before the node with the bias"
            )
        return arriving
    operators, gain = _operators(graph, name)
    x = torch.from_numpy(arriving[None])
    for operator in operators:
        x = operator.apply(x, weight_tensor((operator,), torch.float64))
    bias = channels_first(np.asarray(getattr(node, "bias", 0.0), np.float64), len(graph.output_shapes[name]))
    return x[0].numpy() * gain + bias


def _operators(graph: Graph, name: str) -> tuple[tuple[Operator, ...], float]:
    """A linear node as operators and a factor (1/k^2 for an average pool)."""
    node, shape = graph.nodes[name], graph.input_shapes[name]
    if isinstance(node, nir.Delay):
        return (), 1.0
    if isinstance(node, nir.AvgPool2d):
        return (SumPool(name, node.kernel_size, node.stride, node.padding),), 1.0 / math.prod(node.kernel_size)
    return (operator_of(name, node, shape, graph.source),), 1.0


def _projection(graph: Graph, source: str, path: tuple[str, ...], target: str) -> FloatProjection:
    gain = 1.0
    operators: tuple[Operator, ...] = ()
    for name in path:
        parts, factor = _operators(graph, name)
        operators, gain = operators + parts, gain * factor
    shape = graph.output_shapes[source]
    operators = _merge(operators, shape, f"{graph.source}: {' -> '.join((source, *path, target))}")
    if not any(isinstance(op, Weighted) for op in operators):
        ones = np.ones((1,) * len(output_shape(operators, shape)))
        operators += (Scale(f"{source}_to_{target}", ones),)
    operators = tuple(replace(op, weight=op.weight * gain) if isinstance(op, Weighted) else op for op in operators)
    return FloatProjection(source, target, operators, path, _delay(graph, (source, *path, target)))


def _delay(graph: Graph, nodes: tuple[str, ...]) -> int:
    """Steps that a spike takes along a path, beyond the step that it was fired in."""
    steps = sum(edge in graph.recurrent for edge in itertools.pairwise(nodes))
    for name in nodes:
        if isinstance(graph.nodes[name], nir.Delay):
            delays = np.unique(delay_steps(graph, name))
            if len(delays) > 1:
                raise InputError(
                    f"{graph.source}: node {name!r}: its delays differ from neuron to neuron, {delays[0]} to "
                    f"{delays[-1]} steps; a projection has one delay, so give each delay a path of its own"
                )
            steps += int(delays[0])
    return steps


def _merge(operators: tuple[Operator, ...], shape: Shape, where: str) -> tuple[Operator, ...]:
    """Reduce a chain to at most one weighted operator."""
    while sum(isinstance(op, Weighted) for op in operators) > 1:
        merged = next(filter(None, (_merge_scale(operators, i, shape) for i in range(len(operators) - 1))), None)
        if merged is None:
            return _as_matrix(operators, shape, where)
        operators = merged
    for i in range(len(operators) - 1):  # a scale that stays alone goes as near to its target as it can
        operators = _merge_scale(operators, i, shape) or operators
    return operators


def _merge_scale(operators: tuple[Operator, ...], i: int, shape: Shape) -> tuple[Operator, ...] | None:
    """Operators i and i+1 rewritten where one is a scale that the other can take or let pass, else None."""
    first, second = operators[i], operators[i + 1]
    before, after = operators[:i], operators[i + 2 :]
    weights_before = any(isinstance(op, Weighted) for op in before)
    if isinstance(first, Scale) and isinstance(second, Flatten):
        wide = np.broadcast_to(first.weight, output_shape(before, shape))
        return (*before, second, replace(first, weight=wide.reshape(second.output_shape(wide.shape))), *after)
    if isinstance(first, Scale) and isinstance(second, SumPool) and not weights_before and _per_channel(first.weight):
        return (*before, second, first, *after)
    if isinstance(first, SumPool) and isinstance(second, Scale) and weights_before and _per_channel(second.weight):
        return (*before, second, first, *after)
    if isinstance(first, Scale) and isinstance(second, Weighted) and _per_channel(first.weight):
        scaled = second.scaled_inputs(first.weight)
        return None if scaled is None else (*before, scaled, *after)
    if not (isinstance(first, Weighted) and isinstance(second, Scale)):
        return None
    if not first.elementwise and _per_channel(second.weight):
        return (*before, first.scaled_rows(second.weight), *after)
    return None


def _per_channel(weight: npt.NDArray[Any]) -> bool:
    return weight.size == weight.shape[0] if weight.ndim else True


def _as_matrix(operators: tuple[Operator, ...], shape: Shape, where: str) -> tuple[Operator, ...]:
    """A chain as Flatten and one Linear, found by sending every unit vector through it."""
    final = output_shape(operators, shape)
    size = math.prod(shape)
    if size * math.prod(final) > MAX_MATRIX or len(final) != 1:
        raise InputError(
            f"{where}: two weighted nodes without a neuron between them cannot be fused at {shape} -> {final}; "
            "multiply them into one node or put a neuron between them"
        )
    x = torch.eye(size, dtype=torch.float64).reshape(size, *shape)
    for operator in operators:
        x = apply_chain((operator,), x, weight_tensor((operator,), torch.float64))
    name = "_".join(op.name for op in operators if isinstance(op, Weighted))
    flatten: tuple[Operator, ...] = (Flatten(f"{name}_flatten", 0, len(shape) - 1),) if len(shape) > 1 else ()
    return (*flatten, Linear(name, np.ascontiguousarray(x.numpy().T)))


def scale_source(fused: FusedGraph, source: str, unit: float) -> FusedGraph:
    """Weights from `source` for an activity counted in units: the integer input's unit becomes part of them."""
    projections = []
    for q in fused.projections:
        if q.source == source:
            scaled = (replace(op, weight=op.weight * unit) if isinstance(op, Weighted) else op for op in q.operators)
            q = replace(q, operators=tuple(scaled))
        projections.append(q)
    return replace(fused, projections=tuple(projections))


def with_unique_names(fused: FusedGraph) -> FusedGraph:
    """Give every operator of the network a name of its own: a node that feeds two neurons becomes two operators."""
    count = Counter(op.name for q in fused.projections for op in q.operators)
    seen: set[str] = set(fused.graph.nodes)
    projections = []
    for index, q in enumerate(fused.projections):
        operators = []
        for op in q.operators:
            own = count[op.name] == 1 and (op.name in q.nodes or op.name not in seen)
            name = op.name if own else f"{op.name}__{q.target}"
            while not own and name in seen:
                name = f"{name}_{index}"
            seen.add(name)
            operators.append(replace(op, name=name))
        projections.append(replace(q, operators=tuple(operators)))
    return replace(fused, projections=tuple(projections))
