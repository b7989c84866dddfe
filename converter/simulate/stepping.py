"""A node that remembers something over a whole run, where nothing that it gives comes back to it."""

from __future__ import annotations

import torch
from torch import Tensor

from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.dynamics import dynamics, start
from inflor.converter.primitives.neurons import Neurons


def whole_run(graph: Graph, name: str, current: Tensor) -> Tensor:
    """What a node gives over a whole run: [T, B, *shape] -> [T, B, *shape].

    Step by step, as on a cycle: a sum over all steps at once may round otherwise, and on a GPU twice in two ways.
    """
    given = torch.empty(current.shape, dtype=current.dtype, device=current.device)
    state = start(graph, name, current[0], len(current))
    for arriving, out in zip(current, given, strict=True):
        state.advance(arriving, out)
    return given


def potentials(graph: Graph, name: str, current: Tensor) -> tuple[Tensor, Tensor]:
    """v of a neuron node over a whole run, before the reset of each step, and its spikes, [T, B, *shape].

    Args:
        current: [T, B, *shape], all that arrives at the node.
    """
    v, spikes = torch.empty_like(current), torch.empty_like(current)
    neurons = Neurons(dynamics(graph, name), current[0])
    for arriving, reached, fired in zip(current, v, spikes, strict=True):
        neurons.integrate(arriving)
        reached.copy_(neurons.v)
        neurons.fire(fired)
    return v, spikes.bool()
