"""What a quantization cost, layer by layer: plain data, printed by the command line and stored beside the file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """What the quantization cost one population.

    Attributes:
        population: its name.
        shape: of its neurons, without batch.
        bits: of its incoming weights.
        exponents: of its incoming projections.
        threshold: the least and the greatest integer threshold; None of a readout.
        weight_snr_db: power of the incoming real weights over that of their rounding and clipping, in decibels; None
            where nothing was rounded.
        clipped: fraction of the mantissas at the end of their range.
        spike_rate_float: spikes per neuron and step of the float network on the calibration data; None of a readout.
        spike_rate_integer: the same of the integer network.
        agreement: fraction of (sample, step, neuron) whose spike is the same; None of a readout.
        first_diverging_step: the first step, from 0, at which any spike of any calibration sample differs; None where
            none does.
        state_bits: bits that the membrane potential is proved to fit in.
        exact_ratios: whether reset and residual identity are met exactly.
        synaptic_bits: bits that the synaptic current is proved to fit in, 0 without one.
        time_constant_error: worst relative deviation of a time constant from its float value, by the rounding of the
            decays; None where nothing leaks.
        largest_mantissa: the largest magnitude of its integer weights, before the exponent.
        narrowed: whether its weights are held more coarsely than their bits allow, so that states that leak slowly
            stay within a chip's 24 bits.
    """

    population: str
    shape: tuple[int, ...]
    bits: int
    exponents: tuple[int, ...]
    threshold: tuple[int, int] | None
    weight_snr_db: float | None
    clipped: float
    spike_rate_float: float | None
    spike_rate_integer: float | None
    agreement: float | None
    first_diverging_step: int | None
    state_bits: int
    exact_ratios: bool
    synaptic_bits: int = 0
    time_constant_error: float | None = None
    largest_mantissa: int = 0
    narrowed: bool = False


@dataclass(frozen=True, kw_only=True)
class QuantReport:
    """What the quantization cost the whole network, on the calibration samples.

    Attributes:
        bits: of the weights.
        granularity: "channel" or "population".
        samples: calibration samples used.
        timesteps: steps per sample.
        input_unit: the float value of one integer unit of the input.
        input_clipped: fraction of the input values beyond the input's bits.
        accuracy_float: of the float network; None where the calibration data has no labels.
        accuracy_integer: of the integer network; None likewise.
        agreement: fraction of samples with the same prediction.
        layers: one for each population but the input.
    """

    bits: int
    granularity: str
    samples: int
    timesteps: int
    input_unit: float
    input_clipped: float
    accuracy_float: float | None
    accuracy_integer: float | None
    agreement: float
    layers: tuple[LayerReport, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)
