"""A neuron program for Loihi 2: the integer neuron, soft reset included, with a 24-bit state."""

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

STATE_BITS = 24
DECAY_BITS = 12


class NeuronProgram(AbstractProcess):
    """n neurons with a 24-bit potential v, each step, in this order:

        v = sign(v) ((|v| (4096 - decay)) >> 12) + a + bias
        s = v > threshold;  v -= reset_value s   or   v = v_reset where s      (none for a readout)

    Frame f of the input is handled at time step f + 1 + depth. A sample lasts `period` steps, of which the first
    `active` count; v is cleared before the first, and in the others the neuron is silent. An integration that leaves
    24 bits saturates and is counted.

    Parameters: size; threshold, reset_value, v_reset, bias, decay: int arrays [size]; reset: "subtract", "zero" or
    "none"; period, active, depth: steps; graded: send v instead of spikes; overflows: path of an .npy of one int64.
    """

    def __init__(self, *, size: int, **parameters: Any) -> None:
        super().__init__(size=size, **parameters)
        self.a_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))
        self.v = Var(shape=(size,), init=0)
        self.before_reset = Var(shape=(size,), init=0)


@implements(proc=NeuronProgram, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyNeuronProgram(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    before_reset: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        p = proc_params
        self.reset, self.graded = p["reset"], p["graded"]
        self.period, self.active, self.depth = p["period"], p["active"], p["depth"]
        names = ("threshold", "reset_value", "v_reset", "bias")
        self.threshold, self.reset_value, self.v_reset, self.bias = (np.asarray(p[n], np.int64) for n in names)
        decay = np.asarray(p["decay"], np.int64)
        self.keep = (1 << DECAY_BITS) - decay if decay.any() else None
        self.overflows = np.load(p["overflows"], mmap_mode="r+")

    def run_spk(self) -> None:
        a = self.a_in.recv()
        phase = (self.time_step - 1 - self.depth) % self.period
        if phase == 0 or phase >= self.active:
            self.v[:] = 0
        if phase >= self.active:
            self.s_out.send(np.zeros(self.s_out.shape, np.int32))
            return
        v = self.v.astype(np.int64)
        if self.keep is not None:
            v = np.sign(v) * ((np.abs(v) * self.keep) >> DECAY_BITS)
        v = self._limit(v + a + self.bias)
        self.before_reset[:] = v
        spikes = v > self.threshold
        if self.reset == "subtract":
            v = self._limit(v - self.reset_value * spikes)
        elif self.reset == "zero":
            v = np.where(spikes, self.v_reset, v)
        self.v[:] = v
        self.s_out.send((v if self.graded else spikes).astype(np.int32))

    def _limit(self, v: np.ndarray) -> np.ndarray:
        half = 1 << (STATE_BITS - 1)
        limited = np.clip(v, -half, half - 1)
        outside = np.count_nonzero(limited != v)
        if outside and self.time_step > self.depth:
            self.overflows[0] += outside
        return limited
