"""What stands between the host and the simulated chip: memory-mapped inputs and outputs.

`Var.get` moves one number at a time; these processes write each step straight to a file that the host has mapped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class FrameSource(AbstractProcess):
    """Sends samples back to back as graded spikes: `active` frames of a sample, then zeros until `period` is over.

    Parameters: size; frames: path of an .npy [samples, 1 or active, size] of small integers (one frame per sample is
    repeated); period, active, delay: steps (frame f is sent at time step f + 1 + delay). clock: path of an .npy of one
    int64, to which the time step is written, or "".
    """

    def __init__(self, *, size: int, frames: str, period: int, active: int, delay: int = 0, clock: str = "") -> None:
        super().__init__(size=size, frames=frames, period=period, active=active, delay=delay, clock=clock)
        self.s_out = OutPort(shape=(size,))


@implements(proc=FrameSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyFrameSource(PyLoihiProcessModel):
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.frames = np.load(proc_params["frames"], mmap_mode="r")
        self.period, self.active, self.delay = (proc_params[n] for n in ("period", "active", "delay"))
        self.clock = np.load(proc_params["clock"], mmap_mode="r+") if proc_params["clock"] else None

    def run_spk(self) -> None:
        if self.clock is not None:
            self.clock[0] = self.time_step
        sample, phase = divmod(self.time_step - 1 - self.delay, self.period)
        samples, repeats, size = self.frames.shape
        if 0 <= sample < samples and phase < self.active:
            frame = self.frames[sample, phase if repeats > 1 else 0].astype(np.int32)
        else:
            frame = np.zeros(size, np.int32)
        self.s_out.send(frame)


class Sink(AbstractProcess):
    """Writes what arrives at time step n to row n - 1 of a mapped file.

    Parameters: size; rows: path of an .npy, uint8 [steps, ceil(size / 8)] where packed (one bit per spike, first
    neuron in the highest bit), else int32 [steps, size]; packed.
    """

    def __init__(self, *, size: int, rows: str, packed: bool) -> None:
        super().__init__(size=size, rows=rows, packed=packed)
        self.a_in = InPort(shape=(size,))


@implements(proc=Sink, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySink(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.rows = np.load(proc_params["rows"], mmap_mode="r+")
        self.packed = proc_params["packed"]

    def run_spk(self) -> None:
        arrived = self.a_in.recv()
        self.rows[self.time_step - 1] = np.packbits(arrived != 0) if self.packed else arrived


class Probe(AbstractProcess):
    """Reads a variable of another process at the end of every step, as a chip's state probe does.

    Parameters: size; rows: path of an .npy int32 [steps, size].
    """

    def __init__(self, *, size: int, rows: str) -> None:
        super().__init__(size=size, rows=rows)
        self.state = RefPort((size,))


@implements(proc=Probe, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyProbe(PyLoihiProcessModel):
    state: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.rows = np.load(proc_params["rows"], mmap_mode="r+")

    def post_guard(self) -> bool:
        return True

    def run_post_mgmt(self) -> None:
        self.rows[self.time_step - 1] = self.state.read()
