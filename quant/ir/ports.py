"""How the current of a neuron is joined from several input ports: the maximum of the currents in a window of a map.

A population's current is the sum over groups of input ports. The projections without a group add up in one port of
their own. Those of a group add up to a map, and each neuron has as many ports as a window has places: port k reads the
k-th place of the neuron's own window, or is masked where that lies in the padding. `Group.ports` is the definition;
the specification, the fast kernel and every chip follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import Literal

import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.primitives.windows import Windows
from inflor.quant.ir.types import IntArray, Shape
from inflor.quant.operators.conv import Conv

COMBINES = ("max",)
"""What a group may do with its ports. A sum needs no group, and no target has a product yet."""
MOST_PORTS = 1 << 27
"""Ports of a population that are listed, a gigabyte of places; the emulator does without a list."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Input ports of each neuron of a population that are combined.

    Attributes:
        name: of the NIR node that it was.
        shape: of the map that its projections add up to, [C, *places].
        windows: over that map, one for each neuron.
        combine: "max", the largest current of all ports that are not masked.
    """

    name: str
    shape: Shape
    windows: Windows
    combine: Literal["max"] = "max"

    def __post_init__(self) -> None:
        if self.combine not in COMBINES:
            known = ", ".join(map(repr, COMBINES))
            raise InputError(f"node {self.name!r}: combines its ports by {self.combine!r}; it is one of {known}")

    @property
    def pooled(self) -> Shape:
        """The shape of one value for each window, [C, *windows]."""
        return self.windows.pooled(self.shape)

    @property
    def count(self) -> int:
        """Ports of a neuron."""
        return prod(self.windows.kernel)

    def ports(self, shape: Shape) -> IntArray:
        """The definition: the place in the map, in row-major order, that each port of each neuron reads.

        Args:
            shape: of the population: that of the windows, or these in a row.

        Returns:
            int64 [ports, *shape], -1 where a port is masked; no neuron has masked ports alone.

        Raises:
            InputError: there are too many to be listed.
        """
        if self.count * prod(shape) > MOST_PORTS:
            raise InputError(
                f"node {self.name!r}: the windows of its {prod(shape)} neurons have {self.count} places each, more "
                f"than {MOST_PORTS} together, which are not laid out one by one; use smaller windows or larger strides"
            )
        return _ports(self).reshape(self.count, *shape)

    def channels(self, shape: Shape) -> IntArray:
        """The channel of the map that each channel of a population of this shape reads, int64 [channels]."""
        first = np.arange(shape[0], dtype=np.int64) * prod(shape[1:])  # neuron of each channel, in row-major order
        return first // prod(self.pooled[1:])

    def selection(self) -> Conv:
        """What picks every port's place, as a convolution of the map: [C * ports, *windows], 0 where masked.

        Its channel c * ports + k is port k of the neurons that read channel c.
        """
        channels, kernel = self.shape[0], self.windows.kernel
        padding = []
        for axis, n in enumerate(self.shape[1:]):
            last = (self.pooled[axis + 1] - 1) * self.windows.stride[axis]
            reached = last + self.windows.dilation[axis] * (kernel[axis] - 1) + 1 - self.windows.padding[axis]
            padding.append((self.windows.padding[axis], reached - n))  # less than 0 where places are left out
        weight = np.tile(np.eye(self.count, dtype=np.int64), (channels, 1)).reshape(-1, 1, *kernel)
        return Conv(self.name, weight, self.windows.stride, tuple(padding), self.windows.dilation, channels)

    def __str__(self) -> str:
        return str(self.windows)


@lru_cache(maxsize=64)
def _ports(group: Group) -> IntArray:
    """int64 [ports, C, *windows]."""
    spatial = group.shape[1:]
    at = [np.array(group.windows.places(axis, n), np.int64) for axis, n in enumerate(spatial)]  # [windows, kernel]
    start = np.arange(group.shape[0], dtype=np.int64).reshape(-1, *(1,) * len(spatial)) * prod(spatial)
    ports = []
    for taps in product(*map(range, group.windows.kernel)):
        place, masked = np.zeros((1,) * len(spatial), np.int64), np.zeros((1,) * len(spatial), bool)
        for axis, tap in enumerate(taps):
            along = at[axis][:, tap].reshape(-1, *(1,) * (len(spatial) - 1 - axis))
            place, masked = place * spatial[axis] + along, masked | (along < 0)
        ports.append(np.where(masked, -1, start + place))
    return np.stack(ports)
