"""Multicast trees: longest dimension first, round dead links; trees by construction, so that nothing circulates."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from inflor.converter.errors import InputError
from inflor.targets.spinnaker.place.machine import LINKS, Chip, Machine

LINK_OF = {step: link for link, step in enumerate(LINKS)}
FIRST_CORE_BIT = 6
"""Bit of core 0 in a route; bits 0 to 5 are the links."""


@dataclass(frozen=True)
class Hop:
    """What one source's packets do on one chip. entered: link by which they come, None at the source. route: bits."""

    chip: Chip
    entered: int | None
    route: int


def longest_dimension_first(machine: Machine, source: Chip, target: Chip) -> list[int]:
    """Links of the shortest way: the longer of the two straight parts first."""
    x, y = machine.vectors(source, target)
    if x * y > 0:  # diagonals, then the rest
        sign = 1 if x > 0 else -1
        diagonal = min(abs(x), abs(y))
        parts = [((sign, sign), diagonal), ((sign, 0), abs(x) - diagonal), ((0, sign), abs(y) - diagonal)]
    else:
        parts = [((1 if x > 0 else -1, 0), abs(x)), ((0, 1 if y > 0 else -1), abs(y))]
    parts.sort(key=lambda part: -part[1])
    return [LINK_OF[step] for step, count in parts for _ in range(count)]


def tree(machine: Machine, source: Chip, targets: Iterable[Chip]) -> dict[Chip, tuple[int | None, list[int]]]:
    """Per chip of the tree: the link packets enter by, and the links they leave by.

    Nearer targets first; each way joins the tree at the last of its chips that is already part of it, so no chip is
    entered twice. A way that a dead link or chip cuts is replaced by the shortest living one from the tree.

    Raises:
        InputError: a target cannot be reached.
    """
    made: dict[Chip, tuple[int | None, list[int]]] = {source: (None, [])}
    at = machine.index
    for target in sorted(targets, key=lambda chip: (int(machine.distance[at[source], at[chip]]), chip)):
        if target in made:
            continue
        path = _walk(machine, source, longest_dimension_first(machine, source, target))
        if path is None:
            path = _detour(machine, made, target)
        joined = max(i for i, (chip, _) in enumerate(path) if chip in made)
        for (chip, link), (following, _) in zip(path[joined:], path[joined + 1 :], strict=False):
            made[chip][1].append(link)
            made[following] = ((link + 3) % 6, [])
    return made


def _walk(machine: Machine, source: Chip, links: list[int]) -> list[tuple[Chip, int]] | None:
    """(chip, link taken from it) to the end, or None where the way is cut."""
    path, chip = [], source
    for link in links:
        path.append((chip, link))
        following = machine.neighbours[chip][link]
        if following is None:
            return None
        chip = following
    return [*path, (chip, -1)]


def _detour(machine: Machine, made: Iterable[Chip], target: Chip) -> list[tuple[Chip, int]]:
    """The shortest living way from any chip of the tree, found by a search from the target backwards."""
    start = set(made)
    onward: dict[Chip, tuple[Chip, int]] = {}
    seen, queue = {target}, deque([target])
    while queue:
        chip = queue.popleft()
        for link, neighbour in enumerate(machine.neighbours[chip]):
            if neighbour is None or neighbour in seen:
                continue
            seen.add(neighbour)
            onward[neighbour] = (chip, (link + 3) % 6)
            if neighbour in start:
                path = []
                while neighbour != target:
                    path.append((neighbour, onward[neighbour][1]))
                    neighbour = onward[neighbour][0]
                return [*path, (target, -1)]
            queue.append(neighbour)
    raise InputError(f"dead links or chips leave no way to chip {target}; use a machine with fewer of them")


def hops(machine: Machine, source: Chip, targets: dict[Chip, int]) -> list[Hop]:
    """The tree as what each chip does. targets: chip -> core bits of a route."""
    made = tree(machine, source, targets)
    return [
        Hop(chip, entered, sum(1 << link for link in links) | targets.get(chip, 0))
        for chip, (entered, links) in made.items()
    ]


def straight_on(entered: int | None, route: int) -> bool:
    """The default route does the same: out by the link opposite to the one it came by, and nothing else."""
    return entered is not None and route == 1 << ((entered + 3) % 6)


def core_bit(p: int) -> int:
    """The bit of a route that delivers to core p."""
    return 1 << (FIRST_CORE_BIT + p)
