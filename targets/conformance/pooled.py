"""Networks whose neurons take the largest of several currents, for targets that declare it."""

from __future__ import annotations

import numpy as np

from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.primitives.windows import Windows
from inflor.quant.ir.features import Feature
from inflor.quant.ir.network import IntegerNetwork, Population, Projection, check_network
from inflor.quant.ir.neuron import NeuronRule, Subtract
from inflor.quant.ir.ports import Group
from inflor.quant.ir.types import IntArray
from inflor.quant.operators import Conv, Flatten, Linear, Operator, Scale

SHAPE = (2, 5, 6)
OVERLAPPING = Windows(kernel=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1))
SIDE_BY_SIDE = Windows(kernel=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1))
UNEVEN = Windows(kernel=(2, 3), stride=(1, 2), padding=(1, 0), dilation=(2, 1), ceil_mode=True)


def pooled_networks(first: int) -> tuple[IntegerNetwork, ...]:
    """Two networks with nothing hard beside the maxima, and one with several groups, sums beside them and biases.

    first: the number of the first of them.
    """
    return _plain(first, OVERLAPPING), _plain(first + 1, SIDE_BY_SIDE), _mixed(first + 2)


def _plain(number: int, windows: Windows) -> IntegerNetwork:
    """A convolution and a pool, and a second pool that leaves a row of neurons; many currents are negative."""
    rng = np.random.default_rng(2000 + number)
    first = Group(name="pool1", shape=(3, 5, 6), windows=windows)
    second = Group(name="pool2", shape=first.pooled, windows=SIDE_BY_SIDE)
    row = (int(np.prod(second.pooled)),)
    populations = (
        _neurons("n1", first.pooled, 4, 40, (first,)),
        _neurons("n2", row, 3, 12, (second,)),
    )
    projections = (
        Projection("input", "n1", (_conv(rng, "w1", 3, 2),), group="pool1"),
        Projection("n1", "n2", (_conv(rng, "w2", 3, 3),), exponent=1, group="pool2"),
        Projection("n2", "readout", (Linear("w3", rng.integers(-3, 4, (4, *row))),)),
    )
    return _network(f"network {number} (maxima of currents)", populations, projections, 6)


def _mixed(number: int) -> IntegerNetwork:
    """Two projections into one group, a plain one beside it, a second group, biases."""
    rng = np.random.default_rng(2000 + number)
    first = Group(name="pool1", shape=(3, 5, 6), windows=UNEVEN)
    shape = first.pooled
    own = Group(name="own", shape=shape, windows=Windows(kernel=(3, 3), stride=(1, 1), padding=(1, 1), dilation=(1, 1)))
    populations = (
        _neurons("n1", shape, 4, 40, (first,), rng.integers(-2, 4, (3, 1, 1))),
        _neurons("n2", shape, 5, 20, (own,), rng.integers(-3, 2, shape)),
    )
    projections = (
        Projection("input", "n1", (_conv(rng, "w1", 3, 2),), group="pool1"),
        Projection("n1", "n2", (_conv(rng, "w2", 3, 3),), group="own"),
        Projection("n1", "n2", (Scale("identity", rng.integers(1, 4, (3, 1, 1))),), exponent=1, group="own"),
        Projection("n1", "n2", (_conv(rng, "beside", 3, 3),)),
        Projection("n2", "readout", (*_flat(shape), Linear("w3", rng.integers(-3, 4, (4, int(np.prod(shape))))))),
    )
    return _network(f"network {number} (biases, maxima of currents)", populations, projections, 5)


def _flat(shape: tuple[int, ...]) -> tuple[Operator, ...]:
    return (Flatten("flatten", 0, len(shape) - 1),)


def _network(
    name: str, spiking: tuple[Population, ...], projections: tuple[Projection, ...], timesteps: int
) -> IntegerNetwork:
    ends = (
        Population(name="input", shape=SHAPE, role="input", scale=np.ones(()), weight_bits=0),
        Population(name="readout", shape=(4,), role="readout", scale=np.ones(())),
    )
    info = ModelInfo(timesteps=timesteps, stage="integer")
    network = IntegerNetwork((ends[0], *spiking, ends[1]), projections, ("readout",), info, source=name)
    check_network(network)
    assert Feature.MAX in network.features()
    return network


def _neurons(
    name: str,
    shape: tuple[int, ...],
    threshold: int,
    reset_value: int,
    groups: tuple[Group, ...],
    bias: int | IntArray = 0,
) -> Population:
    reset = Subtract(np.asarray(reset_value))
    rule = NeuronRule(threshold=np.asarray(threshold), reset=reset, bias=np.asarray(bias, np.int64))
    return Population(name=name, shape=shape, role="spiking", rule=rule, scale=np.ones(()), groups=groups)


def _conv(rng: np.random.Generator, name: str, out: int, inner: int) -> Conv:
    return Conv(name, rng.integers(-3, 3, (out, inner, 3, 3)), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
