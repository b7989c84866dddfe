"""Processes that fail, each in one way, when their step number `at` comes."""

from __future__ import annotations

import os
import resource
import signal

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Faulty(AbstractProcess):
    """Passes on what arrives, until `fault` happens at time step `at`."""

    def __init__(self, *, size, fault, at):
        super().__init__(size=size, fault=fault, at=at)
        self.a_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))


@implements(proc=Faulty, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyFaulty(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.fault, self.at = proc_params["fault"], proc_params["at"]
        if self.fault == "constructor":
            raise RuntimeError("planted in the constructor")

    def run_spk(self):
        data = self.a_in.recv()
        if self.time_step == self.at:
            if self.fault == "raise":
                raise ValueError("planted")
            if self.fault == "shape":
                data = np.zeros(len(data) + 1, np.int32)
            elif self.fault == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            elif self.fault == "exit":
                os._exit(7)
            elif self.fault == "silent":
                return
            elif self.fault == "memory":
                resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
                np.ones(1 << 32)
            elif self.fault == "slow":
                while True:
                    pass
        self.s_out.send(data)
