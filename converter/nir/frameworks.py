"""How frameworks that write NIR step their neurons, as far as their files do not say it.

Each row was found by running the framework against the float executor (docs/nir.md, with versions); the passes of
`inflor.converter.passes.pipelines.by_conventions` turn it into parameters and metadata of the nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Reset = Literal["zero", "subtract"]
Gain = Literal["one", "kept"]
Proof = Literal["1 / r", "tau / r", "tau / r unless r is 1", "tau / r exponentially"]
"""The step as a number of r and the time constant of the potential; the last solves r = tau / dt exp(-dt / tau)."""


@dataclass(frozen=True)
class Framework:
    """What a framework computes in a step.

    Attributes:
        integration: as in ModelInfo.
        dt: as in ModelInfo, where the file does not prove another; None where it always does.
        proofs: how a neuron's fields prove the step that they were written for, by primitive; see `Proof`.
        reset: the default of its neurons, which its files do not name.
        reached: whether it fires at v >= threshold.
        late_reset: whether a reset acts in the step after the spike.
        start: the field that holds the potential before the first step; "zero" for 0.
        gains: what one unit of input adds to u ("current") or v (by primitive) where that is not what NIR's equations
            say: "one", or "kept", the part that a step keeps.
        shapes_with_batch: whether its shapes of Input and Output have the batch (and time).
        infinite_times: whether it writes a neuron without a leak with an infinite time constant and gain.
        reset_note: that its files leave the reset out, and what is assumed, for the user.
        notes: what else they leave out.
    """

    integration: str
    dt: float | None
    reset: Reset
    reached: bool = False
    late_reset: bool = False
    start: Literal["zero", "v_leak", "v_reset"] = "zero"
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    gains: Mapping[str, Gain] = field(default_factory=dict)
    shapes_with_batch: bool = False
    infinite_times: bool = False
    reset_note: str = ""
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
        infinite_times=True,
        reset_note="does not write how a neuron resets: reset_mechanism='subtract' with reset_delay=True is assumed",
    ),
    "norse": Framework(
        "euler",
        1e-6,
        "zero",
        start="v_leak",
        gains={"current": "one", "IF": "one"},
        shapes_with_batch=True,
        notes=(
            "writes time constants a factor dt = 0.001 too small; the step of 1e-06 makes up for it",
            "does not write v_reset: 0 is assumed",
        ),
    ),
    "spikingjelly": Framework(
        "euler",
        1e-4,
        "zero",
        reached=True,
        start="v_reset",
        proofs={"IF": "1 / r", "LIF": "tau / r unless r is 1", "CubaLIF": "tau / r"},
    ),
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
        proofs=dict.fromkeys(("LIF", "CubaLIF", "LI", "CubaLI"), "tau / r exponentially"),
        gains={"current": "kept", "CubaLIF": "one", "LIF": "one", "LI": "kept"},
        shapes_with_batch=True,
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
