"""The least and the greatest value of each channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inflor.quant.ir.types import IntArray
from inflor.quant.operators.arrays import largest


@dataclass(frozen=True, eq=False)
class Interval:
    """Least and greatest value per channel (the first dimension of a shape).

    Attributes:
        low: int64 [C].
        high: int64 [C].
    """

    low: IntArray
    high: IntArray

    @property
    def peak(self) -> int:
        """Largest magnitude."""
        return max(largest(self.low), largest(self.high))

    def equals(self, other: Interval) -> bool:
        return np.array_equal(self.low, other.low) and np.array_equal(self.high, other.high)

    def hull(self, other: Interval) -> Interval:
        return Interval(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def with_zero(self) -> Interval:
        """The interval widened to hold 0 in every channel, as padding sends it."""
        return Interval(np.minimum(self.low, 0), np.maximum(self.high, 0))
