"""`model.int.nir`: an integer network as a valid NIR graph whose arrays are integers, and back.

Arrays hold effective integers, mantissa << exponent, so a reader that knows NIR alone computes the same currents; time
is in steps. A state that fades is truncated here, and not in plain NIR. What NIR has no field for stands in the
neurons' metadata:

    reset, reset_value, threshold   soft reset, as in the float file (threshold is where the neuron fires at >=)
    scale, weight_bits              the float value of one integer unit, and the width of the mantissas
    decay, current_decay            the exact decays in 1 / 2**decay_bits, for neurons that fade
    drift, fraction_bits            in the state's finest units, and how many bits these are below whole ones
    refractory                      where the step after a spike is lost
    bias                            where no linear node can hold it: per neuron, or behind a pool

and in a weighted node's metadata its `exponent`, in the graph's `recurrent` the edges that close cycles.
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

from converter import fields, nir_file
from converter.errors import InputError
from converter.fields import make_node
from converter.graph import RECURRENT_KEY, Edge, Graph, reset_of
from quant.fuse import FloatProjection, fuse, least_shape, same_padding
from quant.network import DECAY_BITS, LARGEST, IntegerNetwork, Kind, Population, Projection, Reset, check_network
from quant.operators import WEIGHTED, Conv, Flatten, IntArray, Linear, Operator, Scale, Shape, SumPool, weighted

Nodes = dict[str, nir.NIRNode]
NO_DECAY = 2.0**40
"""The time constant, in steps, of a state that does not fade beside others that do."""
_KINDS: dict[type[nir.NIRNode], Kind] = {
    nir.IF: "if",
    nir.LIF: "lif",
    nir.CubaLIF: "cuba_lif",
    nir.I: "readout",
    nir.LI: "readout",
    nir.CubaLI: "readout",
}


def write(path: str | os.PathLike[str], network: IntegerNetwork) -> None:
    """Write the network, atomically.

    Raises:
        InputError: the file cannot be written.
    """
    nodes, edges, closing = _nodes(network)
    metadata: dict[str, Any] = {"inflor_integer": {"input_bits": network.input_bits}}
    if closing:
        metadata[RECURRENT_KEY] = json.dumps(closing)
    nir_file.write(path, nodes, edges, network.info, metadata)


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
    projections = tuple(_read_projection(graph, q) for q in fused.projections)
    populations = tuple(_read_population(graph, name, fused.bias[name]) for name in fused.populations)
    outputs = tuple(dict.fromkeys(n for output in graph.outputs() for n in graph.predecessors(output)))
    input_bits = extra.get("input_bits", 8) if isinstance(extra, Mapping) else 8
    input_bits = _whole(input_bits, f"{graph.source}: metadata 'input_bits'", 1, 8)
    network = IntegerNetwork(populations, projections, outputs, graph.info, input_bits, graph.source)
    for projection in projections:
        _check_width(network, projection)
    check_network(network)
    return network


def _nodes(network: IntegerNetwork) -> tuple[Nodes, list[Edge], list[Edge]]:
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
                bias = population.bias if projection is carrier and operator is projection.operators[-1] else None
                nodes[operator.name] = _operator_node(operator, shape, projection.exponent, bias)
                edges.append((previous, operator.name))
                previous, shape = operator.name, operator.output_shape(shape)
            edges.append((previous, population.name))
            if back:
                closing.append(edges[-1])
        nodes[population.name] = _neuron_node(population, network.input_bits, carrier is None)
    for index, name in enumerate(network.outputs):
        output = unique("output" if index == 0 else f"output_{index}")
        nodes[output] = make_node(nir.Output, {"output_type": {"output": np.array(network.by_name[name].shape)}}, {})
        edges.append((name, output))
    return nodes, edges, closing


def _delay_node(shape: Shape, steps: int, dt: float) -> nir.NIRNode:
    return make_node(nir.Delay, {"delay": np.full(shape, steps * dt, np.float64)}, {})


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

    for name in ("decay", "current_decay", "drift"):
        values = getattr(p, name)
        if values is not None and (values.any() or name == "current_decay"):
            metadata[name] = least(values)
    if p.fades or p.fraction_bits:
        metadata |= {"decay_bits": p.decay_bits, "fraction_bits": p.fraction_bits}
    if p.refractory:
        metadata["refractory"] = 1
    if bias_in_metadata and p.bias.any():
        metadata["bias"] = least(p.bias)
    fields: dict[str, Any] = {"r": full(np.ones((), np.int64))}
    tau = _time_constant(p, p.decay)
    if p.fades:
        fields |= {"r": tau, "v_leak": p.broadcast(p.drift / (1 << p.fraction_bits)) * tau}
    if p.current_decay is not None:
        synaptic = _time_constant(p, p.current_decay)
        fields |= {"tau_mem": tau, "tau_syn": synaptic, "w_in": synaptic}
    elif p.fades:
        fields["tau"] = tau
    if p.kind != "readout":
        fields |= {"v_threshold": full(p.threshold), "v_reset": full(p.v_reset)}
        if p.reset == "subtract":
            metadata |= {"reset": "subtract", "reset_value": least(p.reset_value), "threshold": least(p.threshold + 1)}
    return make_node(_neuron_type(p), fields, metadata)


def _neuron_type(p: Population) -> type[nir.NIRNode]:
    spiking = p.kind != "readout"
    if p.current_decay is not None:
        return nir.CubaLIF if spiking else nir.CubaLI
    if p.fades:
        return nir.LIF if spiking else nir.LI
    return nir.IF if spiking else nir.I


def _time_constant(p: Population, decay: IntArray) -> npt.NDArray[np.float64]:
    """tau in steps with which Euler's rule takes `decay` away in each, for every neuron."""
    return p.broadcast(np.where(decay > 0, (1 << p.decay_bits) / np.maximum(decay, 1), NO_DECAY)).astype(np.float64)


def _narrow(values: IntArray) -> npt.NDArray[Any]:
    """int32 where the values fit, else int64."""
    values = np.asarray(values)
    wide = values.size and (values.min() < -(2**31) or values.max() >= 2**31)
    return values.astype(np.int64 if wide else np.int32)


def _read_projection(graph: Graph, q: FloatProjection) -> Projection:
    operator = weighted(q.operators)
    assert operator is not None
    exponent = graph.nodes[operator.name].metadata.get("exponent", 0) if operator.name in graph.nodes else 0
    exponent = _whole(exponent, f"{graph.source}: node {operator.name!r}: metadata 'exponent'", 0, 62)
    operators = []
    for op in q.operators:
        if isinstance(op, WEIGHTED):
            effective = _integers(op.weight, graph, op.name, "weight")
            if (effective & ((1 << exponent) - 1)).any():
                raise InputError(f"{graph.source}: node {op.name!r}: its weights are not multiples of 2**{exponent}")
            op = replace(op, weight=effective >> exponent)
        operators.append(op)
    return Projection(q.source, q.target, tuple(operators), exponent, q.delay)


def _check_width(network: IntegerNetwork, projection: Projection) -> None:
    operator, bits = weighted(projection.operators), network.by_name[projection.target].weight_bits
    largest = 0 if operator is None else int(np.abs(operator.weight).max(initial=0))
    if largest > (1 << bits) >> 1:
        raise InputError(
            f"{network.source}: node {projection.name!r}: a mantissa of {largest} does not fit the {bits} bits that "
            f"node {projection.target!r} says; quantise it again"
        )


def _read_population(graph: Graph, name: str, bias: npt.NDArray[np.float64]) -> Population:
    node, shape = graph.nodes[name], graph.output_shapes[name]
    zero = np.zeros((), np.int64)
    where = f"{graph.source}: node {name!r}: metadata"
    scale = np.asarray(fields.positive(node.metadata.get("scale", 1.0), f"{where} 'scale'"), np.float64)
    scale = _fitting(scale, shape, f"{where} 'scale'")
    if isinstance(node, nir.Input):
        return Population(name, shape, "input", zero, "none", zero, zero, zero, zero, scale, 0)
    if type(node) not in _KINDS:
        raise InputError(f"{graph.source}: node {name!r}: a {type(node).__name__} has no integer form")

    def integers(values: Any, field: str) -> IntArray:
        return least_shape(_fitting(_integers(values, graph, name, field), shape, f"{where} {field!r}"))

    def whole(field: str, default: int, most: int) -> int:
        return _whole(node.metadata.get(field, default), f"{where} {field!r}", 0, most)

    total = _integers(bias, graph, name, "bias") + integers(node.metadata.get("bias", 0), "bias")
    kind, decay_bits = _KINDS[type(node)], whole("decay_bits", DECAY_BITS, 24)
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
    kept: Reset = "none"
    amounts = {"subtract": zero, "zero": zero}
    if kind != "readout":
        kept, value = reset_of(node)
        amounts[kept] = integers(value, "reset_value" if kept == "subtract" else "v_reset")
    return Population(
        name,
        shape,
        kind,
        zero if kind == "readout" else integers(node.v_threshold, "v_threshold"),
        kept,
        amounts["subtract"],
        amounts["zero"],
        least_shape(total),
        decay,
        scale,
        whole("weight_bits", 8, 8),
        synaptic,
        integers(node.metadata.get("drift", 0), "drift"),
        whole("fraction_bits", 0, 16),
        decay_bits,
        bool(whole("refractory", 0, 1)),
    )


def _whole(value: Any, where: str, least: int, largest: int) -> int:
    whole = fields.integers(value, where, least, 1)[0]
    if whole > largest:
        raise InputError(f"{where} is {whole}; it is at most {largest}")
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
