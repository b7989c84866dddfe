"""The numbers of an integer neuron. What they do in a step is said in `inflor.quant.ir.reference`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal

import numpy as np

from inflor.quant.ir.features import Feature
from inflor.quant.ir.types import IntArray, Shape

DECAY_BITS = 12
"""Of the decays of every population that does not say otherwise (as on Loihi)."""
MOST = {"decay_bits": 24, "fraction_bits": 16, "refractory": 1}
"""The largest that a number of the rule may be, by field."""
ResetKind = Literal["subtract", "zero", "none"]
ZERO: IntArray = np.zeros((), np.int64)
ZERO.flags.writeable = False


def _zero() -> IntArray:
    return ZERO


@dataclass(frozen=True, eq=False)
class Subtract:
    """The soft reset: a spike subtracts `value`, int64, in units of the weights, from the potential."""

    value: IntArray
    kind: ClassVar[Literal["subtract"]] = "subtract"


@dataclass(frozen=True, eq=False)
class SetTo:
    """The hard reset: a spike sets the potential to `value`, int64, in units of the weights."""

    value: IntArray
    kind: ClassVar[Literal["zero"]] = "zero"


@dataclass(frozen=True, eq=False, kw_only=True)
class NeuronRule:
    """The parameters of a population's neurons.

    Arrays are int64 and broadcast against the population's shape, e.g. [] or [C, 1, 1]. A unit is that of the weights;
    a finest unit is 1 / 2**fraction_bits of it.

    Attributes:
        threshold: a neuron fires where its potential is greater, strictly. In units. Of no meaning in a readout.
        reset: what a spike does to the potential; None for nothing.
        bias: a part of the input of every step. In units.
        decay: the potential keeps (2**decay_bits - decay) / 2**decay_bits of its magnitude, truncated towards zero,
            before the input is added. 0 keeps all of it, 2**decay_bits nothing.
        current_decay: the same for the synaptic current; None where the neuron has no such state.
        decay_bits: the bits of both decays.
        drift: added to the potential at every step, past the synaptic current. In finest units.
        fraction_bits: how many more bits potential and current have below a unit.
        refractory: whether the potential stays as the reset left it in the step after a spike.
    """

    threshold: IntArray = field(default_factory=_zero)
    reset: Subtract | SetTo | None = None
    bias: IntArray = field(default_factory=_zero)
    decay: IntArray = field(default_factory=_zero)
    current_decay: IntArray | None = None
    decay_bits: int = DECAY_BITS
    drift: IntArray = field(default_factory=_zero)
    fraction_bits: int = 0
    refractory: bool = False

    @property
    def reset_value(self) -> IntArray:
        """What a spike subtracts from the potential, in units: 0 with any other reset."""
        return self.reset.value if isinstance(self.reset, Subtract) else ZERO

    @property
    def v_reset(self) -> IntArray:
        """What a spike sets the potential to, in units: 0 with any other reset."""
        return self.reset.value if isinstance(self.reset, SetTo) else ZERO

    @property
    def reset_kind(self) -> ResetKind:
        """The name of the reset in files and reports."""
        return "none" if self.reset is None else self.reset.kind

    @property
    def decays(self) -> tuple[IntArray, ...]:
        """The decays that are there: that of the potential where it is not 0, and that of the current."""
        potential = (self.decay,) if self.decay.any() else ()
        return potential if self.current_decay is None else (*potential, self.current_decay)

    def at(self, shape: Shape, neuron: int) -> NeuronRule:
        """The rule of one neuron: every array becomes its one number, of shape [].

        Args:
            shape: of the population.
            neuron: index in row-major order.
        """

        def one(values: IntArray) -> IntArray:
            return np.asarray(np.broadcast_to(values, shape).flat[neuron])

        arrays: dict[str, Any] = {
            f.name: one(v) for f in fields(self) if isinstance(v := getattr(self, f.name), np.ndarray)
        }
        reset = None if self.reset is None else replace(self.reset, value=one(self.reset.value))
        return replace(self, reset=reset, **arrays)

    def features(self) -> frozenset[Feature]:
        """What a target must compute to run these neurons."""
        remembers = bool((self.decay < 1 << self.decay_bits).any())
        needs = {
            Feature.SOFT_RESET: isinstance(self.reset, Subtract),
            Feature.HARD_RESET: isinstance(self.reset, SetTo),
            Feature.HARD_RESET_TO_VALUE: bool(self.v_reset.any()),
            Feature.NO_RESET: self.reset is None and remembers,
            Feature.BIAS: bool(self.bias.any()),
            Feature.LEAK: bool(self.decay.any()),
            Feature.CURRENT: self.current_decay is not None,
            Feature.DRIFT: bool(self.drift.any()),
            Feature.REFRACTORY: self.refractory,
            Feature.FRACTION_BITS: self.fraction_bits > 0,
            Feature.DECAY_BITS: bool(self.decays) and self.decay_bits != DECAY_BITS,
            Feature.PER_NEURON_THRESHOLDS: bool((self.threshold != self.threshold.flat[0]).any()),
        }
        return frozenset(feature for feature, needed in needs.items() if needed)
