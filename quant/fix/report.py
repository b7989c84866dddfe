"""What a quantisation cost, layer by layer: plain data, printed by the command line and stored beside the file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerReport:
    """One population.

    weight_snr_db: power of the incoming real weights over that of their rounding and clipping, in decibels; None where
    nothing was rounded. clipped: fraction of the mantissas at the end of their range. threshold: least and greatest
    integer threshold. spike_rate_*: spikes per neuron and step on the calibration data, None for the readout.
    agreement: fraction of (sample, step, neuron) whose spike is the same. first_diverging_step: first timestep (from
    0) at which any spike of any calibration sample differs, None where none does. state_bits: bits that the membrane
    potential is proved to fit in. exact_ratios: whether reset and residual identity are met exactly. synaptic_bits: the
    same as state_bits for the synaptic current, 0 without one. time_constant_error: worst relative deviation of a time
    constant from its float value, by the rounding of the decays; None where nothing fades. largest_mantissa: of its
    weights. narrowed: whether its weights are held more coarsely than their bits allow, so that states that fade slowly
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


@dataclass(frozen=True)
class QuantReport:
    """The whole network on the calibration samples.

    accuracy_*: None where the calibration data has no labels. agreement: fraction of samples with the same prediction.
    input_unit: the value of one integer step of the input.
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
