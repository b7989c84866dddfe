"""What stands behind a maximum goes before it, so that neurons are left behind it, which then have groups of ports.

Before: lif1 -> Conv2d -> SumPool2d (max) -> Flatten -> Scale(2) -> lif2
After:  lif1 -(Conv2d, Scale(2), group "pool")-> lif2, whose group "pool" takes the maximum over its windows

A positive factor of a channel commutes with the maximum, and so does a delay; all else does not, and is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import prod
from typing import NamedTuple

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.pool import is_max_pool, windows_of
from inflor.quant.ir.ports import Group
from inflor.quant.operators import Scale, operator_of
from inflor.quant.passes.limits import Path
from inflor.quant.passes.pools_to_sums import is_mean


class Split(NamedTuple):
    """A path to a neuron, cut at its maximum.

    before: the nodes that its operators are made of, all of them where it has no maximum. scale: the factor that stands
    behind the maximum, to be applied before it, or None. group: the group of the target's ports that it leads to.
    """

    before: tuple[str, ...]
    scale: Scale | None
    group: str


class _Key(NamedTuple):
    """What makes a group: its neurons, its pool, and the nodes between them but for the shape."""

    target: str
    pool: str
    behind: tuple[str, ...]


def split_at_maxima(graph: Graph, paths: Iterable[Path]) -> tuple[list[Split], dict[str, tuple[Group, ...]]]:
    """Every path cut at its maximum, and the groups of each population.

    Raises:
        InputError: a maximum leads to something that does not commute with it; names both.
    """
    found: list[tuple[tuple[str, ...], Scale | None, _Key | None]] = []
    for _, path, target in paths:
        at = next((i for i, name in enumerate(path) if is_max_pool(graph.nodes[name])), None)
        if at is None:
            found.append((path, None, None))
            continue
        pool, behind = path[at], path[at + 1 :]
        scale = _behind(graph, pool, behind, target)
        weighing = tuple(name for name in behind if not isinstance(graph.nodes[name], nir.Flatten))
        found.append((path[:at], scale, _Key(target, pool, weighing)))
    names = _names(graph, dict.fromkeys(key for _, _, key in found if key is not None))
    groups: dict[str, tuple[Group, ...]] = {}
    for key, name in names.items():
        shape, windows = graph.input_shapes[key.pool], windows_of(graph.nodes[key.pool])
        groups[key.target] = (*groups.get(key.target, ()), Group(name=name, shape=shape, windows=windows))
    splits = [Split(before, scale, "" if key is None else names[key]) for before, scale, key in found]
    return splits, groups


def _names(graph: Graph, keys: Iterable[_Key]) -> dict[_Key, str]:
    """A name for each group: that of its pool, where no other group is of that pool too."""
    keys, taken = tuple(keys), set(graph.nodes)
    count = Counter(key.pool for key in keys)
    names = {}
    for key in keys:
        name = key.pool if count[key.pool] == 1 else f"{key.pool}__{key.target}"
        while count[key.pool] > 1 and name in taken:
            name += "_"
        taken.add(name)
        names[key] = name
    return names


def _behind(graph: Graph, pool: str, behind: tuple[str, ...], target: str) -> Scale | None:
    """The product of the factors behind a maximum, per channel of its map."""
    factor = np.ones(graph.output_shapes[pool][0])
    scales = []
    for name in behind:
        node = graph.nodes[name]
        if is_mean(node):
            scales.append(name)
            factor = factor * float(node.scale.flat[0])
        elif (scale := _scale(graph, name)) is not None:
            scales.append(name)
            factor = factor * _by_channel(graph, pool, name, scale)
        elif not isinstance(node, nir.Flatten | nir.Delay):
            raise InputError(_refusal(graph, pool, name, target))
    if not scales:
        return None
    return Scale("_".join(scales), factor.reshape(-1, *(1,) * (len(graph.input_shapes[pool]) - 1)))


def _scale(graph: Graph, name: str) -> Scale | None:
    """What a node multiplies by, where it does no more, but for a bias: a batch normalization is such a convolution."""
    operators = (nir.Scale, nir.Conv1d, nir.Conv2d)
    if not isinstance(graph.nodes[name], operators):
        return None
    return Scale.of(operator_of(name, graph.nodes[name], graph.input_shapes[name], graph.source))


def _by_channel(graph: Graph, pool: str, name: str, scale: Scale) -> np.ndarray:
    """A positive factor for each channel of the map behind a maximum."""
    pooled = graph.output_shapes[pool]
    values = np.asarray(scale.weight, np.float64)
    if prod(values.shape) != prod(pooled):
        values = np.broadcast_to(values, graph.input_shapes[name])
    by_channel = values.reshape(pooled[0], -1)
    if not (by_channel > 0).all():
        raise InputError(
            f"{graph.where(name)}: scales the maximum of {pool!r} by {by_channel.min():g}; only a factor above 0 "
            "leaves the largest the largest; put it before the pool"
        )
    if (by_channel != by_channel[:, :1]).any():
        raise InputError(
            f"{graph.where(name)}: scales the maximum of {pool!r} by different factors within a channel, which an "
            "integer network has no form for; give each channel one factor"
        )
    return by_channel[:, 0]


def _refusal(graph: Graph, pool: str, name: str, target: str) -> str:
    """Why the maximum of `pool` cannot go through the node `name`, and what to do."""
    before = graph.predecessors(pool)
    text = f"{graph.where(pool)}: its maximum goes through {name!r} ({type(graph.nodes[name]).__name__}) before the "
    text += f"neuron {target!r}, and currents that were joined by a maximum are not weighed again; "
    if is_max_pool(graph.nodes[name]):
        return f"{text}join the two pools into one whose windows are those of both"
    if len(before) == 1 and primitive(graph.nodes[before[0]]).fires:  # sums of spikes are no spikes
        return f"{text}for the maximum of spikes write a SumPool2d and a Threshold of 0.5 instead"
    return f"{text}put a neuron between them"
