"""Discrete time: what a NIR neuron does in one step of dt.

NIR's equations are continuous; between two steps what drives them is held. With x' = (c - x + g i) / tau, a step is

    euler         x = (1 - h) x + h (c + g i)      h = dt / tau
    exponential   x = (1 - h) x + h (c + g i)      h = 1 - exp(-dt / tau)

for the synaptic current (x = u, g = w_in, i = a, c = 0) and then for the potential (x = v, g = r, i = u,
c = v_leak). The integrators without a leak (IF, I) are v += r dt i in both. The first is Euler's rule, the second exact
for a constant input (Rotter and Diesmann 1999). The quantiser and the float executor read their numbers here and
nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import nir
import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import INTEGRATORS, Graph, reset_of
from inflor.converter.nir.metadata import MAX_TIMESTEPS
from inflor.converter.primitives.fields import LARGEST_FLOAT32

FloatArray = npt.NDArray[np.float64]
Kind = Literal["if", "lif", "cuba_lif", "readout", "threshold"]
Reset = Literal["subtract", "zero", "none"]

KINDS: dict[type[nir.NIRNode], Kind] = {
    nir.IF: "if",
    nir.LIF: "lif",
    nir.CubaLIF: "cuba_lif",
    nir.I: "readout",
    nir.LI: "readout",
    nir.CubaLI: "readout",
    nir.Threshold: "threshold",
}
"""The primitives that have dynamics, and the kind that each is."""
_ROUNDING = 1e-6
"""A quotient or product of a few numbers that were rounded to float32 is so close to what they meant."""
_PART_OF_STEP = 1e-3


@dataclass(frozen=True, eq=False)
class Dynamics:
    """One step of the neurons of a node; the arrays are float64 at the node's full shape. a is the summed input.

        u = current_keep * u + current_gain * a        u = current_gain * a where current_keep is None
        v = keep * v + gain * u + drift                with late_current the u of the step before
        s = v > threshold                              v >= threshold where not strict; no spikes where None
        v = v - reset_value                            where s, with reset "subtract"
        v = v_reset                                    where s, with reset "zero"

    u and v start at 0. refractory: in the step after a spike v stays as the reset left it, while u goes on. A threshold
    node keeps nothing (keep is 0) and does not reset.
    """

    kind: Kind
    current_keep: FloatArray | None
    current_gain: FloatArray
    keep: FloatArray
    gain: FloatArray
    drift: FloatArray
    threshold: FloatArray | None
    strict: bool
    reset: Reset
    reset_value: FloatArray
    v_reset: FloatArray
    refractory: bool = False
    late_current: bool = False


@np.errstate(over="ignore", divide="ignore", invalid="ignore")  # what float32 cannot hold is refused at the end
def dynamics(graph: Graph, name: str) -> Dynamics:
    """The step of the neuron or Threshold node `name` of a validated graph, with its dt and integration.

    Raises:
        InputError: the node has no dynamics; a time constant is shorter than the step, which Euler's rule does not
            follow; the numbers of a step are beyond float32. Names the node.
    """
    node = graph.nodes[name]
    if type(node) not in KINDS:
        raise InputError(f"{graph.source}: node {name!r} ({type(node).__name__}) has no dynamics; it is no neuron")
    zero, one = np.zeros(()), np.ones(())
    current_keep, current_gain, keep, gain, drift = None, one, one, one, zero
    if isinstance(node, nir.Threshold):
        keep = zero
    elif isinstance(node, nir.IF | nir.I):
        gain = _unrounded(_compact(node.r) * graph.info.dt, 1.0)
    else:
        if isinstance(node, nir.CubaLIF | nir.CubaLI):
            moved = _moved(graph, name, "tau_syn")
            current_keep, current_gain = 1 - moved, _unrounded(_compact(node.w_in) * moved, 1.0)
        moved = _moved(graph, name, "tau" if isinstance(node, nir.LIF | nir.LI) else "tau_mem")
        keep, gain, drift = 1 - moved, _unrounded(_compact(node.r) * moved, 1.0), _compact(node.v_leak) * moved
    threshold, strict = (None, True) if isinstance(node, INTEGRATORS) else _threshold(node)
    reset: Reset = "none"
    reset_value, v_reset = zero, zero
    if isinstance(node, nir.IF | nir.LIF | nir.CubaLIF):
        reset, value = reset_of(node)
        reset_value, v_reset = (_compact(value), zero) if reset == "subtract" else (zero, _compact(value))

    def full(values: FloatArray) -> FloatArray:
        if not (np.abs(values) <= LARGEST_FLOAT32).all():
            raise InputError(
                f"{graph.source}: node {name!r} ({type(node).__name__}): a step of dt = {graph.info.dt:g} makes "
                "numbers beyond float32 of its parameters; give another dt (--dt), or export the model again"
            )
        return np.broadcast_to(values, graph.output_shapes[name])

    return Dynamics(
        KINDS[type(node)],
        None if current_keep is None else full(current_keep),
        full(current_gain),
        full(keep),
        full(gain),
        full(drift),
        None if threshold is None else full(threshold),
        strict,
        reset,
        full(reset_value),
        full(v_reset),
        bool(node.metadata.get("refractory", False)),
        bool(node.metadata.get("late_current", False)),
    )


def _compact(values: Any) -> FloatArray:
    """Per-neuron values in float64; one number where all are the same."""
    array = np.asarray(values)
    if array.size > 1 and (not any(array.strides) or (array == array.flat[0]).all()):
        array = array.flat[0]
    return np.asarray(array, np.float64)


def _moved(graph: Graph, name: str, field: str) -> FloatArray:
    """h: how far a step of dt goes towards what drives it, from 0 (not at all) to 1 (all the way)."""
    dt, tau = graph.info.dt, _compact(getattr(graph.nodes[name], field))
    steps = _unrounded(tau / dt, np.rint(tau / dt))
    if graph.info.integration == "exponential":
        return -np.expm1(-1 / steps)
    if (steps < 1).any():
        raise InputError(
            f"{graph.source}: node {name!r} ({type(graph.nodes[name]).__name__}): {field} is {tau.min():g}, shorter "
            f"than the step dt = {dt:g}, which Euler's rule does not follow; give the step that the file was made for "
            "(--dt), or --integration exponential"
        )
    return 1 / steps


def _unrounded(values: FloatArray, meant: FloatArray | float) -> FloatArray:
    """The values, with what was meant where they are that but for the rounding of a file's float32 numbers."""
    return np.where(np.abs(values - meant) < _ROUNDING * np.abs(meant), meant, values)


def _threshold(node: nir.NIRNode) -> tuple[FloatArray, bool]:
    """The threshold, and whether reaching it exactly is not enough.

    A node that says in its metadata that it fires at >= threshold holds, for strict readers, the float just below.
    """
    strict = _compact(node.threshold if isinstance(node, nir.Threshold) else node.v_threshold)
    if "threshold" in node.metadata:
        reached = _compact(np.asarray(node.metadata["threshold"], np.float32))
        below = np.nextafter(reached.astype(np.float32), np.float32(-np.inf))
        if (below == strict.astype(np.float32)).all():
            return reached, False
    return strict, True


def delay_steps(graph: Graph, name: str) -> npt.NDArray[np.int64]:
    """The delays of the Delay node `name` in steps of dt, at its full shape.

    Raises:
        InputError: a delay is not a whole number of steps (to a thousandth), or more steps than a run may have.
    """
    node, dt = graph.nodes[name], graph.info.dt
    steps = np.asarray(node.delay, np.float64) / dt
    whole = np.rint(steps)
    wrong = (np.abs(steps - whole) > _PART_OF_STEP) | (whole > MAX_TIMESTEPS)
    if wrong.any():
        delay = np.asarray(node.delay)[wrong].flat[0]
        raise InputError(
            f"{graph.source}: node {name!r} (Delay): a delay of {delay:g} is {delay / dt:g} steps of dt = {dt:g}; it "
            f"must be a whole number, at most {MAX_TIMESTEPS}; give another dt (--dt), or round the delays"
        )
    return whole.astype(np.int64)
