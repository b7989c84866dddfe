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

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.base import PRIMITIVES, primitive
from inflor.converter.primitives.dynamics import dynamics
from inflor.quant.ir.neuron import ResetKind
from inflor.quant.ir.types import FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatNeuron:
    """One neuron node in units of its input current; every array is float64 at the population's full shape.

    Attributes:
        threshold: the potential at which the neuron fires; None for a readout.
        strict: whether it fires above the threshold only, and not at it.
        reset: what a spike does to the potential.
        reset_value: what the reset "subtract" takes from the potential.
        v_reset: what the reset "zero" sets it to.
        decay: the fraction of the potential that is lost per step.
        current_decay: the same of the synaptic current; None where there is none.
        drift: the constant input per step that the leak potential stands for.
        gain: the potential, in the node's own units, per unit of current.
        refractory: whether the neuron loses the step after a spike.
    """

    threshold: FloatArray | None
    strict: bool
    reset: ResetKind
    reset_value: FloatArray
    v_reset: FloatArray
    decay: FloatArray
    current_decay: FloatArray | None
    drift: FloatArray
    gain: FloatArray
    refractory: bool

    @property
    def leaks(self) -> bool:
        """Whether any state leaks, and keeps a part of itself."""
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
        raise InputError(f"{graph.source}: node {name!r}: a {form.name} cannot be quantized; {known} can")
    step = dynamics(graph, name)
    gain = step.current_gain * step.gain
    if (gain <= 0).any():
        raise InputError(f"{graph.source}: node {name!r}: r (and w_in) must be positive to be quantized")
    if step.late_current:
        raise InputError(
            f"{graph.source}: node {name!r}: its potential integrates the current of the step before, which an integer "
            "network has no form for; put a Delay before it instead"
        )
    return FloatNeuron(
        threshold=None if step.threshold is None else step.threshold / gain,
        strict=step.strict,
        reset=step.reset,
        reset_value=step.reset_value / gain,
        v_reset=step.v_reset / gain,
        decay=1 - step.keep,
        current_decay=None if step.current_keep is None else 1 - step.current_keep,
        drift=step.drift / gain,
        gain=gain,
        refractory=step.refractory,
    )
