"""Discrete time: what a NIR neuron does in one step of dt.

NIR's equations are continuous; between two steps what drives them is held. With x' = (c - x + g i) / tau, a step is

    euler         x = (1 - h) x + h (c + g i)      h = dt / tau
    exponential   x = (1 - h) x + h (c + g i)      h = 1 - exp(-dt / tau)

for the synaptic current (x = u, g = w_in, i = a, c = 0) and then for the potential (x = v, g = r, i = u,
c = v_leak). The integrators without a leak (IF, I) are v += r dt i in both. The first is Euler's rule, the second exact
for a constant input (Rotter and Diesmann 1999). The quantizer and the float executor read their numbers here and
nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.fields import LARGEST_FLOAT32

FloatArray = npt.NDArray[np.float64]
Reset = Literal["subtract", "zero", "none"]

_ROUNDING = 1e-6
"""A quotient or product of a few numbers that were rounded to float32 is so close to what they meant."""


@dataclass(frozen=True)
class Clock:
    """The time of a graph.

    Attributes:
        dt: the length of a step, in the unit of the time constants.
        integration: "euler" or "exponential".
    """

    dt: float
    integration: str


def _zero() -> FloatArray:
    return np.zeros(())


def _one() -> FloatArray:
    return np.ones(())


@dataclass(frozen=True, kw_only=True, eq=False)
class Dynamics:
    """The numbers of one step of the neurons of a node; arrays are float64. a is the summed input.

        u = current_keep * u + current_gain * a        u = current_gain * a where current_keep is None
        v = keep * v + gain * u + drift                with late_current the u of the step before
        s = v > threshold                              v >= threshold where not strict; no spikes where None
        v = v - reset_value                            where s, with reset "subtract"
        v = v_reset                                    where s, with reset "zero"

    u and v start at 0. A threshold node keeps nothing (keep is 0) and does not reset.

    Attributes:
        current_keep: part of u that a step keeps; None where there is no synaptic current.
        current_gain: what one unit of a adds to u.
        keep: part of v that a step keeps.
        gain: what one unit of u adds to v.
        drift: what a step adds to v by itself.
        threshold: None where the neuron never fires.
        strict: whether reaching the threshold exactly is not enough.
        reset: "subtract", "zero" (to v_reset) or "none".
        reset_value: what a spike takes off v; 0 with another reset.
        v_reset: where a spike puts v; 0 with another reset.
        refractory: whether v stays, in the step after a spike, as the reset left it, while u goes on.
        late_current: whether v is driven by the u of the step before.
    """

    current_keep: FloatArray | None = None
    current_gain: FloatArray = field(default_factory=_one)
    keep: FloatArray = field(default_factory=_one)
    gain: FloatArray = field(default_factory=_one)
    drift: FloatArray = field(default_factory=_zero)
    threshold: FloatArray | None = None
    strict: bool = True
    reset: Reset = "none"
    reset_value: FloatArray = field(default_factory=_zero)
    v_reset: FloatArray = field(default_factory=_zero)
    refractory: bool = False
    late_current: bool = False


def completed(step: Dynamics, shape: Shape, clock: Clock, where: str) -> Dynamics:
    """The step with every array at the full shape of its neurons, as a broadcast view.

    Raises:
        InputError: the numbers are beyond float32.
    """
    # an operation on arrays without a dimension gives a number
    arrays = {n: np.asarray(v) for n, v in vars(step).items() if isinstance(v, np.ndarray | np.floating)}
    for values in arrays.values():
        if not (np.abs(values) <= LARGEST_FLOAT32).all():
            raise InputError(
                f"{where}: a step of dt = {clock.dt:g} makes numbers beyond float32 of its parameters; give another "
                "`dt`, or export the model again"
            )
    full: dict[str, Any] = {name: np.broadcast_to(values, shape) for name, values in arrays.items()}
    return replace(step, **full)


def compact(values: Any) -> FloatArray:
    """Per-neuron values in float64; one number where all are the same."""
    array = np.asarray(values)
    if array.size > 1 and (not any(array.strides) or (array == array.flat[0]).all()):
        array = array.flat[0]
    return np.asarray(array, np.float64)


def moved(values: Any, field: str, clock: Clock, where: str) -> FloatArray:
    """h: how far a step of dt goes towards what drives it, from 0 (not at all) to 1 (all the way).

    Args:
        values: the time constants.
        field: their name, for messages.

    Raises:
        InputError: one is shorter than the step, which Euler's rule does not follow.
    """
    dt, tau = clock.dt, compact(values)
    steps = unrounded(tau / dt, np.rint(tau / dt))
    if clock.integration == "exponential":
        return -np.expm1(-1 / steps)
    if (steps < 1).any():
        raise InputError(
            f"{where}: {field} is {tau.min():g}, shorter than the step dt = {dt:g}, which Euler's rule does not "
            "follow; give the step that the file was made for (`dt`), or `integration='exponential'`"
        )
    return 1 / steps


def unrounded(values: FloatArray, meant: FloatArray | float) -> FloatArray:
    """The values, with what was meant where they are that but for the rounding of a file's float32 numbers."""
    return np.where(np.abs(values - meant) < _ROUNDING * np.abs(meant), meant, values)
