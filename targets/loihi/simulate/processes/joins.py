"""The accumulators of a neuron program, or compartments joined by MAX: the largest of the sums at a neuron."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class JoinedPorts(AbstractProcess):
    """a_out[i] = max over k of a_in[i * ports + k] where mask[i * ports + k], within the same step.

    Parameters: size: neurons; ports: of each; mask: bool [size * ports], of which each neuron has one at least.
    """

    def __init__(self, *, size: int, ports: int, mask: np.ndarray) -> None:
        super().__init__(size=size, ports=ports, mask=mask)
        self.a_in = InPort(shape=(size * ports,))
        self.a_out = OutPort(shape=(size,))


@implements(proc=JoinedPorts, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyJoinedPorts(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.shape = (proc_params["size"], proc_params["ports"])
        self.mask = np.asarray(proc_params["mask"], bool).reshape(self.shape)
        self.least = np.iinfo(np.int32).min

    def run_spk(self) -> None:
        arrived = self.a_in.recv().reshape(self.shape)
        self.a_out.send(np.where(self.mask, arrived, self.least).max(1).astype(np.int32))
