"""Stock LIFReset that also counts when a state leaves its width, which Lava lets pass in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.proc.lif.process import LIFReset

LIMIT = (1 << 23) - 64
"""Largest potential that no threshold of 17 bits, shifted by 6, lets through."""


class CountedLIFReset(LIFReset):
    """overflows: path of an .npy of one int64, to which the neurons that overflowed are added at every step.

    Steps before first_step do not count. Of every `period` steps from there on `active` count in u and v; in the
    others, where v is pushed down and may saturate, only in u.
    """

    def __init__(self, *, overflows: str, first_step: int, period: int, active: int, **parameters: Any) -> None:
        super().__init__(**parameters)
        own = {"overflows": overflows, "first_step": first_step, "period": period, "active": active}
        for name, value in own.items():
            self.proc_params[name] = value


@implements(proc=CountedLIFReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyCountedLIFReset(PyLifResetModelBitAcc):
    implements_process = None  # for the decorator, which refuses a second process for the inherited one

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.overflows = np.load(proc_params["overflows"], mmap_mode="r+")
        self.first_step, self.period, self.active = (proc_params[n] for n in ("first_step", "period", "active"))

    def subthr_dynamics(self, activation_in: np.ndarray) -> None:
        decay_u = self.decay_unity - (self.du + self.ds_offset)
        decay_v = self.decay_unity - (self.dv + self.dm_offset)
        u, v = self.u.astype(np.int64), self.v.astype(np.int64)
        u = np.sign(u) * ((np.abs(u) * decay_u) >> 12) + (activation_in.astype(np.int64) << self.act_shift)
        v = np.sign(v) * ((np.abs(v) * decay_v) >> 12) + u + self.effective_bias
        phase = (self.time_step - self.first_step) % self.period
        if self.time_step >= self.first_step:
            left = (np.abs(u) > LIMIT) | ((np.abs(v) > LIMIT) & (phase < self.active))
            self.overflows[0] += np.count_nonzero(left)
        super().subthr_dynamics(activation_in)
