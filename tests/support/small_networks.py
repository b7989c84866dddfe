"""Small integer networks for the tests: their parts, and a residual one with everything that is hard to lower."""

from __future__ import annotations

import numpy as np

from inflor.converter.nir.metadata import ModelInfo
from inflor.quant.ir.network import IntegerNetwork, Population, Projection, check_network
from inflor.quant.ir.neuron import NeuronRule, SetTo, Subtract
from inflor.quant.operators import Conv, Flatten, Linear, Scale, SumPool


def population(name, shape, role="spiking", threshold=0, reset="subtract", reset_value=0, v_reset=0, bias=0, decay=0):
    threshold, bias, decay = (np.asarray(v, np.int64) for v in (threshold, bias, decay))
    kept = Subtract(np.asarray(reset_value)) if reset == "subtract" else SetTo(np.asarray(v_reset))
    rule = NeuronRule(threshold=threshold, reset=kept if role == "spiking" else None, bias=bias, decay=decay)
    return Population(name=name, shape=tuple(shape), role=role, rule=rule, scale=np.ones(()))


def network(populations, projections, timesteps, outputs=None):
    outputs = outputs or (populations[-1].name,)
    made = IntegerNetwork(tuple(populations), tuple(projections), tuple(outputs), ModelInfo(timesteps=timesteps))
    check_network(made)
    return made


def conv(rng, out, inner, kernel=3, stride=1, padding=1, dilation=1, groups=1, low=-40, high=41):
    weight = rng.integers(low, high, (out, inner // groups, kernel, kernel))
    if isinstance(padding, int):
        padding = ((padding, padding), (padding, padding))
    return Conv("conv", weight, (stride, stride), padding, (dilation, dilation), groups)


def residual(rng, timesteps=4):
    """Identity and strided convolution shortcuts, odd size, groups, dilation, biases, pooling before the readout."""

    def srif(name, shape, low=40, high=90):
        threshold = rng.integers(low, high, (shape[0], 1, 1))
        bias = rng.integers(-6, 7, (shape[0], 1, 1))
        return population(name, shape, "spiking", threshold - 1, "subtract", 2 * threshold, bias=bias)

    made = [
        population("input", (2, 7, 6), "input"),
        srif("n1", (4, 7, 6), 2000, 3000),
        srif("n2", (4, 7, 6)),
        srif("n3", (4, 7, 6)),
        srif("n4", (6, 4, 3)),
        population(
            "n5", (6, 4, 3), "spiking", rng.integers(40, 90, (6, 1, 1)), "zero", bias=rng.integers(-20, 20, (6, 1, 1))
        ),
        srif("n6", (6, 4, 3)),
        population("out", (5,), "readout", bias=rng.integers(-50, 50, 5)),
    ]
    projections = [
        Projection("input", "n1", (conv(rng, 4, 2, low=-15, high=16),)),
        Projection("n1", "n2", (conv(rng, 4, 4, groups=2, dilation=2, padding=2),)),
        Projection("n2", "n3", (conv(rng, 4, 4),)),
        Projection("n1", "n3", (Scale("identity", rng.integers(20, 60, (4, 1, 1))),), exponent=1),
        Projection("n3", "n4", (conv(rng, 6, 4, stride=2),)),
        Projection("n4", "n5", (conv(rng, 6, 6),)),
        Projection("n5", "n6", (conv(rng, 6, 6),)),
        Projection("n3", "n6", (conv(rng, 6, 4, kernel=1, stride=2, padding=0),)),
        Projection(
            "n6",
            "out",
            (SumPool("p", (2, 2), (2, 2), (0, 0)), Flatten("f", 0, 2), Linear("l", rng.integers(-127, 128, (5, 12)))),
        ),
    ]
    return network(made, projections, timesteps), rng.integers(-128, 128, (3, 2, 7, 6)).astype(np.int8)
