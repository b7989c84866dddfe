"""Small networks that fire, and runs of them."""

from __future__ import annotations

import numpy as np
from on_target import placed, recorded

from inflor.converter.nir.metadata import ModelInfo
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.neuron import NeuronRule, SetTo, Subtract
from inflor.quant.operators import Conv, Flatten, Linear, Scale


def population(name, shape, role="spiking", threshold=0, reset="subtract", bias=0, v_reset=0, decay=0):
    threshold, v_reset, bias, decay = (np.asarray(v, np.int64) for v in (threshold, v_reset, bias, decay))
    kept = {"subtract": Subtract(2 * (threshold + 1)), "zero": SetTo(v_reset), "none": None}[reset]
    rule = NeuronRule(threshold=threshold, reset=kept, bias=bias, decay=decay)
    return Population(name=name, shape=shape, role=role, rule=rule, scale=np.asarray(0.5))


def source(shape):
    return Population(name="input", shape=shape, role="input", scale=np.asarray(0.1), weight_bits=0)


def residual():
    """Two convolutions with a residual join, and a readout; every layer fires."""
    rng = np.random.default_rng(5)

    def conv(name, out, inner):
        return Conv(name, rng.integers(-60, 100, (out, inner, 3, 3)), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)

    shape = (6, 8, 8)
    populations = (
        source((2, 8, 8)),
        population("n1", shape, threshold=9000, bias=rng.integers(-300, 900, (6, 1, 1))),
        population("n2", shape, threshold=250, bias=rng.integers(-30, 60, (6, 1, 1))),
        population("n3", shape, threshold=300, reset="zero", bias=rng.integers(-30, 60, shape)),
        population("out", (5,), "readout", reset="none", bias=rng.integers(-9, 9, 5)),
    )
    projections = (
        Projection("input", "n1", (conv("c1", 6, 2),)),
        Projection("n1", "n2", (conv("c2", 6, 6),)),
        Projection("n2", "n3", (conv("c3", 6, 6),)),
        Projection("n1", "n3", (Scale("identity", rng.integers(40, 99, (6, 1, 1))),), exponent=1),
        Projection("n3", "out", (Flatten("f", 0, 2), Linear("readout", rng.integers(-90, 90, (5, 384))))),
    )
    return IntegerNetwork(
        populations, projections, ("out",), ModelInfo(timesteps=4, stage="integer"), input_bits=8, source="small"
    )


def recurrent():
    """Two layers of current-based neurons, each with itself, the second also with the first; every layer fires."""
    rng = np.random.default_rng(7)

    def cuba(name, size, reset):
        made = population(name, (size,), "spiking", rng.integers(90, 160, size), reset, rng.integers(-5, 9, size))
        return made.with_rule(
            decay=rng.integers(200, 900, size),
            current_decay=rng.integers(900, 2000, size),
            drift=rng.integers(-90, 120, size),
            fraction_bits=6,
            refractory=reset == "zero",
        )

    populations = (
        source((8,)),
        cuba("n1", 20, "zero"),
        cuba("n2", 16, "subtract"),
        population("out", (3,), "readout", reset="none", decay=300).with_rule(fraction_bits=6, decay_bits=15),
    )
    weights = {
        ("input", "n1"): (rng.integers(-4, 6, (20, 8)), 0),
        ("n1", "n1"): (rng.integers(-20, 20, (20, 20)), 1),
        ("n1", "n2"): (rng.integers(-30, 50, (16, 20)), 0),
        ("n2", "n2"): (rng.integers(-20, 20, (16, 16)), 2),
        ("n2", "n1"): (rng.integers(-20, 20, (20, 16)), 1),
        ("n1", "out"): (rng.integers(-50, 50, (3, 20)), 3),
        ("n2", "out"): (rng.integers(-50, 50, (3, 16)), 0),
    }
    projections = tuple(
        Projection(a, b, (Linear(f"{a}_{b}", weight),), delay=delay) for (a, b), (weight, delay) in weights.items()
    )
    info = ModelInfo(timesteps=12, stage="integer")
    return IntegerNetwork(populations, projections, ("out",), info, input_bits=8, source="recurrent")


def on_cpu(network, inputs):
    return recorded("cpu", placed("cpu", network), inputs)


def on_spinnaker(plan, inputs):
    """All that a run of the plan records; what it met is in `run["plan"]`."""
    return recorded("spinnaker", plan, inputs)
