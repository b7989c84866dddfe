"""How frameworks that write NIR step their neurons, as far as their files do not say it.

Each row was found by running the framework against the float executor (docs/nir.md, with versions); `converter.
conventions` turns it into parameters and metadata of the nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Reset = Literal["zero", "subtract"]
Gain = Literal["one", "kept"]


@dataclass(frozen=True)
class Framework:
    """What a framework computes in a step.

    integration, dt: as in ModelInfo; dt None is recovered from the file. reset: the default of its neurons, which its
    files do not name. reached: fires at v >= threshold. late_reset: a reset acts in the step after the spike. start:
    the potential before the first step, 0, v_leak or v_reset. gains: what one unit of input adds to u ("current") or v
    (by primitive) where that is not what NIR's equations say: "one", or "kept", the part that a step keeps. notes: what
    its files leave out, for the user.
    """

    integration: str
    dt: float | None
    reset: Reset
    reached: bool = False
    late_reset: bool = False
    start: Literal["zero", "leak", "reset"] = "zero"
    gains: Mapping[str, Gain] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


_SEVERAL_SPIKES = (
    "fires several times in one step where the potential reaches twice the threshold, which a spike here cannot say: "
    "equal to a network that fires once at most"
)

FRAMEWORKS: Mapping[str, Framework] = {
    "snntorch": Framework(
        "euler",
        1e-4,
        "subtract",
        late_reset=True,
        notes=("does not write how a neuron resets: reset_mechanism='subtract' with reset_delay=True is assumed",),
    ),
    "norse": Framework(
        "euler",
        1e-6,
        "zero",
        start="leak",
        gains={"current": "one", "IF": "one"},
        notes=(
            "writes time constants a factor dt = 0.001 too small; the step of 1e-06 makes up for it",
            "does not write v_reset: 0 is assumed",
        ),
    ),
    "spikingjelly": Framework("euler", 1e-4, "zero", reached=True, start="reset"),
    "sinabs": Framework(
        "exponential",
        1.0,
        "subtract",
        reached=True,
        notes=(_SEVERAL_SPIKES, "does not write norm_input, tau_syn or min_v_mem: True, None and None are assumed"),
    ),
    "rockpool": Framework(
        "exponential",
        None,
        "subtract",
        reached=True,
        gains={"current": "kept", "CubaLIF": "one", "LIF": "one", "LI": "kept"},
        notes=(_SEVERAL_SPIKES, "does not write the bias of a neuron, nor its recurrent weights: none are assumed"),
    ),
    "lava-dl": Framework(
        "euler",
        1.0,
        "zero",
        gains={"current": "one", "CubaLIF": "one", "LIF": "one", "IF": "one"},
        notes=("rounds its state to whole numbers at every step, which a float network does not",),
    ),
    "nengo": Framework(
        "exponential",
        1e-3,
        "zero",
        notes=("tau_ref = 0 and min_voltage = -inf are assumed, which are not its defaults",),
    ),
}
