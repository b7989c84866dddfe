"""The steps of a graph's neurons, with the graph's own time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.base import State, primitive
from inflor.converter.primitives.step import Clock, Dynamics, completed


def clock_of(graph: Graph) -> Clock:
    """The step and the rule of integration that a graph says, or that are assumed for it."""
    return Clock(graph.info.dt, graph.info.integration)


@np.errstate(over="ignore", divide="ignore", invalid="ignore")  # what float32 cannot hold is refused at the end
def dynamics(graph: Graph, name: str) -> Dynamics:
    """The step of the neuron or Threshold node `name` of a validated graph; arrays at the node's full shape.

    Raises:
        InputError: the node has no dynamics; a time constant is shorter than the step, which Euler's rule does not
            follow; the numbers of a step are beyond float32. Names the node.
    """
    node, where, clock = graph.nodes[name], graph.where(name), clock_of(graph)
    rule = primitive(node, graph.source, name).step
    if rule is None:
        raise InputError(f"{where} has no dynamics; it is no neuron")
    return completed(rule(node, clock, where), graph.output_shapes[name], clock, where)


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def start(graph: Graph, name: str, like: Tensor, timesteps: int) -> State:
    """The node `name`, which remembers something, at the start of a run.

    Args:
        like: [B, *shape], of the dtype and on the device to compute with.
        timesteps: of the run.

    Raises:
        InputError: the node does not fit the graph's time; see `check_time`.
    """
    node = graph.nodes[name]
    rule = primitive(node, graph.source, name).state
    if rule is None:
        raise InputError(f"{graph.where(name)} remembers nothing from one step to the next")
    return rule(node, clock_of(graph), like, timesteps, graph.where(name))


def check_time(graph: Graph) -> None:
    """Refuse a graph with a node that cannot start with the graph's time.

    Raises:
        InputError: a time constant is shorter than the step, a delay is no whole number of steps, or the numbers of a
            step are beyond float32. Names the node.
    """
    for name, node in graph.nodes.items():
        if primitive(node, graph.source, name).state is not None:
            start(graph, name, torch.empty((0, *graph.output_shapes[name])), 1)
