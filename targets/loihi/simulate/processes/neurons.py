"""A neuron program for Loihi 2: the integer neuron, soft reset included, with 24-bit states."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from inflor.targets.loihi.widths import DECAY_BITS, STATE_BITS

LARGEST = (1 << (STATE_BITS - 1)) - 1


class NeuronProgram(AbstractProcess):
    """n neurons with a 24-bit current u and potential v, each step, in this order:

        u = keep(u, current_decay) + ((a + bias) << f)
        v = keep(v, decay) + u + drift            unless refractory and s of the step before
        s = v > threshold << f;  v -= (reset_value << f) s   or   v = v_reset << f where s      (none for a readout)

        keep(x, d) = sign(x) ((|x| (4096 - d)) >> 12)

    Frame f of the input is handled at time step f + 1 + depth. A sample lasts `period` steps, of which the first
    `active` count; u and v are cleared before the first, and in the others the neuron is silent. What leaves 24 bits
    is counted, and ends as it does in Lava's LIF: u wraps into -2^23 + 1 to 2^23, and v saturates at +-(2^23 - 1),
    after the reset too. Without a current u is no state: the input goes into v as it is.

    Parameters: size; threshold, reset_value, v_reset, bias, drift, decay, current_decay: int arrays [size];
    has_current; fraction_bits: f; refractory; reset: "subtract", "zero" or "none"; period, active, depth: steps;
    graded: send v instead of spikes; overflows: path of an .npy of one int64.
    """

    def __init__(self, *, size: int, **parameters: Any) -> None:
        super().__init__(size=size, **parameters)
        self.a_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))
        self.u = Var(shape=(size,), init=0)
        self.v = Var(shape=(size,), init=0)
        self.before_reset = Var(shape=(size,), init=0)


@implements(proc=NeuronProgram, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyNeuronProgram(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    u: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    v: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    before_reset: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        p = proc_params
        self.reset, self.graded = p["reset"], p["graded"]
        self.period, self.active, self.depth = p["period"], p["active"], p["depth"]
        self.fraction_bits, self.refractory = p["fraction_bits"], p["refractory"]
        self.has_current = p["has_current"]
        names = ("threshold", "reset_value", "v_reset")
        self.threshold, self.reset_value, self.v_reset = (
            np.asarray(p[n], np.int64) << p["fraction_bits"] for n in names
        )
        self.bias, self.drift = np.asarray(p["bias"], np.int64), np.asarray(p["drift"], np.int64)
        self.current_decay, self.decay = (_one(np.asarray(p[n], np.int64)) for n in ("current_decay", "decay"))
        self.fired = np.zeros(p["size"], bool)
        self.overflows = np.load(p["overflows"], mmap_mode="r+")

    def run_spk(self) -> None:
        a = self.a_in.recv().astype(np.int64)
        phase = (self.time_step - 1 - self.depth) % self.period
        if phase == 0 or phase >= self.active:
            self.u[:], self.v[:], self.fired[:] = 0, 0, False
        if phase >= self.active:
            self.s_out.send(np.zeros(self.s_out.shape, np.int32))
            return
        u = (a + self.bias) << self.fraction_bits
        if self.has_current:
            u = self._wrapped(_kept(self.u, self.current_decay) + u)
            self.u[:] = u
        v = _kept(self.v, self.decay) + u + self.drift
        if self.refractory:
            v = np.where(self.fired, self.v, v)
        v = self._saturated(v)
        self.before_reset[:] = v
        self.fired = v > self.threshold
        if self.reset == "subtract":
            v = self._saturated(v - self.reset_value * self.fired)
        elif self.reset == "zero":
            v = np.where(self.fired, self.v_reset, v)
        self.v[:] = v
        self.s_out.send((v if self.graded else self.fired).astype(np.int32))

    def _wrapped(self, u: np.ndarray) -> np.ndarray:
        wrapped: np.ndarray = (u + LARGEST) % (1 << STATE_BITS) - LARGEST
        return self._counted(u, wrapped)

    def _saturated(self, v: np.ndarray) -> np.ndarray:
        return self._counted(v, np.clip(v, -LARGEST, LARGEST))

    def _counted(self, state: np.ndarray, limited: np.ndarray) -> np.ndarray:
        outside = np.count_nonzero(limited != state)
        if outside and self.time_step > self.depth:
            self.overflows[0] += outside
        return limited


def _one(values: np.ndarray) -> int | np.ndarray:
    """All values the same: that one."""
    return int(values[0]) if (values == values[0]).all() else values


def _kept(state: np.ndarray, decay: int | np.ndarray) -> np.ndarray | int:
    if isinstance(decay, int) and decay in (0, 1 << DECAY_BITS):
        return 0 if decay else state.astype(np.int64)
    state = state.astype(np.int64)
    return np.sign(state) * ((np.abs(state) * ((1 << DECAY_BITS) - decay)) >> DECAY_BITS)
