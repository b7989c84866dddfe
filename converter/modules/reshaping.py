"""Which axis is what after a view: axes are followed through it in groups of the same number of elements."""

from __future__ import annotations

import math
from collections.abc import Sequence

from inflor.converter.modules.values import Axis

Group = tuple[list[int], list[int]]
"""Places of axes before and after, that hold the same elements."""


def viewed(axes: Sequence[Axis], before: Sequence[int], after: Sequence[int], steps: int) -> tuple[Axis, ...] | None:
    """What the axes are after a view; None where it mixes samples or steps with anything else.

    Args:
        axes: what they were.
        before, after: the tensor's shapes.
        steps: how many the tensor holds.
    """
    found: list[Axis] = [""] * len(after)
    for sources, targets in _groups(before, after):
        labels = tuple(axes[i] for i in sources if not (axes[i] == "" and before[i] == 1))
        sizes = [after[j] for j in targets]
        if not any(labels):
            continue
        named = _named(labels, sizes, steps, timed=steps > 1 or "time" in axes)
        if named is None:
            return None
        for place, label in zip(targets, named, strict=True):
            found[place] = label
    if found.count("batch") + found.count("joined") + found.count("joined_second") != 1:
        return None
    return tuple(found)


def _named(labels: tuple[Axis, ...], sizes: list[int], steps: int, timed: bool) -> list[Axis] | None:
    """The axes of one group after the view. labels: before, without ones of size 1 that hold values."""
    if len(labels) == 1 and labels[0] in ("joined", "joined_second"):
        pair: list[Axis] = ["time", "batch"] if labels[0] == "joined" else ["batch", "time"]
        if len(sizes) == 2 and sizes[pair.index("time")] == steps:
            return pair
    if labels in (("time", "batch"), ("batch", "time")):
        if len(sizes) == 1:
            if steps == 1:
                return ["batch"]
            return ["joined"] if labels[0] == "time" else ["joined_second"]
        return list(labels) if len(sizes) == 2 and sizes[labels.index("time")] == steps else None
    if len(labels) != 1:
        return None
    large = [place for place, size in enumerate(sizes) if size != 1]
    place = large[0] if len(large) == 1 else 0 if len(sizes) == 1 else None
    if place is None or len(large) > 1:
        return None
    named: list[Axis] = [""] * len(sizes)
    named[place] = labels[0]
    if place == 1 and labels[0] == "batch" and not timed and len(sizes) == 2:
        named[0] = "time"  # a new axis in front of the samples
    return named if place == 0 or named[0] == "time" else None


def _groups(before: Sequence[int], after: Sequence[int]) -> list[Group]:
    groups: list[Group] = []
    i = j = 0
    while i < len(before) or j < len(after):
        sources, targets = list(range(i, min(i + 1, len(before)))), list(range(j, min(j + 1, len(after))))
        if not (sources and targets):  # ones at the end
            if not groups:
                groups.append(([], []))
            groups[-1][0].extend(range(i, len(before)))
            groups[-1][1].extend(range(j, len(after)))
            break
        while (a := math.prod(before[k] for k in sources)) != (b := math.prod(after[k] for k in targets)):
            if a < b:
                sources.append(sources[-1] + 1)
            else:
                targets.append(targets[-1] + 1)
        groups.append((sources, targets))
        i, j = sources[-1] + 1, targets[-1] + 1
    return groups
