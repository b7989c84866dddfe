"""What rounding did to the weights and constants of a population."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inflor.quant.fix.grids import grid_steps
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
    narrowed: bool,
) -> LayerReport:
    """What rounding did to the weights and numbers of one population, its spikes left out.

    unit: real value of an integer unit per channel. narrowed: as in the report.
    """
    state = state_range(network, population)
    signal, noise, clipped, total, largest = 0.0, 0.0, 0, 0, 0
    limit = 2 ** (population.weight_bits - 1) - 1
    for real, integer in pairs:
        error, weights, mantissa = _weight_error(real, integer, unit, network)
        signal, noise = signal + float((weights**2).sum()), noise + float((error**2).sum())
        largest = max(largest, int(np.abs(mantissa).max(initial=0)))
        clipped, total = clipped + int((np.abs(mantissa) == limit).sum()), total + mantissa.size
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
        state_bits=state.state_bits,
        exact_ratios=exact,
        synaptic_bits=state.synaptic_bits,
        time_constant_error=_time_constant_error(population, neuron),
        trained_levels=max((_trained_levels(real) for real, _ in pairs), default=0),
        largest_mantissa=largest,
        narrowed=narrowed,
    )


def _trained_levels(real: FloatProjection) -> int:
    """The largest level of the grid that weights stand on, each row on its own; 0 where they do not, or are few."""
    operator = weighted(real.operators)
    if operator is None or operator.elementwise or operator.weight.size < 4 * len(operator.weight):
        return 0
    rows = operator.weight.reshape(len(operator.weight), -1)
    steps = grid_steps(rows, 127)
    if np.isnan(steps).any():
        return 0
    return int(np.rint(np.abs(rows).max(1) / steps).max())


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
