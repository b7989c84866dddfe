"""Walks over a graph's edges: what is reached, which edges close a cycle, and in which order nodes can be computed."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
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


def waiting_edges(
    starts: Iterable[str], nodes: Sequence[str], edges: Sequence[Edge], neurons: Collection[str]
) -> set[Edge]:
    """The edges that bring what their source had a step before, so that the graph can be computed step by step.

    Structure alone decides, neither names nor order. Only an edge within a strongly connected component can wait. One
    waits that leads back to a node which every path from the inputs to its source passes. Where cycles remain, as of
    two populations that drive each other and both hear the input, no edge is the one that leads back: each edge of
    theirs into a neuron waits.

    Args:
        starts: the inputs, from which all nodes are reached.
        neurons: of which every cycle has one.
    """
    cyclic = within_components(nodes, edges)
    if not cyclic:
        return set()
    dominator = dominators(starts, nodes, edges)
    waiting = {(start, end) for start, end in cyclic if _dominates(end, start, dominator)}
    left = within_components(nodes, [edge for edge in edges if edge not in waiting])
    return waiting | {(start, end) for start, end in left if end in neurons}


def within_components(nodes: Sequence[str], edges: Sequence[Edge]) -> list[Edge]:
    """The edges that lie on a cycle: both of their ends in one strongly connected component."""
    label = _labels(nodes, edges)
    sizes = Counter(label.values())
    return [(a, b) for a, b in edges if a == b or (label[a] == label[b] and sizes[label[a]] > 1)]


def dominators(starts: Iterable[str], nodes: Iterable[str], edges: Sequence[Edge]) -> dict[str, str | None]:
    """The last node that every path from the starts to a node passes before it; None where there is none.

    By the iteration of Cooper, Harvey and Kennedy (A Simple, Fast Dominance Algorithm, 2001).
    """
    targets: Links[str | None] = {None: list(starts), **links_of(nodes, edges)}  # None: before all starts
    order = _postorder(targets)
    number = {name: i for i, name in enumerate(order)}
    sources: dict[str | None, list[str | None]] = {name: [] for name in order}
    for start in order:
        for end in targets[start]:
            sources[end].append(start)
    found: dict[str | None, str | None] = {None: None}

    def common(a: str | None, b: str | None) -> str | None:
        while a != b:
            while number[a] < number[b]:
                a = found[a]
            while number[b] < number[a]:
                b = found[b]
        return a

    changed = True
    while changed:
        changed = False
        for name in reversed(order[:-1]):
            known = [source for source in sources[name] if source in found]
            nearest = reduce(common, known)
            if name not in found or found[name] != nearest:
                found[name], changed = nearest, True
    return {name: nearest for name, nearest in found.items() if name is not None}


def _postorder(targets: Links[str | None]) -> list[str | None]:
    """Each node after all that a walk from None, the last, first comes to from it."""
    seen, order = set[str | None]([None]), list[str | None]()
    path: list[tuple[str | None, Iterator[str | None]]] = [(None, iter(targets[None]))]
    while path:
        name, pending = path[-1]
        new = next((end for end in pending if end not in seen), None)
        if new is None:
            order.append(name)
            path.pop()
        else:
            seen.add(new)
            path.append((new, iter(targets[new])))
    return order


def _dominates(node: str, of: str, dominator: Mapping[str, str | None]) -> bool:
    """Whether every path from the inputs to `of` passes `node`; a node dominates itself."""
    at: str | None = of
    while at is not None and at != node:
        at = dominator[at]
    return at == node


def components(order: Sequence[str], edges: Sequence[Edge]) -> list[tuple[str, ...]]:
    """The strongly connected components, each after all that it reads, and within each the nodes as in `order`.

    A node that is on no cycle is a component of its own. order: of evaluation, edges that close a cycle left out.
    """
    label = _labels(order, edges)
    members: dict[int, list[str]] = {}
    for name in order:
        members.setdefault(label[name], []).append(name)
    between = [(label[a], label[b]) for a, b in edges if label[a] != label[b]]
    return [tuple(members[number]) for number in evaluation_order(members, between)]


def _labels(nodes: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """The number of every node's strongly connected component."""
    position = {name: i for i, name in enumerate(nodes)}
    rows, columns = [position[a] for a, _ in edges], [position[b] for _, b in edges]
    matrix = coo_array(([True] * len(edges), (rows, columns)), shape=(len(nodes), len(nodes)))
    _, labels = connected_components(matrix, connection="strong")
    return dict(zip(nodes, labels.tolist(), strict=True))
