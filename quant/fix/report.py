"""What a quantization cost, layer by layer: plain data, printed by the command line and stored beside the file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints


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
        spike_rate_float: spikes per neuron and step of the float network on the samples judged; None of a readout.
        spike_rate_integer: the same of the integer network.
        agreement: fraction of (sample, step, neuron) whose spike is the same; None of a readout.
        first_diverging_step: the first step, from 0, at which any spike of any sample differs; None where none does.
        state_bits: bits that the membrane potential is proved to fit in.
        exact_ratios: whether reset and residual identity are met exactly.
        synaptic_bits: bits that the synaptic current is proved to fit in, 0 without one.
        time_constant_error: worst relative deviation of a time constant from its float value, by the rounding of the
            decays; None where nothing leaks.
        trained_levels: the largest level of a grid that the weights of every channel stand on already, up to 127; 0
            where they stand on none.
        largest_mantissa: the largest magnitude of its integer weights, before the exponent.
        narrowed: whether its weights are held more coarsely than their bits allow, so that states that leak slowly
            stay within a chip's 24 bits.
        silenced: neurons that fire more than three times in float, and never in integers.
        awakened: neurons that fire more than three times in integers, and never in float.
        rest_rate_float: spikes per neuron and step of the float network while its input is 0; None of a readout.
        rest_rate_integer: the same of the integer network.
    """

    population: str
    shape: tuple[int, ...]
    bits: int
    exponents: tuple[int, ...]
    threshold: tuple[int, int] | None
    weight_snr_db: float | None
    clipped: float
    state_bits: int
    exact_ratios: bool
    synaptic_bits: int = 0
    time_constant_error: float | None = None
    trained_levels: int = 0
    largest_mantissa: int = 0
    narrowed: bool = False
    spike_rate_float: float | None = None
    spike_rate_integer: float | None = None
    agreement: float | None = None
    first_diverging_step: int | None = None
    silenced: int = 0
    awakened: int = 0
    rest_rate_float: float | None = None
    rest_rate_integer: float | None = None


@dataclass(frozen=True, kw_only=True)
class QuantReport:
    """What the quantization cost the whole network.

    Attributes:
        bits: of the weights.
        granularity: "channel" or "population".
        samples: calibration samples used.
        timesteps: steps per sample.
        input_unit: the float value of one integer unit of the input.
        input_clipped: fraction of the input values beyond the input's bits.
        input_zeroed: fraction of the input values other than 0 that round to 0.
        judged: samples that predictions and spikes were compared on.
        held_out: whether these are others than the calibration samples, so that they chose nothing.
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
    input_zeroed: float
    judged: int
    held_out: bool
    accuracy_float: float | None
    accuracy_integer: float | None
    agreement: float
    layers: tuple[LayerReport, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> QuantReport:
        """The inverse of `as_dict`; unknown keys are ignored.

        Raises:
            ValueError: it lacks something, or something in it is of another kind than `as_dict` makes; says what.
        """
        report = _filled(cls, {**plain, "layers": ()}, "")
        layers = plain.get("layers")
        if not isinstance(layers, list | tuple):
            raise ValueError("'layers' is no list")
        return replace(
            report, layers=tuple(_filled(LayerReport, layer, f"layer {i}: ") for i, layer in enumerate(layers))
        )


T = TypeVar("T", LayerReport, QuantReport)


def _filled(cls: type[T], plain: Any, where: str) -> T:
    """A record of plain data, every value of which fits what its field is declared as."""
    if not isinstance(plain, Mapping):
        raise ValueError(f"{where}is no object")
    values: dict[str, Any] = {}
    for entry, form in ((entry, get_type_hints(cls)[entry.name]) for entry in fields(cls)):
        if entry.name in plain:
            value = plain[entry.name]
            if not _fits(value, form):
                raise ValueError(f"{where}{entry.name!r} is {str(value)[:40]!r}, where {entry.type} is needed")
            values[entry.name] = tuple(value) if isinstance(value, list) else value
        elif entry.default is MISSING:
            raise ValueError(f"{where}{entry.name!r} is missing")
    return cls(**values)


def _fits(value: Any, form: Any) -> bool:
    if isinstance(form, UnionType):
        return any(_fits(value, one) for one in get_args(form))
    if get_origin(form) is tuple:
        inner = get_args(form)
        length = None if inner[-1] is Ellipsis else len(inner)
        right = isinstance(value, list | tuple) and length in (None, len(value))
        return right and all(_fits(one, inner[0]) for one in value)
    if form is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, form) and isinstance(value, bool) == (form is bool)
