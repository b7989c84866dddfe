"""Loihi's neuron arithmetic in numpy: what Lava's bit-accurate LIF does, without Lava, for whole batches.

Per step, integers (lava-nc 0.10.0, proc/lif/models.py):

    u = sign(u) ((|u| (4096 - (du + 1))) >> 12) + (a << 6)         wraps at 24 bits
    v = sign(v) ((|v| (4096 - dv)) >> 12) + u + (bias_mant << bias_exp)      saturates at +-(2^23 - 1)
    s = v > (vth << 6);  v = 0 where s

Lava does not check the ranges of its registers (a mantissa beyond 16 bits even wraps); this module does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.errors import InputError

IntArray = npt.NDArray[np.int64]
STATE_LIMIT = 1 << 23
INPUT_SHIFT = 6
DECAY_BITS = 12
RANGES = {
    "du": (-1, 4095),
    "dv": (0, 4096),
    "vth": (0, (1 << 17) - 1),
    "bias_mant": (-4096, 4095),
    "bias_exp": (0, 7),
}
"""Register ranges: hardware.yaml, loihi1. du = -1 and dv = 4096 need the chip's decay offsets (0 and 1)."""
LARGEST_INPUT = (1 << 24) - 1
"""Synaptic sums wrap at 24 bits before a neuron sees them."""


@dataclass(frozen=True, eq=False)
class LifParameters:
    """Registers of a LIF population; arrays broadcast against its shape. reset_interval: steps, 0 for none.

    u and v are cleared before the input of step t (from 0) where t % reset_interval == 0.
    """

    du: int
    dv: int
    vth: Any
    bias_mant: Any = 0
    bias_exp: Any = 0
    reset_interval: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            values = np.asarray(getattr(self, name))
            if not np.issubdtype(values.dtype, np.integer):
                raise InputError(f"{name} has to be whole numbers, not {values.dtype}")
            for value in (int(values.min()), int(values.max())):
                if not low <= value <= high:
                    raise InputError(f"{name} {value} does not fit its register; it has to be from {low} to {high}")
        if self.reset_interval < 0:
            raise InputError(f"reset interval {self.reset_interval}: has to be 0 (none) or more")


@dataclass(frozen=True, eq=False)
class Trace:
    """u, v after the step (so 0 where it fired) and s, each [T, ...]. wrapped, saturated: neuron-steps that did."""

    u: IntArray
    v: IntArray
    s: npt.NDArray[np.bool_]
    wrapped: int
    saturated: int


def lif(parameters: LifParameters, a: npt.NDArray[np.integer[Any]]) -> Trace:
    """Run a LIF population from a cleared state on synaptic input a [T, ...].

    Raises:
        InputError: a leaves the 24 bits of a synaptic sum.
    """
    if a.size and int(np.abs(a.astype(np.int64)).max()) > LARGEST_INPUT:
        raise InputError(f"synaptic input leaves 24 bits; it has to be within +-{LARGEST_INPUT}")
    p = parameters
    bias = np.asarray(p.bias_mant, np.int64) << np.asarray(p.bias_exp, np.int64)
    threshold = np.asarray(p.vth, np.int64) << INPUT_SHIFT
    u = np.zeros(a.shape[1:], np.int64)
    v = np.zeros_like(u)
    us, vs = np.empty(a.shape, np.int64), np.empty(a.shape, np.int64)
    spikes = np.empty(a.shape, np.bool_)
    wrapped = saturated = 0
    for t, arriving in enumerate(a.astype(np.int64)):
        if p.reset_interval and t % p.reset_interval == 0:
            u, v = np.zeros_like(u), np.zeros_like(v)
        total = decay(u, p.du + 1) + (arriving << INPUT_SHIFT)
        u = wrap(total)
        wrapped += int(np.count_nonzero(u != total))
        total = decay(v, p.dv) + u + bias
        v = np.clip(total, 1 - STATE_LIMIT, STATE_LIMIT - 1)
        saturated += int(np.count_nonzero(v != total))
        spikes[t] = v > threshold
        v = np.where(spikes[t], 0, v)
        us[t], vs[t] = u, v
    return Trace(us, vs, spikes, wrapped, saturated)


def decay(state: IntArray, amount: int) -> IntArray:
    """`sign(x) ((|x| (4096 - amount)) >> 12)`: rounds towards zero."""
    return np.sign(state) * ((np.abs(state) * ((1 << DECAY_BITS) - amount)) >> DECAY_BITS)


def wrap(current: IntArray) -> IntArray:
    """Lava's wrap of u: one turn of 2^24, so that 2^23 itself stays and -2^23 becomes 2^23."""
    once = np.where(current > STATE_LIMIT, current - 2 * STATE_LIMIT, current)
    return np.where(once <= -STATE_LIMIT, current + 2 * STATE_LIMIT, once)
