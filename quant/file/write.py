"""The nodes and edges that stand for an integer network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from inflor.converter.nir.graph import Edge
from inflor.converter.primitives.fields import make_node
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.operators import IntArray, Operator, Shape, Weighted
from inflor.quant.operators.arrays import least_shape, narrow

Nodes = dict[str, nir.NIRNode]
NO_DECAY = 2.0**40
"""The time constant, in steps, of a state that does not fade beside others that do."""


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


def _neuron_node(p: Population, input_bits: int, bias_in_metadata: bool) -> nir.NIRNode:
    metadata: dict[str, Any] = {"scale": np.asarray(p.scale, np.float64)}
    if p.role == "input":
        return make_node(nir.Input, {"input_type": {"input": np.array(p.shape)}}, metadata | {"bits": input_bits})
    metadata["weight_bits"] = p.weight_bits
    rule = p.rule

    def full(values: IntArray) -> npt.NDArray[Any]:
        return narrow(p.broadcast(values).copy())

    def least(values: IntArray) -> npt.NDArray[Any]:
        return narrow(least_shape(p.broadcast(values)))

    for name in ("decay", "current_decay", "drift"):
        values = getattr(rule, name)
        if values is not None and (values.any() or name == "current_decay"):
            metadata[name] = least(values)
    if rule.decays or rule.fraction_bits:
        metadata |= {"decay_bits": rule.decay_bits, "fraction_bits": rule.fraction_bits}
    if rule.refractory:
        metadata["refractory"] = 1
    if bias_in_metadata and rule.bias.any():
        metadata["bias"] = least(rule.bias)
    fields: dict[str, Any] = {"r": full(np.ones((), np.int64))}
    tau = _time_constant(p, rule.decay)
    if rule.decays:
        fields |= {"r": tau, "v_leak": p.broadcast(rule.drift / (1 << rule.fraction_bits)) * tau}
    if rule.current_decay is not None:
        synaptic = _time_constant(p, rule.current_decay)
        fields |= {"tau_mem": tau, "tau_syn": synaptic, "w_in": synaptic}
    elif rule.decays:
        fields["tau"] = tau
    if p.role != "readout":
        fields |= {"v_threshold": full(rule.threshold), "v_reset": full(rule.v_reset)}
        if rule.reset_kind == "subtract":
            metadata |= {
                "reset": "subtract",
                "reset_value": least(rule.reset_value),
                "threshold": least(rule.threshold + 1),
            }
    return make_node(_neuron_type(p), fields, metadata)


def _neuron_type(p: Population) -> type[nir.NIRNode]:
    spiking, rule = p.role != "readout", p.rule
    if rule.current_decay is not None:
        return nir.CubaLIF if spiking else nir.CubaLI
    if rule.decays:
        return nir.LIF if spiking else nir.LI
    return nir.IF if spiking else nir.I


def _time_constant(p: Population, decay: IntArray) -> npt.NDArray[np.float64]:
    """tau in steps with which Euler's rule takes `decay` away in each, for every neuron."""
    return p.broadcast(np.where(decay > 0, (1 << p.rule.decay_bits) / np.maximum(decay, 1), NO_DECAY)).astype(
        np.float64
    )
