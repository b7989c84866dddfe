"""What a user may choose of the target float."""

from __future__ import annotations

from dataclasses import dataclass

from inflor.targets.api import option


@dataclass(frozen=True, kw_only=True)
class FloatOptions:
    """How the float executor runs.

    Attributes:
        memory: bytes that activations may take; the batch follows from it.
        threads: CPU threads; None for all.
    """

    memory: int = option(1 << 30, "cap on activations, e.g. 512M", kind="bytes")
    threads: int | None = option(None, "CPU threads to use", kind="whole", least=1, most=1024)
