"""Numbers on a SpiNNaker core, and the two halves of a neuron's tick.

State is s16.15: 32 bits with 15 fraction bits, held here as int64 of raw units (1.0 is 32,768). Input arrives in ring
buffers of unsigned 16 bits, one per time slot, synapse type and neuron, and enters the state as `u16 << shift`.
Figures as measured on sPyNNaker 1!7.4.1.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from inflor.quant.ir.neuron import ResetKind
from inflor.quant.operators import IntArray

STATE_BITS, FRACTION_BITS = 32, 15
ONE = 1 << FRACTION_BITS
RING_MAX = (1 << 16) - 1

Model = Literal["srif", "srlif", "srcuba_lif", "if", "lif", "cuba_lif", "readout", "stock_if", "stock_lif"]
"""The stock ones are sPyNNaker's models; the others are neuron programs of our own (sr: reset by subtraction)."""


def multiply(a: IntArray, b: IntArray) -> IntArray:
    """Product of two s16.15 numbers, truncated (not rounded) to s16.15."""
    return (a * b) >> FRACTION_BITS


@dataclass(frozen=True, eq=False)
class Neurons:
    """The parameters of one population, raw s16.15, int64 [neurons] each, neurons in the order of the cores.

    unit: bits by which one integer unit of the network is shifted up. grain: the same for the finest unit of its state.
    threshold: where v >= threshold, a neuron fires. bias: added to the input, drift to the potential, at every active
    step. keep, current_keep: what potential and synaptic current keep, of 2**decay_bits; None where nothing decays, or
    there is no such current. exp_tc, resistance: of a stock LIF only.
    """

    model: Model
    unit: int
    grain: int
    threshold: IntArray
    reset: ResetKind
    reset_value: IntArray
    v_reset: IntArray
    bias: IntArray
    drift: IntArray
    keep: IntArray | None
    current_keep: IntArray | None
    decay_bits: int
    refractory: bool
    exp_tc: IntArray
    resistance: IntArray

    def take(self, order: IntArray) -> Neurons:
        """Some of them, or all in another order."""
        values = ((f.name, getattr(self, f.name)) for f in fields(self))
        taken: dict[str, Any] = {n: v[order] if isinstance(v, np.ndarray) else v for n, v in values}
        return Neurons(**taken)

    @property
    def words(self) -> int:
        """What one neuron holds: potential and five parameters, and where it has them drift, current and its decay."""
        return 6 + bool(self.drift.any()) + 2 * (self.current_keep is not None) + self.refractory


@dataclass(eq=False)
class State:
    """u, synaptic current, and v, membrane potential, raw; held: neurons that fired in the step before."""

    u: IntArray
    v: IntArray
    held: npt.NDArray[np.bool_]

    @classmethod
    def cleared(cls, size: int) -> State:
        return cls(np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, bool))


def integrate(neurons: Neurons, state: State, current: IntArray) -> int:
    """The first half of a tick: u and v before the threshold. Returns how many states left 32 bits and wrapped.

        u = I, or where there is a synaptic current keep(u, current_keep) + I
        v = keep(v, keep) + u + drift             a refractory neuron that fired the step before leaves v as it is
        stock_if            v = max(v + I, v_reset)
        stock_lif           alpha = I * R + v_reset;  v = alpha - exp_tc * (alpha - v)

        keep(x, k) = sign(x) * ((|x| * k) >> decay_bits) in finest units

    current: I, all that arrives at this tick, raw.
    """
    before = state.v
    if neurons.model == "stock_lif":
        alpha = multiply(current, neurons.resistance) + neurons.v_reset
        state.v, wrapped = _wrap(alpha - multiply(neurons.exp_tc, alpha - before))
        return wrapped
    arriving, wrapped = current, 0
    if neurons.current_keep is not None:
        state.u, wrapped = _wrap(_kept(neurons, state.u, neurons.current_keep) + current)
        arriving = state.u
    v, more = _wrap(
        (before if neurons.keep is None else _kept(neurons, before, neurons.keep)) + arriving + neurons.drift
    )
    if neurons.model == "stock_if":
        v = np.maximum(v, neurons.v_reset)
    state.v = np.where(state.held, before, v) if neurons.refractory else v
    return wrapped + more


def _kept(neurons: Neurons, x: IntArray, keep: IntArray) -> IntArray:
    fine = np.abs(x) >> neurons.grain
    return np.sign(x) * (((fine * keep) >> neurons.decay_bits) << neurons.grain)


def fire(neurons: Neurons, state: State) -> tuple[npt.NDArray[np.bool_], int]:
    """The second half: resets v, returns spikes (where v >= threshold; a readout has none) and states that wrapped."""
    if neurons.model == "readout":
        return np.zeros(state.v.shape, bool), 0
    spikes, wrapped = state.v >= neurons.threshold, 0
    if neurons.reset == "subtract":
        state.v, wrapped = _wrap(state.v - neurons.reset_value * spikes)
    elif neurons.reset == "zero":
        state.v = np.where(spikes, neurons.v_reset, state.v)
    state.held = spikes
    return spikes, wrapped


def _wrap(v: IntArray) -> tuple[IntArray, int]:
    half = 1 << (STATE_BITS - 1)
    if -half <= v.min(initial=0) and v.max(initial=0) < half:
        return v, 0
    outside = (v < -half) | (v >= half)
    return ((v + half) & (2 * half - 1)) - half, int(outside.sum())
