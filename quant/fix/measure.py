"""Compares the float and the integer network on the calibration samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inflor.quant.fix.neurons import FloatNeuron
from inflor.quant.fix.report import LayerReport
from inflor.quant.fix.scales import by_row, target_rows
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.ranges import state_range
from inflor.quant.operators import weighted
from inflor.quant.operators.arrays import channels_first
from inflor.quant.passes.fused import FloatProjection


def measure_layer(
    network: IntegerNetwork,
    population: Population,
    neuron: FloatNeuron,
    pairs: Sequence[tuple[FloatProjection, Projection]],
    unit: npt.NDArray[np.float64],
    exact: bool,
    float_spikes: Tensor | None,
    integer_spikes: Tensor | None,
    narrowed: bool,
) -> LayerReport:
    """What rounding did to one population. unit: real value of an integer unit per channel; spikes: [T, B, *shape].

    narrowed: as in the report.
    """
    state = state_range(network, population)
    signal, noise, clipped, total, largest = 0.0, 0.0, 0, 0, 0
    limit = 2 ** (population.weight_bits - 1) - 1
    for real, integer in pairs:
        error, weights, mantissa = _weight_error(real, integer, unit, network)
        signal, noise = signal + float((weights**2).sum()), noise + float((error**2).sum())
        largest = max(largest, int(np.abs(mantissa).max(initial=0)))
        clipped, total = clipped + int((np.abs(mantissa) == limit).sum()), total + mantissa.size
    rates = differs = None
    if float_spikes is not None and integer_spikes is not None:
        rates = float(float_spikes.float().mean()), float(integer_spikes.float().mean())
        differs = (float_spikes != integer_spikes.bool()).flatten(1).sum(1)
    return LayerReport(
        population=population.name,
        shape=population.shape,
        bits=population.weight_bits,
        exponents=tuple(q.exponent for _, q in pairs),
        threshold=None
        if population.role == "readout"
        else (int(population.rule.threshold.min()), int(population.rule.threshold.max())),
        weight_snr_db=None if noise == 0 or signal == 0 else 10 * float(np.log10(signal / noise)),
        clipped=clipped / max(total, 1),
        spike_rate_float=None if rates is None else rates[0],
        spike_rate_integer=None if rates is None else rates[1],
        agreement=None
        if differs is None or integer_spikes is None
        else 1 - int(differs.sum()) / integer_spikes.numel(),
        first_diverging_step=None if differs is None or not differs.any() else int(torch.nonzero(differs)[0, 0]),
        state_bits=state.state_bits,
        exact_ratios=exact,
        synaptic_bits=state.synaptic_bits,
        time_constant_error=_time_constant_error(population, neuron),
        largest_mantissa=largest,
        narrowed=narrowed,
    )


def _time_constant_error(population: Population, neuron: FloatNeuron) -> float | None:
    """Worst relative deviation of a time constant, -1 / log(1 - decay) steps, by rounding; None where none leaks."""
    errors = []
    rule = population.rule
    for real, held in ((neuron.decay, rule.decay), (neuron.current_decay, rule.current_decay)):
        if real is not None and held is not None:
            rounded = population.broadcast(held) / (1 << rule.decay_bits)
            leaks = (real > 0) & (real < 1)
            with np.errstate(divide="ignore"):  # a decay rounded to all: a time constant of 0
                errors.append(np.abs(np.log1p(-real[leaks]) / np.log1p(-rounded[leaks]) - 1))
    worst = [float(e.max()) for e in errors if e.size]
    return max(worst, default=None)


def rounds_weights(
    real: FloatProjection, integer: Projection, unit: npt.NDArray[np.float64], network: IntegerNetwork
) -> bool:
    """Whether any weight of a projection is not what it was, up to the float32 that it was written in."""
    error, weights, _ = _weight_error(real, integer, unit, network)
    return bool(np.abs(error).max() > 2.0**-20 * np.abs(weights).max())


def _weight_error(
    real: FloatProjection, integer: Projection, unit: npt.NDArray[np.float64], network: IntegerNetwork
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Real weights less what their integers stand for, the real weights, and the mantissas."""
    source, target = network.by_name[integer.source], network.by_name[integer.target]
    operator, rounded = weighted(real.operators), weighted(integer.operators)
    assert operator is not None
    assert rounded is not None
    row_unit = by_row(operator, target_rows(real.operators, source.shape, target.channels_of(integer.group)), unit)
    per_row = channels_first(row_unit, max(operator.weight.ndim, 1))
    held = rounded.weight * per_row * 2.0**integer.exponent
    return operator.weight - held, np.broadcast_to(operator.weight, held.shape), rounded.weight
