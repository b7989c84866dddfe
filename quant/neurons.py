"""Reads a NIR neuron node as an integrator in units of its own input current.

With a gain k = r*dt (IF, I) or r*dt/tau (LIF, LI) every model of this file is, with u = v/k and no gain left,

    u += a + drift  after u *= (1 - decay);     fires at u >= threshold (or >, where `strict`);     reset

so that weights and biases enter an integer potential directly. Reference: the equations of the NIR primitives,
integrated by Euler steps of dt.
"""

from __future__ import annotations

from dataclasses import dataclass

import nir
import numpy as np
import numpy.typing as npt

from converter.errors import InputError
from converter.graph import Graph, reset_of
from quant.network import Kind, Reset

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FloatNeuron:
    """One neuron node in current units; every array is float64 at the population's full shape.

    threshold: None for a readout. strict: fires above the threshold only. decay: fraction of u lost per step.
    drift: constant input per step that the leak potential stands for. gain: potential per current unit.
    """

    kind: Kind
    threshold: FloatArray | None
    strict: bool
    reset: Reset
    reset_value: FloatArray
    v_reset: FloatArray
    decay: FloatArray
    drift: FloatArray
    gain: FloatArray


def read_neuron(graph: Graph, name: str) -> FloatNeuron:
    """The neuron node `name` of a validated graph.

    Raises:
        InputError: a kind of neuron, or a gain, that the integer network has no form for.
    """
    node, shape, dt = graph.nodes[name], graph.output_shapes[name], graph.info.dt

    def full(values: object) -> FloatArray:
        return np.broadcast_to(np.asarray(values, np.float64), shape)

    if isinstance(node, nir.IF | nir.I):
        gain, decay, leak = full(node.r) * dt, full(0.0), full(0.0)
    elif isinstance(node, nir.LIF | nir.LI):
        decay = dt / full(node.tau)
        gain, leak = full(node.r) * decay, full(node.v_leak)
        if (decay > 1).any():
            raise InputError(
                f"{graph.source}: node {name!r}: tau is shorter than the step, dt = {dt:g}; write tau in steps"
            )
    else:
        raise InputError(
            f"{graph.source}: node {name!r}: a {type(node).__name__} cannot be quantised; IF, LIF, I and LI can"
        )
    if (gain <= 0).any():
        raise InputError(f"{graph.source}: node {name!r}: r must be positive to be quantised")
    drift = leak * decay / gain
    if isinstance(node, nir.I | nir.LI):
        zero = full(0.0)
        return FloatNeuron("readout", None, True, "none", zero, zero, decay, drift, gain)
    threshold, strict = _threshold(node, shape)
    reset, value = reset_of(node)
    zero = full(0.0)
    reset_value, v_reset = (full(value), zero) if reset == "subtract" else (zero, full(value))
    kind: Kind = "if" if isinstance(node, nir.IF) else "lif"
    return FloatNeuron(kind, threshold / gain, strict, reset, reset_value / gain, v_reset / gain, decay, drift, gain)


def _threshold(node: nir.IF | nir.LIF, shape: tuple[int, ...]) -> tuple[FloatArray, bool]:
    """The threshold, and whether reaching it exactly is not enough.

    A node that says in its metadata that it fires at >= threshold holds, for strict readers, the float just below.
    """
    strict = np.broadcast_to(np.asarray(node.v_threshold), shape)
    if "threshold" in node.metadata:
        reached = np.broadcast_to(np.asarray(node.metadata["threshold"], np.float32), shape)
        if np.array_equal(np.nextafter(reached, np.float32(-np.inf)), strict.astype(np.float32)):
            return reached.astype(np.float64), False
    return strict.astype(np.float64), True
