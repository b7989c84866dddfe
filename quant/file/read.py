"""Projections from the nodes of an integer graph; whatever is not an integer is refused."""

from __future__ import annotations

from dataclasses import replace

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.quant.file.neurons import whole_number, whole_numbers
from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.operators import Weighted, weighted
from inflor.quant.operators.arrays import largest
from inflor.quant.passes.fused import FloatProjection

LARGEST_EXPONENT = 39
"""A weight that is not 0 leaves the numbers of a file (2**40) with any larger one."""


def read_projection(graph: Graph, q: FloatProjection) -> Projection:
    operator = weighted(q.operators)
    assert operator is not None
    if q.weights > 1:
        path = " -> ".join((q.source, *q.nodes, q.target))
        raise InputError(
            f"{graph.source}: {path}: an integer network has one node with weights between two neurons; "
            "quantize the float network that it was made of"
        )
    exponent = graph.nodes[operator.name].metadata.get("exponent", 0) if operator.name in graph.nodes else 0
    where = f"{graph.source}: node {operator.name!r}: metadata 'exponent'"
    exponent = whole_number(exponent, where, 0, LARGEST_EXPONENT)
    operators = []
    for op in q.operators:
        if isinstance(op, Weighted):
            effective = whole_numbers(op.weight, graph, op.name, "weight")
            if (effective & ((1 << exponent) - 1)).any():
                raise InputError(f"{graph.source}: node {op.name!r}: its weights are not multiples of 2**{exponent}")
            op = replace(op, weight=effective >> exponent)
        operators.append(op)
    return Projection(q.source, q.target, tuple(operators), exponent=exponent, delay=q.delay, group=q.group)


def check_width(network: IntegerNetwork, projection: Projection) -> None:
    operator, bits = weighted(projection.operators), network.by_name[projection.target].weight_bits
    mantissa = 0 if operator is None else largest(operator.weight)
    if mantissa > (1 << bits) >> 1:
        raise InputError(
            f"{network.source}: node {projection.name!r}: a mantissa of {mantissa} does not fit the {bits} bits that "
            f"node {projection.target!r} says; quantize it again"
        )
