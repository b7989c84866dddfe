"""`model.int.nir`: an integer network as a valid NIR graph whose arrays are integers, and back.

Arrays hold effective integers, mantissa << exponent, so a reader that knows NIR alone computes the same currents. A
leak truncates to whole units here, and not in plain NIR. What NIR has no field for stands in the neurons' metadata:

    reset, reset_value, threshold   soft reset, as in the float file (threshold is where the neuron fires at >=)
    scale, weight_bits              the float value of one integer unit, and the width of the mantissas
    decay                           the exact decay in 1/4096, for leaky neurons
    bias                            where no linear node can hold it: per neuron, or behind a pool

and in a weighted node's metadata its `exponent`, in the graph's `delays` what a projection adds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from converter import nir_file
from converter.errors import InputError
from converter.fields import make_node
from converter.graph import Edge, Graph, reset_of
from quant.fuse import FloatProjection, fuse, least_shape, same_padding
from quant.network import DECAY_ONE, IntegerNetwork, Kind, Population, Projection, Reset, check_shapes
from quant.operators import WEIGHTED, Conv, Flatten, IntArray, Linear, Operator, Scale, Shape, SumPool, weighted

Nodes = dict[str, nir.NIRNode]


def write(path: str | os.PathLike[str], network: IntegerNetwork) -> None:
    """Write the network, atomically.

    Raises:
        InputError: the file cannot be written.
    """
    nodes, edges = _nodes(network)
    delays = {f"{q.source}>{q.target}": q.delay for q in network.projections if q.delay}
    extra = {"input_bits": network.input_bits, **({"delays": json.dumps(delays)} if delays else {})}
    nir_file.write(path, nodes, edges, network.info, {"inflor_integer": extra})


def read(path: str | os.PathLike[str]) -> IntegerNetwork:
    """Read a file that `write` made.

    Raises:
        InputError: not a valid NIR file, or not an integer network.
    """
    return from_graph(nir_file.read(path))


def from_graph(graph: Graph) -> IntegerNetwork:
    """The integer network that a validated graph holds.

    Raises:
        InputError: the graph is not an integer one, or a value in it is not an integer.
    """
    if graph.info.stage != "integer":
        raise InputError(
            f"{graph.source}: is a float network; make an integer one of it with: inflor quantize {graph.source}"
        )
    fused = fuse(graph)
    extra = graph.metadata.get("inflor_integer", {})
    delays = json.loads(extra.get("delays", "{}")) if isinstance(extra, Mapping) else {}
    projections = tuple(_read_projection(graph, q, delays) for q in fused.projections)
    populations = tuple(_read_population(graph, name, fused.bias[name]) for name in fused.populations)
    outputs = tuple(dict.fromkeys(n for output in graph.outputs() for n in graph.predecessors(output)))
    input_bits = int(extra.get("input_bits", 8)) if isinstance(extra, Mapping) else 8
    network = IntegerNetwork(populations, projections, outputs, graph.info, input_bits, graph.source)
    check_shapes(network)
    return network


def _nodes(network: IntegerNetwork) -> tuple[Nodes, list[Edge]]:
    nodes: Nodes = {}
    edges: list[Edge] = []
    for population in network.populations:
        incoming = network.incoming[population.name]
        carrier = _bias_carrier(population, incoming)
        for projection in incoming:
            previous, shape = projection.source, network.by_name[projection.source].shape
            for operator in projection.operators:
                bias = population.bias if projection is carrier and operator is projection.operators[-1] else None
                nodes[operator.name] = _operator_node(operator, shape, projection.exponent, bias)
                edges.append((previous, operator.name))
                previous, shape = operator.name, operator.output_shape(shape)
            edges.append((previous, population.name))
        nodes[population.name] = _neuron_node(population, network.input_bits, carrier is None)
    for index, name in enumerate(network.outputs):
        output = "output" if index == 0 else f"output_{index}"
        while output in nodes:
            output += "_"
        nodes[output] = make_node(nir.Output, {"output_type": {"output": np.array(network.by_name[name].shape)}}, {})
        edges.append((name, output))
    return nodes, edges


def _bias_carrier(population: Population, incoming: tuple[Projection, ...]) -> Projection | None:
    """The first projection whose last operator is a NIR node with a bias that fits."""
    per_channel = population.bias.size in (1, population.shape[0])
    for projection in incoming:
        last = projection.operators[-1] if projection.operators else None
        if isinstance(last, Conv | Linear) and per_channel and last.weight.shape[0] == population.shape[0]:
            return projection
    return None


def _operator_node(operator: Operator, shape: Shape, exponent: int, bias: IntArray | None) -> nir.NIRNode:
    if isinstance(operator, Flatten):
        fields = {"input_type": {"input": np.array(shape)}, "start_dim": operator.start, "end_dim": operator.end}
        return make_node(nir.Flatten, fields, {})
    if isinstance(operator, SumPool):
        sizes = {"kernel_size": operator.kernel, "stride": operator.stride, "padding": operator.padding}
        return make_node(nir.SumPool2d, {k: np.array(v) for k, v in sizes.items()}, {})
    metadata = {"exponent": exponent}
    weight = _narrow(operator.weight << exponent)
    if isinstance(operator, Scale):
        return make_node(nir.Scale, {"scale": np.broadcast_to(weight, shape).copy()}, metadata)
    constant = np.broadcast_to(np.ravel(bias if bias is not None else 0), weight.shape[0]).copy()
    if isinstance(operator, Linear):
        if bias is None:
            return make_node(nir.Linear, {"weight": weight}, metadata)
        return make_node(nir.Affine, {"weight": weight, "bias": _narrow(constant)}, metadata)
    symmetric = all(before == after for before, after in operator.padding)
    if not symmetric and operator.padding != same_padding(operator.weight.shape[2:], operator.dilation):
        raise InputError(f"node {operator.name!r}: NIR has no padding {operator.padding}; pad both ends alike")
    one = len(operator.stride) == 1
    fields = {
        "input_shape": shape[1] if one else tuple(shape[1:]),
        "weight": weight,
        "stride": operator.stride[0] if one else operator.stride,
        "padding": tuple(before for before, _ in operator.padding) if symmetric else "same",
        "dilation": operator.dilation[0] if one else operator.dilation,
        "groups": operator.groups,
        "bias": _narrow(constant),
    }
    if one and symmetric:
        fields["padding"] = operator.padding[0][0]
    return make_node(nir.Conv1d if one else nir.Conv2d, fields, metadata)


def _neuron_node(p: Population, input_bits: int, bias_in_metadata: bool) -> nir.NIRNode:
    metadata: dict[str, Any] = {"scale": np.asarray(p.scale, np.float64)}
    if p.kind == "input":
        return make_node(nir.Input, {"input_type": {"input": np.array(p.shape)}}, metadata | {"bits": input_bits})
    metadata["weight_bits"] = p.weight_bits

    def full(values: IntArray) -> npt.NDArray[Any]:
        return _narrow(p.broadcast(values).copy())

    def least(values: IntArray) -> npt.NDArray[Any]:
        return _narrow(least_shape(p.broadcast(values)))

    fields: dict[str, Any] = {"r": full(np.ones((), np.int64))}
    if p.decay.any():
        fields["tau"] = p.broadcast(DECAY_ONE / np.maximum(p.decay, 1)).astype(np.float32)
        fields["r"], fields["v_leak"] = fields["tau"], np.zeros(p.shape, np.float32)
        metadata["decay"] = least(p.decay)
    if bias_in_metadata and p.bias.any():
        metadata["bias"] = least(p.bias)
    if p.kind == "readout":
        return make_node(nir.LI if p.decay.any() else nir.I, fields, metadata)
    fields |= {"v_threshold": full(p.threshold), "v_reset": full(p.v_reset)}
    if p.reset == "subtract":
        metadata |= {"reset": "subtract", "reset_value": least(p.reset_value), "threshold": least(p.threshold + 1)}
    return make_node(nir.LIF if p.decay.any() else nir.IF, fields, metadata)


def _narrow(values: IntArray) -> npt.NDArray[Any]:
    """int32 where the values fit, else int64."""
    values = np.asarray(values)
    wide = values.size and (values.min() < -(2**31) or values.max() >= 2**31)
    return values.astype(np.int64 if wide else np.int32)


def _read_projection(graph: Graph, q: FloatProjection, delays: Mapping[str, int]) -> Projection:
    operator = weighted(q.operators)
    assert operator is not None
    exponent = int(graph.nodes[operator.name].metadata.get("exponent", 0)) if operator.name in graph.nodes else 0
    operators = []
    for op in q.operators:
        if isinstance(op, WEIGHTED):
            effective = _integers(op.weight, graph, op.name, "weight")
            if (effective & ((1 << exponent) - 1)).any():
                raise InputError(f"{graph.source}: node {op.name!r}: its weights are not multiples of 2**{exponent}")
            op = replace(op, weight=effective >> exponent)
        operators.append(op)
    return Projection(q.source, q.target, tuple(operators), exponent, int(delays.get(f"{q.source}>{q.target}", 0)))


def _read_population(graph: Graph, name: str, bias: npt.NDArray[np.float64]) -> Population:
    node, shape = graph.nodes[name], graph.output_shapes[name]
    zero = np.zeros((), np.int64)
    scale = np.asarray(node.metadata.get("scale", 1.0), np.float64)
    if isinstance(node, nir.Input):
        return Population(name, shape, "input", zero, "none", zero, zero, zero, zero, scale, 0)
    if not isinstance(node, nir.IF | nir.LIF | nir.I | nir.LI):
        raise InputError(f"{graph.source}: node {name!r}: a {type(node).__name__} has no integer form")

    def integers(values: Any, field: str) -> IntArray:
        return least_shape(_integers(np.asarray(values), graph, name, field))

    total = _integers(bias, graph, name, "bias") + _integers(node.metadata.get("bias", 0), graph, name, "bias")
    decay = integers(node.metadata.get("decay", 0), "decay")
    bits = int(node.metadata.get("weight_bits", 8))
    if isinstance(node, nir.I | nir.LI):
        return Population(name, shape, "readout", zero, "none", zero, zero, least_shape(total), decay, scale, bits)
    if isinstance(node, nir.LIF) and not decay.any():
        raise InputError(f"{graph.source}: node {name!r}: a leaky neuron without its integer decay; quantise it again")
    reset, value = reset_of(node)
    amount = integers(value, "reset_value" if reset == "subtract" else "v_reset")
    subtract, to = (amount, zero) if reset == "subtract" else (zero, amount)
    kind: Kind = "lif" if isinstance(node, nir.LIF) else "if"
    kept: Reset = reset
    threshold = integers(node.v_threshold, "v_threshold")
    return Population(name, shape, kind, threshold, kept, subtract, to, least_shape(total), decay, scale, bits)


def _integers(values: Any, graph: Graph, name: str, field: str) -> IntArray:
    """`values` as int64; every one must be a whole number."""
    array = np.asarray(values)
    rounded = np.rint(array).astype(np.int64) if array.dtype.kind == "f" else array.astype(np.int64)
    if not np.array_equal(rounded, array):
        raise InputError(f"{graph.source}: node {name!r}: field {field!r} of an integer network holds fractions")
    return rounded
