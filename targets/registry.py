"""The targets that are installed: found through the entry points of the group `inflor.targets`."""

from __future__ import annotations

import difflib
import importlib.metadata
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from inflor.converter.errors import InputError, MissingPartError
from inflor.targets.api import Chip, Target, choose, deferred

log = logging.getLogger(__name__)
GROUP = "inflor.targets"
NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What a target can be called: it becomes a part of options, --NAME.chip."""
OURS = "inflor"
"""The distribution whose targets nothing can replace."""


@dataclass(frozen=True)
class Broken:
    """A registered target that cannot be used. reason: why; distribution: who registers it."""

    name: str
    distribution: str
    reason: str


@cache
def _found() -> tuple[Mapping[str, Target], tuple[Broken, ...]]:
    """The targets that load, ours first, and those that do not."""
    entries = {(e.name, _distribution(e)): e for e in importlib.metadata.entry_points(group=GROUP)}
    owners: dict[str, list[str]] = {}
    for name, distribution in sorted(entries, key=lambda key: (key[1] != OURS, key)):
        owners.setdefault(name, []).append(distribution)
    targets: dict[str, Target] = {}
    broken: list[Broken] = []
    for name, distributions in owners.items():
        ours = distributions[0] == OURS
        refused = distributions[1:] if ours else distributions if len(distributions) > 1 else []
        why = "inflor's own target of this name cannot be replaced" if ours else "registered by several distributions: "
        broken += [Broken(name, d, why + ("" if ours else ", ".join(distributions))) for d in refused]
        if not refused or ours:
            loaded = _load(entries[name, distributions[0]])
            if isinstance(loaded, Target) and (clash := _clash(loaded, targets.values())):
                loaded = Broken(name, distributions[0], clash)
            if isinstance(loaded, Target):
                targets[name] = loaded
            else:
                broken.append(loaded)
    for one in broken:
        log.warning("target %r of %s cannot be used: %s", one.name, one.distribution, one.reason)
    return targets, tuple(broken)


def _load(entry: importlib.metadata.EntryPoint) -> Target | Broken:
    try:
        loaded = entry.load()
        if isinstance(loaded, Target):
            choose(loaded, {})
    except Exception as error:  # whatever a plugin does must not stop the others
        return Broken(entry.name, _distribution(entry), f"{type(error).__name__}: {error}")
    if not isinstance(loaded, Target):
        return Broken(entry.name, _distribution(entry), f"{entry.value} is no inflor.targets.api.Target")
    if not NAME.fullmatch(entry.name):
        return Broken(entry.name, _distribution(entry), "a target's name has lower case letters, digits and _ only")
    if loaded.name != entry.name:
        return Broken(entry.name, _distribution(entry), f"the target calls itself {loaded.name!r}")
    return loaded


def _clash(loaded: Target, others: Iterable[Target]) -> str | None:
    """Which name of a target is another's already."""
    for other in others:
        for what, mine, theirs in (("chip", loaded.chips, other.chips), ("export", loaded.exports, other.exports)):
            if twice := mine.keys() & theirs.keys():
                return f"its {what} {min(twice)!r} is one of target {other.name!r} already"
    return None


def _distribution(entry: importlib.metadata.EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unnamed distribution"


def targets() -> Mapping[str, Target]:
    """Every target that can be used, by name, whether or not what it needs is installed."""
    return _found()[0]


def broken() -> tuple[Broken, ...]:
    """The registered targets that cannot be used."""
    return _found()[1]


def find(name: str) -> Target:
    """The target called `name`, whether or not what it needs is installed.

    Raises:
        InputError: there is none of this name, or it is broken.
    """
    if name in targets():
        return targets()[name]
    why = next((f": {b.reason} (of {b.distribution})" for b in broken() if b.name == name), None)
    if why is not None:
        raise InputError(f"target {name!r} cannot be used{why}", option="target")
    raise InputError(f"unknown target {name!r}{meant(name, targets())}", option="target")


def load(name: str) -> Target:
    """The target called `name`, ready to be used.

    Raises:
        InputError: there is none of this name. MissingPartError: what it needs is not installed.
    """
    target = find(name)
    command = target.available()
    if command is not None:
        raise MissingPartError(f"target {name!r} needs a part that is not installed; install it with: {command}")
    for function in (target.place, target.run):
        if isinstance(function, deferred):
            function.load()  # now, and not while a record is open: an interrupted import changes how Python exits
    return target


def chips() -> dict[str, Chip]:
    """Every chip of every target, by name."""
    return {name: chip for target in targets().values() for name, chip in target.chips.items()}


def of_chip(chip: str) -> Target | None:
    """The target that places networks on the chip, or None where there is none."""
    able = (t for t in targets().values() if chip in t.chips and t.core_map is not None)
    return next(able, None)


def meant(name: str, known: Iterable[str]) -> str:
    """What somebody may have meant by an unknown name, and the names that there are; the end of a message."""
    known = list(known)
    close = difflib.get_close_matches(name, known, 1)
    return (f"; did you mean {close[0]}? There are " if close else "; choose one of ") + ", ".join(known)
