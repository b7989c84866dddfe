"""Numbers on a SpiNNaker core, and the two halves of a neuron's tick.

State is s16.15: 32 bits with 15 fraction bits, held here as int64 of raw units (1.0 is 32,768). Input arrives in ring
buffers of unsigned 16 bits, one per time slot, synapse type and neuron, and enters the state as `u16 << shift`.
Figures as measured on sPyNNaker 1!7.4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from quant.network import DECAY_ONE
from quant.operators import IntArray

STATE_BITS, FRACTION_BITS = 32, 15
ONE = 1 << FRACTION_BITS
RING_MAX = (1 << 16) - 1
TYPE_BITS = 1
"""Of the synapse type: 0 is excitatory, 1 inhibitory."""

Model = Literal["srif", "if", "lif", "readout", "stock_if", "stock_lif"]
"""The stock ones are sPyNNaker's models; the others are neuron programs of our own."""


def multiply(a: IntArray, b: IntArray) -> IntArray:
    """Product of two s16.15 numbers, truncated (not rounded) to s16.15."""
    return (a * b) >> FRACTION_BITS


@dataclass(frozen=True, eq=False)
class Neurons:
    """The parameters of one population, raw s16.15, int64 [neurons] each, neurons in the order of the cores.

    unit: bits by which one integer unit of the network is shifted up. bias: added at every active step. keep:
    (4096 - decay), of 4096. exp_tc, resistance: of a stock LIF only.
    """

    model: Model
    unit: int
    threshold: IntArray
    reset_value: IntArray
    v_reset: IntArray
    bias: IntArray
    keep: IntArray
    exp_tc: IntArray
    resistance: IntArray


def integrate(neurons: Neurons, v: IntArray, current: IntArray) -> tuple[IntArray, int]:
    """The first half of a tick: v before the threshold, and how many states left 32 bits and wrapped.

        srif, if, readout   v = v + I, and where it leaks v = sign(v) * ((|v| * keep) >> 12) + I in whole units
        stock_if            v = max(v + I, v_reset)
        stock_lif           alpha = I * R + v_reset;  v = alpha - exp_tc * (alpha - v)

    current: I, all that arrives at this tick, raw.
    """
    if neurons.model == "stock_lif":
        alpha = multiply(current, neurons.resistance) + neurons.v_reset
        v = alpha - multiply(neurons.exp_tc, alpha - v)
    elif neurons.keep.min(initial=DECAY_ONE) < DECAY_ONE:
        units = np.abs(v) >> neurons.unit
        v = np.sign(v) * (((units * neurons.keep) >> 12) << neurons.unit) + current
    else:
        v = v + current
    v, wrapped = _wrap(v)
    return (np.maximum(v, neurons.v_reset) if neurons.model == "stock_if" else v), wrapped


def fire(neurons: Neurons, v: IntArray) -> tuple[IntArray, npt.NDArray[np.bool_], int]:
    """The second half: v after the reset, spikes (where v >= threshold; a readout has none), states that wrapped."""
    if neurons.model == "readout":
        return v, np.zeros(v.shape, bool), 0
    spikes = v >= neurons.threshold
    if neurons.model == "srif":
        v, wrapped = _wrap(v - neurons.reset_value * spikes)
        return v, spikes, wrapped
    return np.where(spikes, neurons.v_reset, v), spikes, 0


def _wrap(v: IntArray) -> tuple[IntArray, int]:
    half = 1 << (STATE_BITS - 1)
    if -half <= v.min(initial=0) and v.max(initial=0) < half:
        return v, 0
    outside = (v < -half) | (v >= half)
    return ((v + half) & (2 * half - 1)) - half, int(outside.sum())
