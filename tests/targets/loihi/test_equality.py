"""Lava's simulation against a loop over every neuron and synapse, spike by spike."""

from __future__ import annotations

import os

import brute
import numpy as np
import pytest
from drawn import networks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quant.network import Projection
from quant.operators import Flatten, Linear, Scale, SumPool
from targets import loihi
from targets.record import Recorder

EXAMPLES = int(os.environ.get("INFLOR_LOIHI_EXAMPLES", "50"))
pytestmark = pytest.mark.usefixtures("lava")


def simulated(net, inputs, **options):
    plan = loihi.place(net, timeout=120, **options)
    recorder = Recorder(loihi.populations(plan), net.info.timesteps, len(inputs), True)
    loihi.run(plan, inputs, recorder)
    return recorder.finish(None, {}), plan


def assert_equal(record, expected):
    assert sum(v.size for v in expected.values()) > 0
    for name, values in expected.items():
        got = record.outputs[name].reshape(values.shape) if name in record.outputs else record.spikes(name)
        np.testing.assert_array_equal(got, values, err_msg=name)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize="INFLOR_LOIHI_EXAMPLES" not in os.environ,
)
@given(st.data())
def test_drawn_networks(data):
    soft_reset = data.draw(st.sampled_from(("microcode", "stock")))
    net, inputs = data.draw(networks(leaky=soft_reset == "microcode"))
    options = {
        "soft_reset": soft_reset,
        "guard": "long",
        "balance": data.draw(st.sampled_from(("auto", "relay", "delay"))),
    }
    record, _ = simulated(net, inputs, exact_lava=data.draw(st.booleans()), **options)
    assert_equal(record, brute.run(net, inputs))


def resnet(rng, timesteps=4):
    """Identity and strided convolution shortcuts, odd size, groups, dilation, biases, pooling before the readout."""

    def srif(name, shape, low=40, high=90):
        threshold = rng.integers(low, high, (shape[0], 1, 1))
        bias = rng.integers(-6, 7, (shape[0], 1, 1))
        return brute.population(name, shape, "if", threshold - 1, "subtract", 2 * threshold, bias=bias)

    made = [
        brute.population("input", (2, 7, 6), "input"),
        srif("n1", (4, 7, 6), 2000, 3000),
        srif("n2", (4, 7, 6)),
        srif("n3", (4, 7, 6)),
        srif("n4", (6, 4, 3)),
        brute.population(
            "n5", (6, 4, 3), "if", rng.integers(40, 90, (6, 1, 1)), "zero", bias=rng.integers(-20, 20, (6, 1, 1))
        ),
        srif("n6", (6, 4, 3)),
        brute.population("out", (5,), "readout", bias=rng.integers(-50, 50, 5)),
    ]
    projections = [
        Projection("input", "n1", (brute.conv(rng, 4, 2, low=-15, high=16),)),
        Projection("n1", "n2", (brute.conv(rng, 4, 4, groups=2, dilation=2, padding=2),)),
        Projection("n2", "n3", (brute.conv(rng, 4, 4),)),
        Projection("n1", "n3", (Scale("identity", rng.integers(20, 60, (4, 1, 1))),), exponent=1),
        Projection("n3", "n4", (brute.conv(rng, 6, 4, stride=2),)),
        Projection("n4", "n5", (brute.conv(rng, 6, 6),)),
        Projection("n5", "n6", (brute.conv(rng, 6, 6),)),
        Projection("n3", "n6", (brute.conv(rng, 6, 4, kernel=1, stride=2, padding=0),)),
        Projection(
            "n6",
            "out",
            (SumPool("p", (2, 2), (2, 2), (0, 0)), Flatten("f", 0, 2), Linear("l", rng.integers(-127, 128, (5, 12)))),
        ),
    ]
    return brute.network(made, projections, timesteps), rng.integers(-128, 128, (3, 2, 7, 6)).astype(np.int8)


@pytest.mark.parametrize("balance", ["relay", "delay"])
@pytest.mark.parametrize(("soft_reset", "guard"), [("microcode", "short"), ("stock", "short"), ("stock", "long")])
def test_a_residual_network(soft_reset, guard, balance):
    net, inputs = resnet(np.random.default_rng(5))
    record, plan = simulated(net, inputs, soft_reset=soft_reset, guard=guard, balance=balance)
    assert_equal(record, brute.run(net, inputs))
    assert {b["by"] for b in plan.summary()["balanced"]} == {balance}
    assert {b["steps"] for b in plan.summary()["balanced"]} == {1, 2}
    firing = [name for name in record.counts if record.counts[name].sum()]
    assert firing == ["n1", "n2", "n3", "n4", "n5", "n6"]


def test_own_models_equal_the_stock_ones():
    net, inputs = resnet(np.random.default_rng(6))
    for options in ({"balance": "delay"}, {"balance": "relay", "soft_reset": "stock"}):
        stock, _ = simulated(net, inputs, exact_lava=True, **options)
        fast, _ = simulated(net, inputs, exact_lava=False, **options)
        for name in stock.counts:
            np.testing.assert_array_equal(stock.spikes(name), fast.spikes(name))
        np.testing.assert_array_equal(stock.outputs["out"], fast.outputs["out"])
