"""How a float network is fixed to integers: what a user may choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from inflor.converter.errors import InputError
from inflor.quant.fix.rounded import FRACTION_BITS
from inflor.quant.ir.neuron import DECAY_BITS

Granularity = Literal["channel", "population"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to quantize.

    Attributes:
        bits: of the weights, 2 to 8.
        layer_bits: of the weights into the populations named, where others than `bits`.
        granularity: one scale per output channel, or one per population.
        clip: choose the step by the output's error instead of by the largest weight.
        compensate: let the roundings of one output make up for each other instead of rounding each weight to its
            nearest.
        correct_bias: make the mean current of every channel what it was in float.
        samples: most calibration images used.
        seed: of the samples drawn.
        decay_bits: of the decays of leaky and current-based neurons, 8 to 24: 12 as on Loihi, 15 as in SpiNNaker's
            s16.15.
        fraction_bits: of the states of such neurons below an integer unit, 0 to 16: 6 as in Loihi's stock neurons;
            fewer leave finer weights room in 24 bits. None: 6, but fewer where states that fade slowly would leave the
            weights less than half of their levels.
    """

    bits: int = 8
    granularity: Granularity = "channel"
    clip: bool = True
    compensate: bool = True
    correct_bias: bool = True
    samples: int = 256
    seed: int = 0
    decay_bits: int = DECAY_BITS
    fraction_bits: int | None = None
    layer_bits: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, bits in {"": self.bits, **self.layer_bits}.items():
            if not isinstance(bits, int) or not 2 <= bits <= 8:
                said = f"{name}={bits}" if name else bits
                raise InputError(
                    f"`bits` {said}: weights have 2 to 8 bits; choose a number in that range", option="bits"
                )
        if self.granularity not in ("channel", "population"):
            raise InputError(f"granularity {self.granularity!r}: choose 'channel' or 'population'")
        if self.samples < 1:
            raise InputError(f"`samples` {self.samples}: calibration needs at least one sample", option="samples")
        if not 8 <= self.decay_bits <= 24:
            raise InputError(f"`decay_bits` {self.decay_bits}: decays have 8 to 24 bits; choose a number in that range")
        if self.fraction_bits is not None and not 0 <= self.fraction_bits <= 16:
            raise InputError(
                f"`fraction_bits` {self.fraction_bits}: states have 0 to 16; choose a number in that range"
            )

    @property
    def most_fraction_bits(self) -> int:
        """Of any state."""
        return FRACTION_BITS if self.fraction_bits is None else self.fraction_bits

    def as_dict(self) -> dict[str, Any]:
        """Plain data, of the most fraction bits that a state may have; without what nobody asked for."""
        plain = {**asdict(self), "fraction_bits": self.most_fraction_bits}
        return {key: value for key, value in plain.items() if value != {}}

    def bits_of(self, population: str) -> int:
        """The bits of the weights into a population."""
        return self.layer_bits.get(population, self.bits)
