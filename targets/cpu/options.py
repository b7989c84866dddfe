"""What a user may choose of the target cpu."""

from __future__ import annotations

from dataclasses import dataclass

from inflor.targets.api import option


@dataclass(frozen=True, kw_only=True)
class CpuOptions:
    """How the emulator runs.

    Attributes:
        memory: bytes that activations may take; the batch follows from it.
        threads: CPU threads; None for all.
        device: "cpu" or "cuda".
        profile: the target whose state arithmetic is emulated.
        state_bits: width of the membrane potential; None for as wide as it needs.
        overflow: what happens to a potential beyond that width.
    """

    memory: int = option(1 << 30, "cap on activations, e.g. 512M", kind="bytes")
    threads: int | None = option(None, "CPU threads to use", kind="whole", least=1, most=1024)
    device: str = option("cpu", "where it computes", choices=("cpu", "cuda"))
    profile: str | None = option(None, "target whose arithmetic is emulated, e.g. loihi", metavar="TARGET")
    state_bits: int | None = option(None, "width of the potential, 2 to 63", kind="whole", least=2, most=63)
    overflow: str | None = option(None, "beyond that width", choices=("error", "saturate", "wrap"), metavar="RULE")
