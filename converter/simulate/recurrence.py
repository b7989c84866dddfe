"""The nodes on a cycle, all of them one step at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from inflor.converter.nir.graph import Edge, Graph
from inflor.converter.nir.ordering import evaluation_order
from inflor.converter.primitives.base import Layer, primitive
from inflor.converter.primitives.dynamics import start

Streams = dict[str, Tensor]
"""[T, B, *shape] by node name."""


def run_component(
    graph: Graph,
    names: Sequence[str],
    arriving: Mapping[str, Tensor],
    timesteps: int,
    kept: Collection[str],
    inputs: Collection[str],
    replaced: Mapping[str, Tensor] | None = None,
) -> tuple[Streams, Streams]:
    """Run one strongly connected component.

    Args:
        names: its nodes in the order of evaluation.
        arriving: [T or 1, B, *shape], what comes from outside, of those of them that anything comes to.
        timesteps: how many steps to run.
        kept: the nodes whose values to return.
        inputs: the nodes whose summed inputs to return.
        replaced: [T, B, *shape] by node, what it passes on instead of what it gave.

    Returns:
        What the nodes of `kept` gave, and the summed inputs of those of `inputs`.
    """
    some, members = next(iter(arriving.values())), set(names)
    sources = {name: [source for source in graph.predecessors(name) if source in members] for name in names}
    applied = {name: primitive(graph.nodes[name]).apply for name in names}
    layers = {name: apply(graph.nodes[name], some) for name, apply in applied.items() if apply is not None}
    before = _silence(graph, layers, sources, some)
    states = {name: start(graph, name, before[name], timesteps) for name in names if name not in layers}
    given = {name: some.new_empty((timesteps, *before[name].shape)) for name in kept}
    summed = {name: some.new_empty((timesteps, some.shape[1], *graph.input_shapes[name])) for name in inputs}
    recurrent = set(graph.recurrent)
    for step in range(timesteps):
        now: dict[str, Tensor] = {}
        for name in names:
            total = _total(name, step, arriving, sources[name], now, before, recurrent)
            if name in summed:
                summed[name][step] = total
            if name in states:
                now[name] = given[name][step] if name in given else torch.empty_like(before[name])
                states[name].advance(total, now[name])
            else:
                now[name] = layers[name](total)
                if name in given:
                    given[name][step] = now[name]
            if replaced and name in replaced:
                now[name] = replaced[name][step]
        before = now
    return given, summed


def _total(
    name: str,
    step: int,
    arriving: Mapping[str, Tensor],
    sources: Sequence[str],
    now: Mapping[str, Tensor],
    before: Mapping[str, Tensor],
    recurrent: Collection[Edge],
) -> Tensor:
    """The summed input [B, *shape] of a node: from outside, then from the sources on the cycle."""
    parts = [before[source] if (source, name) in recurrent else now[source] for source in sources]
    if name in arriving:
        outside = arriving[name]
        parts.insert(0, outside[step if len(outside) > 1 else 0])
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _silence(
    graph: Graph, layers: Mapping[str, Layer], sources: Mapping[str, Sequence[str]], some: Tensor
) -> dict[str, Tensor]:
    """What every node [B, *shape] gives while no neuron fires: 0, but for what stands behind a bias."""
    batch = some.shape[1]
    silent = {name: some.new_zeros((batch, *graph.output_shapes[name])) for name in sources}
    mapping = [name for name in layers if not primitive(graph.nodes[name]).fires]
    edges = [(source, name) for name in mapping for source in sources[name] if source in mapping]
    for name in evaluation_order(mapping, edges):
        total = some.new_zeros((batch, *graph.input_shapes[name]))
        for source in sources[name]:
            total = total + silent[source]
        silent[name] = layers[name](total)
    return silent
