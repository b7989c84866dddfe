"""Walks over a graph's edges: what is reached, which edges close a cycle, and in which order nodes can be computed."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from inflor.converter.nir.graph import Edge

Name = TypeVar("Name", bound=Hashable)
Links = Mapping[Name, list[Name]]
"""The nodes at the other end of every node's edges."""


def links_of(nodes: Iterable[Name], edges: Iterable[tuple[Name, Name]]) -> dict[Name, list[Name]]:
    """The targets of every node's edges, in the order of the edges."""
    links: dict[Name, list[Name]] = {name: [] for name in nodes}
    for start, end in edges:
        links[start].append(end)
    return links


def reached_from(start: list[str], links: Links[str]) -> set[str]:
    """The nodes of `start`, and all that a walk along the links comes to."""
    reached, stack = set(start), list(start)
    while stack:
        new = [name for name in links[stack.pop()] if name not in reached]
        reached.update(new)
        stack += new
    return reached


def back_edges(starts: Iterable[str], links: Links[str]) -> Iterable[tuple[list[str], Edge]]:
    """Depth first from every start: each edge back to a node of the current path, and that path as it stands then."""
    done: set[str] = set()
    for start in starts:
        if start in done:
            continue
        path, on_path, pending = [start], {start}, [iter(links[start])]
        while path:
            target = next(pending[-1], None)
            if target is None:
                done.add(path[-1])
                on_path.discard(path.pop())
                pending.pop()
            elif target in on_path:
                yield path, (path[-1], target)
            elif target not in done:
                path.append(target)
                on_path.add(target)
                pending.append(iter(links[target]))


def evaluation_order(nodes: Iterable[Name], edges: Sequence[tuple[Name, Name]]) -> tuple[Name, ...]:
    """Every node after all that it reads, and in the order of `nodes` where that leaves a choice. No cycles."""
    names = list(nodes)
    position = {name: i for i, name in enumerate(names)}
    targets = links_of(names, edges)
    waiting = dict.fromkeys(names, 0)
    for _, end in edges:
        waiting[end] += 1
    ready = [position[name] for name in names if not waiting[name]]
    order: list[Name] = []
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(name)
        for target in targets[name]:
            waiting[target] -= 1
            if not waiting[target]:
                heapq.heappush(ready, position[target])
    return tuple(order)


def components(order: Sequence[str], edges: Sequence[Edge]) -> list[tuple[str, ...]]:
    """The strongly connected components, each after all that it reads, and within each the nodes as in `order`.

    A node that is on no cycle is a component of its own. order: of evaluation, edges that close a cycle left out.
    """
    position = {name: i for i, name in enumerate(order)}
    rows, columns = [position[a] for a, _ in edges], [position[b] for _, b in edges]
    matrix = coo_array(([True] * len(edges), (rows, columns)), shape=(len(order), len(order)))
    _, labels = connected_components(matrix, connection="strong")
    label = dict(zip(order, labels.tolist(), strict=True))
    members: dict[int, list[str]] = {}
    for name in order:
        members.setdefault(label[name], []).append(name)
    between = [(label[a], label[b]) for a, b in edges if label[a] != label[b]]
    return [tuple(members[number]) for number in evaluation_order(members, between)]
