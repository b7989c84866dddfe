"""What the bias of a population may make up for: the mean current that rounding lost, and never activity of its own.

A bias acts at every step, whether anything arrives or not. In a neuron that neither leaks nor has a bias it would add
up for ever, so it gets none. In any other it brings less than one spike a sample, and none at rest where the float
network has none. How weights are rounded takes care of most of the mean (`inflor.quant.fix.rounding`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from inflor.quant.fix.neurons import FloatNeuron
from inflor.quant.fix.rounded import FRACTION_BITS
from inflor.quant.ir.network import Population
from inflor.quant.ir.neuron import MOST
from inflor.quant.ir.types import FloatArray
from inflor.quant.operators.arrays import channels_first, least_shape

LONGEST = 4096
"""Steps after which a synaptic current and a leak are taken to have settled."""
LOST = 0.05
"""How much of a constant may be rounded away, where that adds up to `MATTERS` thresholds over a sample."""
MATTERS = 0.5
ENOUGH = 1 / 16
"""What may be lost of it with more fraction bits, in thresholds over a sample."""


def correctable(neuron: FloatNeuron, constant: FloatArray) -> npt.NDArray[np.bool_]:
    """Where a bias may make up for lost current: where the neuron leaks, or drifts in float as well.

    Args:
        constant: its input at every step in float, at its full shape.
    """
    return (neuron.decay > 0) | (constant != 0) | (neuron.drift != 0)


def corrected(
    neuron: FloatNeuron, constant: FloatArray, missing: FloatArray, timesteps: int, unit: FloatArray
) -> FloatArray:
    """The input at every step with what rounding lost, as far as a bias may bring it back.

    Args:
        constant: its input at every step in float, at its full shape.
        missing: the mean current that rounding lost, broadcastable against it.
        unit: real value of an integer unit per channel.
    """
    missing = np.where(correctable(neuron, constant), missing, 0.0)
    if neuron.threshold is None:
        return constant + missing
    silent = largest_silent(neuron, timesteps)
    taken = np.where(constant < silent, np.maximum(constant, 0), 0)  # of that, by what the neuron is given in float
    room = np.maximum(silent - taken - channels_first(unit, constant.ndim), 0)
    return constant + np.clip(missing, -room, room)  # both ways: one alone would be a drift of its own


def largest_silent(neuron: FloatNeuron, timesteps: int) -> FloatArray:
    """The input at every step below which a neuron of which nothing else is known does not fire within a sample."""
    assert neuron.threshold is not None
    keep = 1 - neuron.decay
    if neuron.current_decay is None:  # its drift is a part of the constant
        return np.asarray(neuron.threshold / response(neuron, timesteps))
    u = v = drifted = np.zeros(())
    least: FloatArray = np.full(neuron.threshold.shape, np.inf)
    for _ in range(min(timesteps, LONGEST)):
        u = (1 - neuron.current_decay) * u + 1
        v, drifted = keep * v + u, keep * drifted + neuron.drift
        least = np.minimum(least, (neuron.threshold - drifted) / v)
    return least


def response(neuron: FloatNeuron, timesteps: int) -> FloatArray:
    """The potential after a sample of 1 at every step, where nothing is between the two and nothing fires."""
    decay = neuron.decay
    with np.errstate(divide="ignore", invalid="ignore"):
        settled = (1 - (1 - decay) ** timesteps) / decay
    return np.where(decay > 0, settled, float(timesteps))


def finer(
    population: Population, neuron: FloatNeuron, constant: FloatArray, unit: FloatArray, timesteps: int
) -> Population:
    """The population with what its bias rounds away as a drift in finest units, where that would add up.

    A pacemaker beside strong weights lives on an input of less than one unit.

    Args:
        constant: its input at every step, in real numbers; its bias is that in whole units.
        unit: real value of an integer unit per channel.
    """
    if population.rule.current_decay is not None or neuron.threshold is None:
        return population
    counts = constant / channels_first(unit, constant.ndim)
    lost = counts - population.broadcast(population.rule.bias)
    threshold = np.maximum(population.broadcast(population.rule.threshold), 1)
    grown = response(neuron, timesteps) / threshold  # of an input lost, in thresholds
    if not ((np.abs(lost) * grown > MATTERS) & (np.abs(lost) > LOST * np.abs(counts))).any():
        return population
    for bits in range(max(population.rule.fraction_bits, FRACTION_BITS), MOST["fraction_bits"] + 1):
        drift = np.rint(lost * (1 << bits))
        if (np.abs(lost - drift / (1 << bits)) * grown).max() <= ENOUGH:
            break
    return population.with_rule(drift=least_shape(drift.astype(np.int64)), fraction_bits=bits)
