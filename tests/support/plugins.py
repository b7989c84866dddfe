"""Targets that other distributions register, without installing any: for tests of what the registry makes of them."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from inflor.targets import registry
from inflor.targets.api import Target

REAL = importlib.metadata.entry_points


@dataclass(frozen=True)
class Entry:
    """An entry point of the group `inflor.targets`. loads: what it loads, or the error that loading it ends in."""

    name: str
    distribution: str
    loads: Any

    @property
    def value(self) -> str:
        return f"{self.distribution}:TARGET"

    @property
    def dist(self) -> SimpleNamespace:
        return SimpleNamespace(name=self.distribution)

    def load(self) -> Any:
        if isinstance(self.loads, BaseException):
            raise self.loads
        return self.loads


def plugin(target: Target, distribution: str = "theirs") -> Entry:
    """The entry point of a target under its own name."""
    return Entry(target.name, distribution, target)


def register(monkeypatch: pytest.MonkeyPatch, *entries: Entry) -> None:
    """Register targets beside ours until the test ends."""

    def entry_points(**wanted: Any) -> list[Any]:
        added = entries if wanted == {"group": registry.GROUP} else ()
        return [*added, *REAL(**wanted)]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    # a registry of its own, so that what other tests found stays as it is
    monkeypatch.setattr(registry, "_found", registry._found.__wrapped__)
    found = registry._found()
    monkeypatch.setattr(registry, "_found", lambda: found)
