"""The nodes and edges that stand for an integer network."""

from __future__ import annotations

from dataclasses import replace

import nir
import numpy as np

from inflor.converter.nir.graph import Edge
from inflor.converter.primitives.fields import make_node
from inflor.quant.file.neurons import neuron_node
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.operators import IntArray, Operator, Shape, Weighted

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
            edges.append((previous, population.name))
            if back:
                closing.append(edges[-1])
        nodes[population.name] = neuron_node(population, network.input_bits, carrier is None)
    for index, name in enumerate(network.outputs):
        output = unique("output" if index == 0 else f"output_{index}")
        nodes[output] = make_node(nir.Output, {"output_type": {"output": np.array(network.by_name[name].shape)}}, {})
        edges.append((name, output))
    return nodes, edges, closing


def _delay_node(shape: Shape, steps: int, dt: float) -> nir.NIRNode:
    return make_node(nir.Delay, {"delay": np.full(shape, steps * dt, np.float64)}, {})


def _bias_carrier(population: Population, incoming: tuple[Projection, ...]) -> Projection | None:
    """The first projection whose last operator is a NIR node with a bias that fits."""
    per_channel = population.rule.bias.size in (1, population.shape[0])
    for projection in incoming:
        last = projection.operators[-1] if projection.operators else None
        if last is not None and per_channel and last.adds_bias(population.shape):
            return projection
    return None


def _operator_node(operator: Operator, shape: Shape, exponent: int, bias: IntArray | None) -> nir.NIRNode:
    """An operator's node, with effective weights, `mantissa << exponent`."""
    if not isinstance(operator, Weighted):
        return operator.to_nir(shape)
    node = replace(operator, weight=operator.weight << exponent).to_nir(shape, bias)
    node.metadata["exponent"] = exponent
    return node
