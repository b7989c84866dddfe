"""inflor targets"""

from __future__ import annotations

from dataclasses import dataclass

from inflor.targets import registry
from inflor.targets.api import options_of


@dataclass(frozen=True, kw_only=True)
class TargetInfo:
    """A target that is registered.

    Attributes:
        summary: one line on what it is.
        input: "float" or "integer", the networks that it runs.
        options: the names of its options.
        chips: the hardware that it places networks on.
        features: what the networks that it runs may need.
        missing: None, or the command that installs what it needs.
    """

    name: str
    summary: str
    input: str
    options: tuple[str, ...]
    chips: tuple[str, ...]
    features: tuple[str, ...]
    missing: str | None


def list_targets() -> tuple[TargetInfo, ...]:
    """Every target that is registered, whether it can run here or not."""
    return tuple(
        TargetInfo(
            name=name,
            summary=target.summary,
            input=target.input,
            options=tuple(options_of(target)),
            chips=tuple(target.chips),
            features=tuple(sorted(target.features)),
            missing=target.available(),
        )
        for name, target in registry.targets().items()
    )
