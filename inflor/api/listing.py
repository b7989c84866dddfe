"""inflor targets"""

from __future__ import annotations

from dataclasses import dataclass

from inflor.targets import registry


@dataclass(frozen=True)
class TargetInfo:
    """A target that is registered. missing: None, or the command that installs what it needs."""

    name: str
    summary: str
    input: str
    options: tuple[str, ...]
    missing: str | None


def list_targets() -> tuple[TargetInfo, ...]:
    """Every target that is registered, whether it can run here or not."""
    found = {name: registry.find(name) for name in registry.names()}
    return tuple(
        TargetInfo(name, module.SUMMARY, module.INPUT, tuple(module.OPTIONS), module.available())
        for name, module in found.items()
    )
