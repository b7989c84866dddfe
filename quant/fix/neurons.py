"""Reads a NIR neuron node as an integrator in units of its own input current.

Every neuron that `inflor.converter.primitives.dynamics` knows is, with u and v divided by the gains that stand before
them,

    u = (1 - current_decay) u + a         u = a where there is no synaptic current
    v = (1 - decay) v + u + drift
    fires at v >= threshold (or >, where `strict`);     reset

so that weights and biases enter an integer potential directly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.base import PRIMITIVES, primitive
from inflor.converter.primitives.dynamics import dynamics
from inflor.quant.ir.network import Kind, Reset

FloatArray = npt.NDArray[np.float64]
_KINDS: dict[str, Kind] = {"threshold": "lif", "if": "if", "lif": "lif", "cuba_lif": "cuba_lif", "readout": "readout"}


@dataclass(frozen=True, eq=False)
class FloatNeuron:
    """One neuron node in current units; every array is float64 at the population's full shape.

    threshold: None for a readout. strict: fires above the threshold only. decay, current_decay: fraction of v and u
    lost per step; current_decay is None where there is no u. drift: constant input per step that the leak potential
    stands for. gain: potential per current unit. refractory: loses the step after a spike.
    """

    kind: Kind
    threshold: FloatArray | None
    strict: bool
    reset: Reset
    reset_value: FloatArray
    v_reset: FloatArray
    decay: FloatArray
    current_decay: FloatArray | None
    drift: FloatArray
    gain: FloatArray
    refractory: bool

    @property
    def leaks(self) -> bool:
        """Whether any state fades, but not at once."""
        decays = (self.decay,) if self.current_decay is None else (self.decay, self.current_decay)
        return any(bool(((d > 0) & (d < 1)).any()) for d in decays)


def read_neuron(graph: Graph, name: str) -> FloatNeuron:
    """The neuron or Threshold node `name` of a validated graph.

    Raises:
        InputError: a kind of neuron, or a gain, that the integer network has no form for.
    """
    form = primitive(graph.nodes[name])
    if form.step is None or form.kind is None:
        known = ", ".join(known.name for known in PRIMITIVES.values() if known.step is not None)
        raise InputError(f"{graph.source}: node {name!r}: a {form.name} cannot be quantised; {known} can")
    step = dynamics(graph, name)
    gain = step.current_gain * step.gain
    if (gain <= 0).any():
        raise InputError(f"{graph.source}: node {name!r}: r (and w_in) must be positive to be quantised")
    if step.late_current:
        raise InputError(
            f"{graph.source}: node {name!r}: its potential integrates the current of the step before, which an integer "
            "network has no form for; put a Delay before it instead"
        )
    return FloatNeuron(
        _KINDS[form.kind],
        None if step.threshold is None else step.threshold / gain,
        step.strict,
        step.reset,
        step.reset_value / gain,
        step.v_reset / gain,
        1 - step.keep,
        None if step.current_keep is None else 1 - step.current_keep,
        step.drift / gain,
        gain,
        step.refractory,
    )
