"""Thirty-three small networks that together need every feature and hold every operator, the same on every machine.

Numbers are small, so that potentials often meet a threshold exactly and every decay truncates: an error by one unit
shows as another spike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

import numpy as np

from inflor.converter.nir.metadata import FRAMES, ModelInfo
from inflor.quant.ir.features import Feature
from inflor.quant.ir.network import IntegerNetwork, Population, Projection, check_network
from inflor.quant.ir.neuron import DECAY_BITS, ZERO, NeuronRule, SetTo, Subtract
from inflor.quant.ir.types import IntArray, Shape
from inflor.quant.operators import Conv, Flatten, Linear, Operator, Scale, SumPool, output_shape
from inflor.targets.conformance.pooled import pooled_networks

PLAIN = frozenset({Feature.GRADED_INPUT, Feature.READOUT, Feature.SOFT_RESET})
_RESETS = frozenset({Feature.SOFT_RESET, Feature.HARD_RESET, Feature.HARD_RESET_TO_VALUE, Feature.NO_RESET})
_HARD = PLAIN - {Feature.SOFT_RESET} | {Feature.HARD_RESET}
_LEAK = {Feature.LEAK}
_ALONE: tuple[frozenset[Feature], ...] = (
    PLAIN,
    _HARD,
    PLAIN - {Feature.READOUT},
    _HARD | {Feature.HARD_RESET_TO_VALUE},
    PLAIN - {Feature.SOFT_RESET} | {Feature.NO_RESET},
    PLAIN | {Feature.BIAS},
    PLAIN | {Feature.PER_NEURON_THRESHOLDS},
    PLAIN | _LEAK,
    PLAIN | _LEAK | {Feature.DECAY_BITS},
    PLAIN | _LEAK | {Feature.FRACTION_BITS},
    PLAIN | {Feature.CURRENT},
    PLAIN | {Feature.DRIFT},
    PLAIN | {Feature.REFRACTORY},
    PLAIN | {Feature.FRAMES},
    PLAIN | {Feature.DELAY},
    PLAIN | {Feature.RECURRENT},
)
"""What the first networks need: as little as possible beside one feature, for targets that have few."""
_ALL = frozenset[Feature]().union(*_ALONE)
_SPIKING = _RESETS | {Feature.REFRACTORY, Feature.PER_NEURON_THRESHOLDS}
"""What a readout does not have."""
_MIXED = 14
"""Networks that need several features."""
SHAPES: tuple[Shape, ...] = ((5,), (2, 5, 6), (3, 6))
"""Of the inputs: a row, a map and a line of channels."""
CLASSES = 4


@cache
def networks() -> tuple[IntegerNetwork, ...]:
    """All of them."""
    made = [_network(seed, needs) for seed, needs in enumerate((*_ALONE, *map(_mix, range(_MIXED))))]
    return (*made, *pooled_networks(len(made)))


def needed_by(these: Iterable[IntegerNetwork]) -> frozenset[Feature]:
    """What at least one of some networks needs."""
    return frozenset[Feature]().union(*(network.features() for network in these))


def with_two_inputs() -> IntegerNetwork:
    """A network that no target need run, as nothing says how two inputs are fed; it must be refused."""
    made = networks()[0]
    second = Population(name="second", shape=made.inputs[0].shape, role="input", scale=np.ones(()), weight_bits=0)
    return IntegerNetwork((second, *made.populations), made.projections, made.outputs, made.info, source="two inputs")


def _mix(number: int) -> frozenset[Feature]:
    """Needs of a network: a reset or two, and about a third of all else."""
    rng = np.random.default_rng(number)
    resets = (PLAIN, _HARD, _HARD | {Feature.HARD_RESET_TO_VALUE}, PLAIN | _HARD)[number % 4]
    drawn = {feature for feature in sorted(_ALL - _RESETS - PLAIN) if rng.random() < 0.3}
    return resets | drawn | ({Feature.LEAK} if Feature.DECAY_BITS in drawn else set())


def _network(seed: int, needs: frozenset[Feature]) -> IntegerNetwork:
    """Two spiking populations of one shape, most of the time with a residual identity, and a readout of the second."""
    rng, wide = np.random.default_rng(1000 + seed), seed % 5 == 4
    shape: Shape = SHAPES[seed % len(SHAPES)]
    first = _first_layer(rng, shape, seed // len(SHAPES), wide)
    inner = output_shape(first, shape)
    delays = rng.integers(1, 3, 2) if Feature.DELAY in needs else (0, 0)
    projections = [
        Projection("input", "n1", first, exponent=int(rng.integers(0, 2)), delay=int(delays[0])),
        Projection("n1", "n2", (_inner_layer(rng, "w2", inner, wide),), exponent=int(rng.integers(0, 2))),
    ]
    if seed >= len(SHAPES):  # the first of each shape are a plain chain, as some exports want it
        identity = (_identity(rng, "identity", inner, wide),)
        projections.append(Projection("n1", "n2", identity, exponent=1, delay=int(delays[1])))
    if Feature.RECURRENT in needs:
        projections.append(Projection("n1", "n1", (_inner_layer(rng, "again", inner, wide),), exponent=0, delay=1))
        if Feature.DELAY in needs or seed % 2 == 0:
            back = (_identity(rng, "back", inner, wide),)
            projections.append(Projection("n2", "n1", back, exponent=0, delay=2 if Feature.DELAY in needs else 1))
    populations = [Population(name="input", shape=shape, role="input", scale=np.ones(()), weight_bits=0)]
    for name in ("n1", "n2"):
        rule = _rule(rng, inner, needs, len(populations) + seed, wide)
        populations.append(Population(name=name, shape=inner, role="spiking", rule=rule, scale=np.ones(())))
    outputs: tuple[str, ...] = ("n2",)
    if Feature.READOUT in needs:
        projections.append(Projection("n2", "readout", _last_layer(rng, inner, wide), exponent=int(rng.integers(0, 2))))
        rule = _rule(rng, (CLASSES,), needs - _SPIKING, seed, wide)
        populations.append(Population(name="readout", shape=(CLASSES,), role="readout", rule=rule, scale=np.ones(())))
        outputs = ("readout", "n2") if seed % 4 == 3 else ("readout",)
    encoding = FRAMES if Feature.FRAMES in needs else "direct"
    info = ModelInfo(timesteps=1 if seed == 1 else int(rng.integers(4, 9)), stage="integer", encoding=encoding)
    name = f"network {seed} ({', '.join(sorted(f.value for f in needs - PLAIN)) or 'plain'})"
    network = IntegerNetwork(tuple(populations), tuple(projections), outputs, info, source=name)
    check_network(network)
    return network


def _weights(rng: np.random.Generator, shape: Shape, wide: bool) -> IntArray:
    most = 127 if wide else 3
    return rng.integers(-most, most + 1, shape)


def _first_layer(rng: np.random.Generator, shape: Shape, variant: int, wide: bool) -> tuple[Operator, ...]:
    """A linear layer, or a convolution with groups, strides, dilation and uneven padding, before or behind a pool."""
    if len(shape) == 1:
        return (Linear("w1", _weights(rng, (8, *shape), wide)),)
    d = len(shape) - 1
    groups = shape[0] if variant % 2 else 1
    conv = Conv(
        "w1",
        _weights(rng, (2 * shape[0], shape[0] // groups, *(3, 2)[:d]), wide),
        stride=((1, 1), (2, 1), (1, 2))[variant % 3][:d],
        padding=(((1, 1), (1, 1)), ((2, 0), (0, 1)))[variant % 3 == 1][:d],
        dilation=((1, 1), (1, 2))[variant // 2 % 2][:d],
        groups=groups,
    )
    if d == 1:
        return (conv,)
    pool = SumPool("pool1", (2, 2), (1, 1), (1, 0))
    return ((conv,), (pool, conv), (conv, pool))[variant % 3]


def _inner_layer(rng: np.random.Generator, name: str, shape: Shape, wide: bool) -> Operator:
    """To a population of the same shape."""
    if len(shape) == 1:
        return Linear(name, _weights(rng, (*shape, *shape), wide))
    d = len(shape) - 1
    weight = _weights(rng, (shape[0], shape[0], *(3,) * d), wide)
    return Conv(name, weight, (1,) * d, ((1, 1),) * d, (1,) * d, 1)


def _identity(rng: np.random.Generator, name: str, shape: Shape, wide: bool) -> Operator:
    return Scale(name, rng.integers(1, 128 if wide else 4, (shape[0], *(1,) * (len(shape) - 1))))


def _last_layer(rng: np.random.Generator, shape: Shape, wide: bool) -> tuple[Operator, ...]:
    pool = (SumPool("pool3", (2, 2), (2, 2), (0, 0)),) if len(shape) == 3 else ()
    flatten = (Flatten("flatten", 0, len(shape) - 1),) if len(shape) > 1 else ()
    size = math.prod(output_shape((*pool, *flatten), shape))
    return (*pool, *flatten, Linear("w3", _weights(rng, (CLASSES, size), wide)))


def _rule(rng: np.random.Generator, shape: Shape, needs: frozenset[Feature], number: int, wide: bool) -> NeuronRule:
    """Neurons that need what `needs` says of neurons; number: which of several resets, and how arrays are broadcast."""
    unit = 40 if wide else 1
    per = (shape, (shape[0], *(1,) * (len(shape) - 1)))[number % 2]

    def drawn(least: int, most: int, where: Shape = per) -> IntArray:
        """Never 0 and never all the same, but for a single number."""
        values = np.asarray(rng.integers(least, most + 1, where))
        values.flat[:2] = (most, least)[: values.size]
        return values

    bits = 15 if Feature.DECAY_BITS in needs else DECAY_BITS
    fraction = (3, 6)[number % 2] if Feature.FRACTION_BITS in needs else 0
    coarse = 1 if number // 4 % 2 else 1 << bits - DECAY_BITS  # most decays of more bits would do with fewer

    def decays() -> IntArray:
        return drawn(1, (1 << bits) // coarse) * coarse

    threshold = drawn(unit, 9 * unit) if Feature.PER_NEURON_THRESHOLDS in needs else drawn(3 * unit, 6 * unit, ())
    resets: list[Subtract | SetTo | None] = []
    if Feature.SOFT_RESET in needs:
        resets.append(Subtract(threshold + drawn(1, 3 * unit, ())))
    if Feature.HARD_RESET in needs:
        resets.append(SetTo(drawn(-5 * unit, -unit) if Feature.HARD_RESET_TO_VALUE in needs else ZERO))
    return NeuronRule(
        threshold=threshold,
        reset=resets[number % len(resets)] if resets else None,
        bias=drawn(-2 * unit, 3 * unit) if Feature.BIAS in needs else ZERO,
        decay=decays() if Feature.LEAK in needs else ZERO,
        current_decay=decays() if Feature.CURRENT in needs else None,
        decay_bits=bits,
        drift=drawn(-2 << fraction, 3 << fraction) if Feature.DRIFT in needs else ZERO,
        fraction_bits=fraction,
        refractory=Feature.REFRACTORY in needs,
    )
