"""The nodes and edges that stand for an integer network."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Edge
from inflor.converter.primitives.fields import make_node
from inflor.converter.primitives.pool import max_pool
from inflor.quant.file.neurons import neuron_node
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.ports import Group
from inflor.quant.operators import Flatten, IntArray, Operator, Shape, Weighted

Nodes = dict[str, nir.NIRNode]


def nodes_of(network: IntegerNetwork) -> tuple[Nodes, list[Edge], list[Edge]]:
    """Nodes, edges, and those of the edges that close a cycle."""
    nodes: Nodes = {}
    edges: list[Edge] = []
    closing: list[Edge] = []
    taken = {op.name for q in network.projections for op in q.operators} | set(network.by_name)

    def unique(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    for population in network.populations:
        incoming = network.incoming[population.name]
        pools = {group.name: _pool_nodes(population, group, unique) for group in population.groups}
        leading = {name: list(itertools.pairwise([*made, population.name])) for name, made in pools.items()}
        carrier = _bias_carrier(population, incoming)
        for projection in incoming:
            previous, shape = projection.source, network.by_name[projection.source].shape
            back = network.is_recurrent(projection)
            if projection.delay > back:
                delay = unique(f"{projection.name}_delay")
                nodes[delay] = _delay_node(shape, projection.delay - back, network.info.dt)
                edges.append((previous, delay))
                previous = delay
            for operator in projection.operators:
                bias = population.rule.bias if projection is carrier and operator is projection.operators[-1] else None
                nodes[operator.name] = _operator_node(operator, shape, projection.exponent, bias)
                edges.append((previous, operator.name))
                previous, shape = operator.name, operator.output_shape(shape)
            edges.append((previous, next(iter(pools.get(projection.group, [population.name])))))
            if back:
                closing.append(edges[-1])
            edges += leading.pop(projection.group, [])  # here, so that a reader finds the projections in this order
        for made in pools.values():
            nodes |= made
        nodes[population.name] = neuron_node(population, network.input_bits, carrier is None)
    for index, name in enumerate(network.outputs):
        output = unique("output" if index == 0 else f"output_{index}")
        nodes[output] = make_node(nir.Output, {"output_type": {"output": np.array(network.by_name[name].shape)}}, {})
        edges.append((name, output))
    return nodes, edges, closing


def _pool_nodes(population: Population, group: Group, unique: Callable[[str], str]) -> Nodes:
    """The nodes that a group of input ports becomes, in their order.

    Raises:
        InputError: NIR has none for it.
    """
    if len(group.windows.kernel) != 2:
        raise InputError("NIR has no pool of one dimension", node=population.name, mend="give its map a second")
    nodes: Nodes = {unique(group.name): max_pool(group.windows)}
    if group.pooled != population.shape:
        flat = unique(f"{group.name}_flatten")
        nodes[flat] = _flatten_node(group.pooled, population.shape, flat)
    return nodes


def _flatten_node(shape: Shape, flat: Shape, name: str) -> nir.NIRNode:
    """The Flatten that makes `flat` of `shape`."""
    for start, end in itertools.combinations(range(len(shape)), 2):
        flatten = Flatten(name, start, end)
        if flatten.output_shape(shape) == flat:
            return flatten.to_nir(shape)
    raise InputError(f"no flatten makes {flat} of the pooled {shape}", node=name)


def _delay_node(shape: Shape, steps: int, dt: float) -> nir.NIRNode:
    return make_node(nir.Delay, {"delay": np.full(shape, steps * dt, np.float64)}, {})


def _bias_carrier(population: Population, incoming: tuple[Projection, ...]) -> Projection | None:
    """The first projection whose last operator is a NIR node with a bias that fits.

    What is added to a whole channel before a maximum is added to the maximum.
    """
    per_channel = population.rule.bias.size in (1, population.shape[0])
    for projection in incoming:
        last = projection.operators[-1] if projection.operators else None
        shape = population.arriving(projection.group)
        fits = per_channel and (shape[0] == population.shape[0] or population.rule.bias.size == 1)
        if last is not None and fits and last.adds_bias(shape):
            return projection
    return None


def _operator_node(operator: Operator, shape: Shape, exponent: int, bias: IntArray | None) -> nir.NIRNode:
    """An operator's node, with effective weights, `mantissa << exponent`."""
    if not isinstance(operator, Weighted):
        return operator.to_nir(shape)
    node = replace(operator, weight=operator.weight << exponent).to_nir(shape, bias)
    node.metadata["exponent"] = exponent
    return node
