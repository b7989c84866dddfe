"""What a user may choose of the target loihi."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inflor.targets.api import option

SoftReset = Literal["microcode", "stock"]
BalanceBy = Literal["auto", "relay", "delay"]
Guard = Literal["auto", "short", "long"]
FirstLayer = Literal["auto", "chip", "host"]


@dataclass(frozen=True, kw_only=True)
class LoihiOptions:
    """How a network is laid out on Loihi and simulated.

    Attributes:
        chip: whose limits the mapping on cores keeps to; the simulation is the same.
        soft_reset: how a soft reset is realised: a neuron program, or stock LIF neurons only.
        balance: how paths of different length are balanced; "auto" takes what costs less memory.
        guard: how stock neurons keep samples apart whose spikes are still under way at the end of one. "short": as
            many steps as such a spike takes, in which they are pushed down by half the range of their state; exact
            while states stay within the other half, and reported where they do not. "long", for the soft reset only:
            T + 2 steps and a second reset in the middle of them; exact within the whole range, and half as fast.
            "auto": "short" where the weights prove that it is exact, or where "long" is not possible.
        first_layer: where stock neurons that receive nothing but the graded input are computed. "host": beside the
            chip, which gets their spikes. "auto": on the host where the weights do not prove that a stock neuron can
            hold their state (17 bits and sign of a synaptic unit), or where the chip has no graded spikes.
        exact_lava: Lava's own process models only, which are slower.
        timeout: seconds that a simulation may take.
        run_config: "sim", or "hw" for Intel's hardware.
    """

    chip: str = option("loihi2", "chip whose limits apply", choices=("loihi1", "loihi2"))
    soft_reset: SoftReset = option(
        "microcode", "soft reset by a neuron program or stock LIF neurons", choices=("microcode", "stock")
    )
    balance: BalanceBy = option("auto", "how shorter paths are delayed", choices=("auto", "relay", "delay"))
    guard: Guard = option("auto", "guard steps between samples (stock neurons)", choices=("auto", "short", "long"))
    first_layer: FirstLayer = option(
        "auto", "where the first layer runs (stock neurons)", choices=("auto", "chip", "host")
    )
    exact_lava: bool = option(False, "use Lava's own process models only (slower)", kind="flag")
    timeout: float | None = option(None, "end a simulation after S seconds", kind="seconds")
    run_config: str = option("sim", "simulation, or Intel's boards", choices=("sim", "hw"))
