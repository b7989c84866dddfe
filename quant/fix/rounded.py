"""What a neuron of the float network becomes in integers, once the unit of its population is chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.quant.fix.neurons import FloatNeuron
from inflor.quant.fix.scales import Synapses
from inflor.quant.ir.network import LARGEST, Population
from inflor.quant.ir.neuron import ZERO, NeuronRule, SetTo, Subtract
from inflor.quant.ir.types import FloatArray
from inflor.quant.operators.arrays import channels_first, least_shape

FRACTION_BITS = 6
"""Of states that leak, so that truncation costs them little; as in Loihi's neurons."""


def reference_of(
    neuron: FloatNeuron, synapses: Sequence[Synapses], groups: npt.NDArray[np.int64]
) -> tuple[FloatArray, list[FloatArray], FloatArray]:
    """What t units stand for, per channel; every ratio to it that should be met exactly; its largest threshold over it.

    It is the least threshold of the group where all are positive, and else (a readout, or a threshold at or below
    zero) the largest weight.
    """
    channels = len(groups)
    if neuron.threshold is not None and (neuron.threshold > 0).all():
        by_channel = neuron.threshold.reshape(channels, -1)
        least, most = np.full(groups.max() + 1, np.inf), np.zeros(groups.max() + 1)
        np.minimum.at(least, groups, by_channel.min(1))
        np.maximum.at(most, groups, by_channel.max(1))
        reference, span = least[groups], (most / least)[groups]
        per_channel = channels_first(reference, neuron.threshold.ndim)
        ratios = [values / per_channel for values in (neuron.threshold, neuron.reset_value, neuron.v_reset)]
        return reference, ratios, span
    largest = max(float(np.abs(s.operator.weight).max()) for s in synapses) or 1.0
    return np.full(channels, largest), [], np.ones(channels)


def ratios_hold(neuron: FloatNeuron, unit: FloatArray) -> bool:
    """Whether threshold and resets are whole numbers of units, up to the float32 they were written in."""
    fixed = [v for v in (neuron.threshold, neuron.reset_value, neuron.v_reset) if v is not None]
    counts = [v / channels_first(unit, v.ndim) for v in fixed]
    return all(np.allclose(c, np.rint(c), rtol=2.0**-20, atol=1e-9) for c in counts)


def rounded_population(
    name: str,
    neuron: FloatNeuron,
    unit: FloatArray,
    shape: tuple[int, ...],
    bits: int,
    decay_bits: int,
    fraction_bits: int,
) -> Population:
    """The population that a neuron node becomes, its bias still 0. unit: real value of an integer unit per channel.

    fraction_bits: of its states, where they leak.
    """

    def integer(values: FloatArray) -> npt.NDArray[np.int64]:
        return whole_units(values, unit, name)

    resets: dict[str, Subtract | SetTo | None] = {
        "subtract": Subtract(integer(neuron.reset_value)),
        "zero": SetTo(integer(neuron.v_reset)),
        "none": None,
    }
    fraction_bits = fraction_bits if neuron.leaks else 0
    drift = ZERO
    if neuron.current_decay is not None:  # with no current between them, drift and bias are one
        drift = integer(neuron.drift * (1 << fraction_bits))
    return Population(
        name=name,
        shape=shape,
        role="readout" if neuron.threshold is None else "spiking",
        rule=NeuronRule(
            threshold=ZERO if neuron.threshold is None else integer(neuron.threshold) - (0 if neuron.strict else 1),
            reset=resets[neuron.reset],
            decay=rounded_decay(neuron.decay, decay_bits),
            current_decay=None if neuron.current_decay is None else rounded_decay(neuron.current_decay, decay_bits),
            decay_bits=decay_bits,
            drift=drift,
            fraction_bits=fraction_bits,
            refractory=neuron.refractory,
        ),
        scale=least_shape(channels_first(unit, neuron.gain.ndim) * neuron.gain),
        weight_bits=bits,
    )


def whole_units(values: FloatArray, unit: FloatArray, name: str) -> npt.NDArray[np.int64]:
    """Values of a population's neurons as whole numbers of units, at their least shape. unit: per channel.

    Raises:
        InputError: there are more than a file holds; names the population.
    """
    counts = np.rint(values / channels_first(unit, values.ndim))
    if not (np.abs(counts) < LARGEST).all():
        raise InputError(
            f"node {name!r}: its threshold, resets, bias and the currents that arrive are too far apart to be counted "
            "in one unit; look for weights or thresholds that are far too large, and scale them"
        )
    return least_shape(counts.astype(np.int64))


def rounded_decay(decay: FloatArray, bits: int) -> npt.NDArray[np.int64]:
    """A decay in 1 / 2**bits. One that is there at all stays: a state that never leaks is another neuron."""
    rounded = np.rint(decay * (1 << bits)).astype(np.int64)
    return least_shape(np.where(decay > 0, np.maximum(rounded, 1), rounded))
