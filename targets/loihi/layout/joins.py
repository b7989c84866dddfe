"""The input ports of a population on the chip: a port for each place of a window, joined by the maximum.

On Loihi 2 the ports are accumulators of a neuron program. Loihi 1 has no programs; there each port is a compartment,
and compartments are joined by MAX (Davies et al. 2018, its dendritic trees), as many a neuron as it has ports.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse

from inflor.quant.ir.ports import Group as Ports
from inflor.quant.operators import IntArray, Operator, Shape, unrolled
from inflor.targets.loihi.layout.linear import Kernel, Linear_, Matrix, compose
from inflor.targets.loihi.plan import Synapses

MOST_PICKED = 1 << 24
"""Weights of the convolution that picks the ports' places; where there were more, the connection is a matrix."""


def joined_shape(shape: Shape, ports: int) -> Shape:
    """The shape of all ports of neurons of this shape: port k of channel c is in channel c * ports + k."""
    return (shape[0] * ports, *shape[1:])


def compose_ports(operators: tuple[Operator, ...], source: Shape, ports: Ports, shape: Shape) -> Linear_:
    """What a chain brings to every port of neurons of this shape, as a convolution if it is one, else as a matrix."""
    if ports.pooled == shape and ports.count**2 * shape[0] <= MOST_PICKED:
        found = compose((*operators, ports.selection()), source)
        if isinstance(found, Kernel) and shape[0] % found.groups == 0:  # a group of channels has all ports of its own
            return found
    places = in_channels(ports.ports(shape)).ravel()
    matrix = unrolled(operators, source)
    rows = scipy.sparse.csr_matrix(
        (np.ones(int((places >= 0).sum()), np.int64), (np.flatnonzero(places >= 0), places[places >= 0])),
        shape=(len(places), math.prod(ports.shape)),
    )
    return Matrix((rows @ matrix).tocsr())


def in_channels(ports: IntArray) -> IntArray:
    """Values of every port [ports, C, ...] in the order of `joined_shape`."""
    return np.moveaxis(ports, 0, 1).reshape(joined_shape(ports.shape[1:], len(ports)))


def masked(ports: Ports, shape: Shape) -> npt.NDArray[np.bool_]:
    """Which ports take part in the maximum, in the order of `joined_shape`."""
    return np.asarray(in_channels(ports.ports(shape)) >= 0)


def accumulators(synapses: Sequence[Synapses], target: str) -> int:
    """Sums that a neuron of a group keeps apart: one for each port, and one for all else that arrives."""
    ports = {s.join: s.ports for s in synapses if s.target == target}
    pooled = [count for name, count in ports.items() if name]
    return sum(pooled) + ("" in ports or len(pooled) > 1 or not pooled)
