"""Populations and projections from the nodes of an integer graph; whatever is not an integer is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph, reset_of
from inflor.converter.primitives import fields
from inflor.converter.primitives.base import primitive
from inflor.quant.ir.network import LARGEST, IntegerNetwork, Population, Projection
from inflor.quant.ir.neuron import DECAY_BITS, ZERO, NeuronRule, SetTo, Subtract
from inflor.quant.operators import IntArray, Shape, Weighted, weighted
from inflor.quant.operators.arrays import largest, least_shape
from inflor.quant.passes.fuse import FloatProjection

LARGEST_EXPONENT = 39
"""A weight that is not 0 leaves the numbers of a file (2**40) with any larger one."""


def read_projection(graph: Graph, q: FloatProjection) -> Projection:
    operator = weighted(q.operators)
    assert operator is not None
    exponent = graph.nodes[operator.name].metadata.get("exponent", 0) if operator.name in graph.nodes else 0
    where = f"{graph.source}: node {operator.name!r}: metadata 'exponent'"
    exponent = whole_number(exponent, where, 0, LARGEST_EXPONENT)
    operators = []
    for op in q.operators:
        if isinstance(op, Weighted):
            effective = _integers(op.weight, graph, op.name, "weight")
            if (effective & ((1 << exponent) - 1)).any():
                raise InputError(f"{graph.source}: node {op.name!r}: its weights are not multiples of 2**{exponent}")
            op = replace(op, weight=effective >> exponent)
        operators.append(op)
    return Projection(q.source, q.target, tuple(operators), exponent, q.delay)


def check_width(network: IntegerNetwork, projection: Projection) -> None:
    operator, bits = weighted(projection.operators), network.by_name[projection.target].weight_bits
    mantissa = 0 if operator is None else largest(operator.weight)
    if mantissa > (1 << bits) >> 1:
        raise InputError(
            f"{network.source}: node {projection.name!r}: a mantissa of {mantissa} does not fit the {bits} bits that "
            f"node {projection.target!r} says; quantise it again"
        )


def read_population(graph: Graph, name: str, bias: npt.NDArray[np.float64]) -> Population:
    node, shape = graph.nodes[name], graph.output_shapes[name]
    where = f"{graph.source}: node {name!r}: metadata"
    scale = np.asarray(fields.positive(node.metadata.get("scale", 1.0), f"{where} 'scale'"), np.float64)
    scale = _fitting(scale, shape, f"{where} 'scale'")
    if isinstance(node, nir.Input):
        return Population(name=name, shape=shape, role="input", scale=scale, weight_bits=0)
    kind = primitive(node).kind
    if kind is None or kind == "threshold":
        raise InputError(f"{graph.source}: node {name!r}: a {type(node).__name__} has no integer form")

    def integers(values: Any, field: str) -> IntArray:
        return least_shape(_fitting(_integers(values, graph, name, field), shape, f"{where} {field!r}"))

    def whole(field: str, default: int, most: int) -> int:
        return whole_number(node.metadata.get(field, default), f"{where} {field!r}", 0, most)

    total = _integers(bias, graph, name, "bias") + integers(node.metadata.get("bias", 0), "bias")
    decay_bits = whole("decay_bits", DECAY_BITS, 24)
    decay, synaptic = integers(node.metadata.get("decay", 0), "decay"), None
    if isinstance(node, nir.LIF | nir.LI) and not decay.any():
        raise InputError(f"{graph.source}: node {name!r}: a leaky neuron without its integer decay; quantise it again")
    if isinstance(node, nir.CubaLIF | nir.CubaLI):
        if "current_decay" not in node.metadata:
            raise InputError(f"{graph.source}: node {name!r}: a current without its integer decay; quantise it again")
        synaptic = integers(node.metadata["current_decay"], "current_decay")
    for values in (decay, synaptic):
        if values is not None and (values.min() < 0 or values.max() > 1 << decay_bits):
            raise InputError(f"{graph.source}: node {name!r}: a decay is outside 0 to 2**{decay_bits}")
    reset: Subtract | SetTo | None = None
    if kind != "readout":
        how, value = reset_of(node)
        soft = how == "subtract"
        reset = Subtract(integers(value, "reset_value")) if soft else SetTo(integers(value, "v_reset"))
    return Population(
        name=name,
        shape=shape,
        role="readout" if kind == "readout" else "spiking",
        rule=NeuronRule(
            threshold=ZERO if kind == "readout" else integers(node.v_threshold, "v_threshold"),
            reset=reset,
            bias=least_shape(total),
            decay=decay,
            current_decay=synaptic,
            decay_bits=decay_bits,
            drift=integers(node.metadata.get("drift", 0), "drift"),
            fraction_bits=whole("fraction_bits", 0, 16),
            refractory=bool(whole("refractory", 0, 1)),
        ),
        scale=scale,
        weight_bits=whole("weight_bits", 8, 8),
    )


def whole_number(value: Any, where: str, least: int, most: int) -> int:
    whole = fields.integers(value, where, least, 1)[0]
    if whole > most:
        raise InputError(f"{where} is {whole}; it is at most {most}")
    return whole


def _fitting(values: npt.NDArray[Any], shape: Shape, where: str) -> npt.NDArray[Any]:
    """The values, which must broadcast to a population's shape."""
    sizes = zip(reversed(values.shape), reversed(shape), strict=False)
    if values.ndim > len(shape) or any(size not in (1, full) for size, full in sizes):
        raise InputError(f"{where} has shape {list(values.shape)}, but the neurons have {list(shape)}")
    return values


def _integers(values: Any, graph: Graph, name: str, field: str) -> IntArray:
    """`values` as int64; every one must be a whole number."""
    array = fields.numbers(values, f"{graph.source}: node {name!r}: field {field!r}")
    if not np.abs(array.astype(np.float64)).max() < LARGEST:
        raise InputError(f"{graph.source}: node {name!r}: field {field!r} of an integer network holds a huge number")
    rounded = np.rint(array).astype(np.int64) if array.dtype.kind == "f" else array.astype(np.int64)
    if not np.array_equal(rounded, array):
        raise InputError(f"{graph.source}: node {name!r}: field {field!r} of an integer network holds fractions")
    return rounded
