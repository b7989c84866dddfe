"""Numbers beyond float32's exact integers: each format is chosen before it would round."""

from __future__ import annotations

import numpy as np
import torch

from inflor.converter.nir.metadata import ModelInfo
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.neuron import DECAY_BITS, NeuronRule
from inflor.quant.ir.ranges import state_range
from inflor.quant.operators import Linear
from inflor.quant.run.kernel import Kernel, Profile

DECAY_ONE = 1 << DECAY_BITS
ONE = np.ones(())


def readout(weight: np.ndarray, exponent: int, timesteps: int, decay: int = 0) -> IntegerNetwork:
    source = Population(name="x", shape=(weight.size,), role="input", scale=ONE, weight_bits=0)
    rule = NeuronRule(decay=np.asarray(decay))
    target = Population(name="n", shape=(1,), role="readout", rule=rule, scale=ONE)
    projection = Projection("x", "n", (Linear("w", weight[None]),), exponent=exponent)
    return IntegerNetwork((source, target), (projection,), ("n",), ModelInfo(timesteps=timesteps, stage="integer"))


def run(network: IntegerNetwork, x: np.ndarray, profile: Profile) -> list[int]:
    population = network.by_name["n"]
    kernel = Kernel(network, population, state_range(network, population), profile)
    potential = kernel.run({"x": torch.from_numpy(x)[None, None]}, network.info.timesteps).potential
    assert potential is not None
    return [int(v) for v in potential.ravel()]


def test_a_leak_is_exact_where_its_product_is_large() -> None:
    """|v| * keep passes 2**24 long before v does."""
    for decay in range(1, DECAY_ONE, 23):
        expected, v = [], 0
        for _ in range(30):
            v = (v * (DECAY_ONE - decay) >> 12) + (127 * 127 + 1 << 3)
            expected.append(v)
        network = readout(np.array([127, 1]), 3, 30, decay)
        assert run(network, np.array([127, 1], np.int8), Profile()) == expected, decay


def test_partial_sums_that_cancel_are_exact() -> None:
    """The sum is 1; what is summed on the way is not small, in however many lanes a processor sums."""
    weight = np.concatenate([np.full(160_000, 127), np.full(160_000, -127), [1]])
    x = np.concatenate([np.full(320_000, 127), [1]]).astype(np.int8)
    assert run(readout(weight, 0, 1), x, Profile()) == [1]


def test_a_state_beyond_its_width_wraps_exactly() -> None:
    """An odd number between 2**23 and 2**24, to which wrapping adds 2**23."""
    x = np.array([127] * 1000 + [1], np.int8)
    v = 127 * 127 * 1000 + 1
    assert run(readout(x.astype(np.int64), 0, 1), x, Profile(24, "wrap")) == [v - (1 << 24)]
