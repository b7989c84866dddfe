"""Every bias is carried through what follows it to the neurons that it ends in.

Before: Affine(W1, b) -> Linear(W2) -> lif          After: lif with the bias W2 b

A bias is what arrives when no neuron fires, so it is found by sending nothing into the linear nodes.
"""

from __future__ import annotations

from dataclasses import replace

import nir
import numpy as np
import torch

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.ordering import evaluation_order
from inflor.converter.primitives.delay import delay_steps
from inflor.converter.primitives.pool import is_max_pool, windows_of
from inflor.quant.ir.types import FloatArray
from inflor.quant.operators import LINEAR_NODES, operator_of, weight_tensor
from inflor.quant.operators.arrays import channels_first
from inflor.quant.passes.fused import FusedGraph

EXACT = 2.0**53
"""Integers that float64 holds all of."""
SAME = 2.0**-40
"""By which biases of one window may differ, of the largest: the roundings of their sums in float64."""


def carry_biases(fused: FusedGraph) -> FusedGraph:
    """The graph with one bias for each population.

    Raises:
        InputError: a bias before a Delay node, or one of an integer network that float64 does not hold; names the node.
    """
    graph = fused.graph
    linear = [n for n in graph.order if isinstance(graph.nodes[n], (*LINEAR_NODES, nir.Delay))]
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
        if graph.info.stage == "integer" and not np.abs(out[name]).max(initial=0) <= EXACT:
            raise InputError("its bias, or one carried to it, is too large", path=graph.source, node=name)
    return replace(fused, bias={name: arriving(name) for name in fused.populations})


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
    if is_max_pool(node):
        return _through_maximum(graph, name, arriving)
    operator = operator_of(name, node, graph.input_shapes[name], graph.source)
    x = operator.apply(torch.from_numpy(arriving[None]), weight_tensor((operator,), torch.float64))
    bias = channels_first(np.asarray(getattr(node, "bias", 0.0), np.float64), len(graph.output_shapes[name]))
    return np.asarray(x[0].numpy() + bias)


def _through_maximum(graph: Graph, name: str, arriving: FloatArray) -> FloatArray:
    """What a constant adds to every maximum: the same number to all places of a window."""
    windows = windows_of(graph.nodes[name])
    most, least = (sign * windows.maximum(sign * torch.from_numpy(arriving[None]))[0].numpy() for sign in (1, -1))
    same = 0.0 if graph.info.stage == "integer" else SAME * np.abs(arriving).max(initial=0)
    if not np.allclose(most, least, rtol=0, atol=same):
        raise InputError(
            f"{graph.where(name)}: the biases that arrive differ within a window, so they cannot be carried behind its "
            "maximum; pad only where no bias has been added before, or put a neuron before the pool"
        )
    return most
