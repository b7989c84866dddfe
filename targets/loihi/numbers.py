"""The registers of a stock LIF neuron, and which populations they can stand for.

Per step, integers (lava-nc 0.10.0, proc/lif/models.py; a is the sum that arrives):

    u = keep(u, du + 1) + (a << 6)                          wraps at 24 bits
    v = keep(v, dv) + u + (bias_mant << bias_exp)           saturates at +-(2^23 - 1)
    s = v > (vth << 6);  v = 0 where s

So u and v count in 1/64 of a synaptic unit. Lava checks the range of no register (a mantissa beyond 16 bits even
wraps), and of no state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inflor.quant.ir.network import Population
from inflor.quant.operators import IntArray
from inflor.targets.loihi.widths import DECAY_BITS, INPUT_SHIFT, STATE_BITS

if TYPE_CHECKING:
    from inflor.quant.run.kernel import Profile

RANGES = {
    "du": (-1, 4095),
    "dv": (0, 4096),
    "vth": (0, (1 << 17) - 1),
    "bias_mant": (-4096, 4095),
    "bias_exp": (0, 7),
}
"""hardware.yaml, loihi1. du = -1 and dv = 4096 need the chip's decay offsets (0 and 1)."""
FORGET = 1 << DECAY_BITS
"""Decay of a state that keeps nothing."""
JOINED = "input ports joined by their maximum"
LARGEST_STATE = (1 << (STATE_BITS - 1)) - (1 << INPUT_SHIFT)
"""In 1/64 of a unit: no threshold lets more through, and nothing wraps or saturates below."""


def profile() -> Profile:
    """u wraps at 24 bits, v is clipped to +-(2**23 - 1) (lava-nc 0.10.0, proc/lif/models.py); so does our program."""
    from inflor.quant.run.kernel import Profile  # torch: the worker does without

    return Profile(STATE_BITS, "saturate", STATE_BITS, "wrap", symmetric=True)


@dataclass(frozen=True)
class Misfit:
    """Why a population is none of stock neurons: a limit, the number that breaks it, what is allowed."""

    limit: str
    number: Any
    allowed: Any


def decays(population: Population) -> tuple[IntArray, IntArray] | None:
    """Decays of u and v in 12 bits, or None where they need more. A population without u forgets it at every step."""
    found = []
    rule = population.rule
    for decay in (rule.current_decay, rule.decay):
        if decay is None:
            found.append(np.asarray(FORGET))
            continue
        shift = DECAY_BITS - rule.decay_bits
        coarse = decay << shift if shift >= 0 else decay >> -shift
        if shift < 0 and (coarse << -shift != decay).any():
            return None
        found.append(coarse)
    return found[0], found[1]


def keep(state: IntArray, decay: IntArray) -> IntArray:
    """`sign(x) ((|x| (4096 - decay)) >> 12)`: rounds towards zero."""
    return np.sign(state) * ((np.abs(state) * (FORGET - decay)) >> DECAY_BITS)


def has_current(population: Population) -> bool:
    """Whether a step's input is still felt in the next one without the potential."""
    rule = population.rule
    return rule.current_decay is not None and bool((rule.current_decay < 1 << rule.decay_bits).any())


def leaks(population: Population) -> bool:
    """Whether some neuron keeps a part of its potential: neither all of it nor nothing."""
    rule = population.rule
    return bool(((rule.decay > 0) & (rule.decay < 1 << rule.decay_bits)).any())


def finest_shift(population: Population) -> int:
    """How much finer a stock neuron's state counts than the population's."""
    return INPUT_SHIFT - population.rule.fraction_bits


def bias_registers(value: IntArray) -> tuple[IntArray, IntArray] | None:
    """Mantissa and exponent with mantissa << exponent == value (1/64 of a unit), or None where there are none."""
    low, high = RANGES["bias_mant"]
    exponent = np.full(value.shape, RANGES["bias_exp"][1])
    for smaller in range(RANGES["bias_exp"][1] - 1, -1, -1):
        exact = (value >> exponent) << exponent == value
        exponent = np.where(exact, exponent, smaller)
    mantissa = value >> exponent
    fits = (mantissa << exponent == value) & (mantissa >= low) & (mantissa <= high)
    return (mantissa, exponent) if fits.all() else None


def misfits(population: Population) -> Iterator[Misfit]:
    """What keeps stock neurons from being the population, whose decays fit 12 bits, in any range of its states."""
    shift = finest_shift(population)
    rule, bits = population.rule, population.rule.decay_bits
    remembers = has_current(population) or leaks(population)
    if population.groups:
        ports = max(group.count for group in population.groups)
        yield Misfit(JOINED, ports, "1: stock neurons add up all that arrives")
    rounds = any(((d > 0) & (d < 1 << bits)).any() for d in rule.decays)
    if rule.reset_kind == "subtract" and (remembers or rule.decay.any() or rule.drift.any()):
        what = "a leak" if rule.decay.any() else "a current" if remembers else "a drift"
        yield Misfit("soft reset with", what, "neither leak nor current nor drift")
    if rule.refractory:
        yield Misfit("refractory steps", 1, 0)
    if rounds and shift:
        leak = int(max(d.max() for d in rule.decays))
        yield Misfit("leak", f"{leak}/{1 << bits}", "none on stock neurons, which round it to 1/64 of a unit")
    if shift < 0:
        yield Misfit("fraction bits of its state", rule.fraction_bits, INPUT_SHIFT)
    if population.role == "readout":
        yield from _drift_misfit(population)
        return
    if rule.v_reset.any() and (remembers or rule.decay.any()):
        yield Misfit("reset of a leaky neuron to", int(np.abs(rule.v_reset).max()), 0)
    threshold = rule.threshold - rule.v_reset
    low, high = RANGES["vth"]
    for value in (int(threshold.min()), int(threshold.max())):
        if not low <= value <= high:
            yield Misfit("threshold", value, f"{low} to {high}")
            break
    yield from _drift_misfit(population)


def _drift_misfit(population: Population) -> Iterator[Misfit]:
    shift, drift = finest_shift(population), population.rule.drift
    if shift >= 0 and bias_registers(drift << shift) is None:
        low, high = RANGES["bias_mant"]
        yield Misfit("drift", int(np.abs(drift).max()), f"{low} to {high} times a power of two up to 128")
