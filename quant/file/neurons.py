"""Populations as NIR nodes. What NIR has no field for stands in the metadata, under the name of the rule's field.

A plain NIR reader takes tau, r, w_in and v_leak from the node's fields; here the metadata alone say what leaks.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph, reset_of
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.fields import integers, make_node, numbers, positive
from inflor.quant.ir.features import Feature
from inflor.quant.ir.network import LARGEST, Population
from inflor.quant.ir.neuron import MOST, ZERO, NeuronRule, SetTo, Subtract
from inflor.quant.ir.ports import Group
from inflor.quant.ir.types import IntArray, Shape
from inflor.quant.operators.arrays import least_shape, narrow

AGAIN = "quantize it again"
NO_DECAY = 2.0**40
"""The time constant, in steps, of a state that does not leak beside others that do."""
STATED = {f.name: f for f in fields(NeuronRule) if f.name not in ("threshold", "reset", "bias")}
"""Fields of the rule that the metadata hold as they are; the others are the node's own, or a weighted node's."""


def neuron_node(p: Population, input_bits: int, bias_in_metadata: bool) -> nir.NIRNode:
    """The node of a population. bias_in_metadata: no node before it can hold the bias.

    Raises:
        InputError: its neurons have no form in a file.
    """
    metadata: dict[str, Any] = {"scale": np.asarray(p.scale, np.float64)}
    if p.role == "input":
        return make_node(nir.Input, {"input_type": {"input": np.array(p.shape)}}, metadata | {"bits": input_bits})
    rule = p.rule
    if Feature.NO_RESET in p.features():
        raise InputError("remembers its potential and has no reset, which a file has no form for", node=p.name)
    metadata |= {"weight_bits": p.weight_bits, **_stated(p)}
    if bias_in_metadata and rule.bias.any():
        metadata["bias"] = _least(p, rule.bias)
    values: dict[str, Any] = {"r": _full(p, np.ones((), np.int64))}
    tau = _time_constant(p, rule.decay)
    if rule.decays:
        values |= {"r": tau, "v_leak": p.broadcast(rule.drift / (1 << rule.fraction_bits)) * tau}
    if rule.current_decay is not None:
        synaptic = _time_constant(p, rule.current_decay)
        values |= {"tau_mem": tau, "tau_syn": synaptic, "w_in": synaptic}
    elif rule.decays:
        values["tau"] = tau
    if p.role == "spiking":
        values |= {"v_threshold": _full(p, rule.threshold), "v_reset": _full(p, rule.v_reset)}
    if isinstance(rule.reset, Subtract):
        metadata |= {"reset": "subtract", "reset_value": _least(p, rule.reset.value)}
        metadata["threshold"] = _least(p, rule.threshold + 1)
    return make_node(_class(p), values, metadata)


def read_population(
    graph: Graph, name: str, bias: npt.NDArray[np.float64], groups: tuple[Group, ...] = ()
) -> Population:
    """The population that a node is.

    Args:
        bias: what the nodes before it add, at the population's shape.
        groups: of its input ports.

    Raises:
        InputError: a number is none that an integer network can hold; names the file, the node and the field.
    """
    node, shape = graph.nodes[name], graph.output_shapes[name]
    where = f"{graph.source}: node {name!r}: metadata"
    scale = np.asarray(positive(node.metadata.get("scale", 1.0), f"{where} 'scale'"), np.float64)
    scale = _fitting(scale, shape, f"{where} 'scale'")
    if isinstance(node, nir.Input):
        return Population(name=name, shape=shape, role="input", scale=scale, weight_bits=0)
    kind = primitive(node).kind
    if kind is None or kind == "threshold":
        raise InputError(f"a {type(node).__name__} has no integer form", path=graph.source, node=name)

    def whole(values: Any, field: str) -> IntArray:
        return least_shape(_fitting(whole_numbers(values, graph, name, field), shape, f"{where} {field!r}"))

    stated: dict[str, Any] = {}
    for field in STATED.values():
        value = node.metadata.get(field.name)
        if isinstance(field.default, int):
            said = int(field.default) if value is None else value
            stated[field.name] = type(field.default)(whole_number(said, f"{where} {field.name!r}", 0, MOST[field.name]))
        elif value is not None:
            stated[field.name] = whole(value, field.name)
    total = whole_numbers(bias, graph, name, "bias") + whole(node.metadata.get("bias", 0), "bias")
    reset: Subtract | SetTo | None = None
    if kind != "readout":
        how, value = reset_of(node)
        reset = Subtract(whole(value, "reset_value")) if how == "subtract" else SetTo(whole(value, "v_reset"))
    threshold = ZERO if kind == "readout" else whole(node.v_threshold, "v_threshold")
    rule = NeuronRule(threshold=threshold, reset=reset, bias=least_shape(total), **stated)
    _check_decays(graph, name, node, rule)
    return Population(
        name=name,
        shape=shape,
        role="readout" if kind == "readout" else "spiking",
        rule=rule,
        scale=scale,
        weight_bits=whole_number(node.metadata.get("weight_bits"), f"{where} 'weight_bits'", 0, 8),
        groups=groups,
    )


def whole_number(value: Any, where: str, least: int, largest: int) -> int:
    """One whole number of a file, from `least` to `largest`."""
    whole = integers(value, where, least, 1)[0]
    if whole > largest:
        raise InputError(f"{where} is {whole}; it is at most {largest}")
    return whole


def whole_numbers(values: Any, graph: Graph, name: str, field: str) -> IntArray:
    """`values` of a node as int64; every one must be a whole number."""
    array = numbers(values, f"{graph.source}: node {name!r}: field {field!r}")
    if not np.abs(array.astype(np.float64)).max() < LARGEST:
        raise InputError(f"{graph.source}: node {name!r}: field {field!r} of an integer network holds a huge number")
    rounded = np.rint(array).astype(np.int64) if array.dtype.kind == "f" else array.astype(np.int64)
    if not np.array_equal(rounded, array):
        raise InputError(f"{graph.source}: node {name!r}: field {field!r} of an integer network holds fractions")
    return rounded


def _stated(p: Population) -> dict[str, Any]:
    """What the rule says otherwise than by default; the widths of decays and fractions wherever there is either."""
    found: dict[str, Any] = {}
    for name, field in STATED.items():
        value = getattr(p.rule, name)
        if isinstance(value, np.ndarray):
            if value.any() or field.default_factory is MISSING:
                found[name] = _least(p, value)
        elif (p.rule.decays or p.rule.fraction_bits) if name.endswith("_bits") else value != field.default:
            found[name] = int(value)
    return found


def _check_decays(graph: Graph, name: str, node: nir.NIRNode, rule: NeuronRule) -> None:
    if isinstance(node, nir.LIF | nir.LI) and not rule.decay.any():
        raise InputError("a leaky neuron without its integer decay", path=graph.source, node=name, mend=AGAIN)
    if isinstance(node, nir.CubaLIF | nir.CubaLI) and rule.current_decay is None:
        raise InputError("a current without its integer decay", path=graph.source, node=name, mend=AGAIN)
    if any(values.min() < 0 or values.max() > 1 << rule.decay_bits for values in rule.decays):
        raise InputError(f"a decay is outside 0 to 2**{rule.decay_bits}", path=graph.source, node=name)


def _class(p: Population) -> type[nir.NIRNode]:
    spiking = p.role == "spiking"
    if p.rule.current_decay is not None:
        return nir.CubaLIF if spiking else nir.CubaLI
    if p.rule.decays:
        return nir.LIF if spiking else nir.LI
    return nir.IF if spiking else nir.I


def _time_constant(p: Population, decay: IntArray) -> npt.NDArray[np.float64]:
    """tau in steps with which Euler's rule takes `decay` away in each, for every neuron."""
    one = 1 << p.rule.decay_bits
    return p.broadcast(np.where(decay > 0, one / np.maximum(decay, 1), NO_DECAY)).astype(np.float64)


def _full(p: Population, values: IntArray) -> npt.NDArray[Any]:
    return narrow(p.broadcast(values).copy())


def _least(p: Population, values: IntArray) -> npt.NDArray[Any]:
    return narrow(least_shape(p.broadcast(values)))


def _fitting(values: npt.NDArray[Any], shape: Shape, where: str) -> npt.NDArray[Any]:
    """The values, which must broadcast to a population's shape."""
    sizes = zip(reversed(values.shape), reversed(shape), strict=False)
    if values.ndim > len(shape) or any(size not in (1, full) for size, full in sizes):
        raise InputError(f"{where} has shape {list(values.shape)}, but the neurons have {list(shape)}")
    return values
