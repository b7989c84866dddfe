"""Lava's simulation against a loop over every neuron and synapse, spike by spike."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
import small_networks
import specified
from chip_networks import networks, networks_in_time
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from integer_networks import images
from on_target import observed, placed, recorded
from pooled import pooled_networks

from inflor.converter.errors import InputError
from inflor.quant.ir.network import Projection
from inflor.quant.ir.ranges import state_ranges
from inflor.quant.operators import Flatten, Linear, Scale
from inflor.targets.conformance import pooled
from inflor.targets.loihi.layout.guard import fits_stock_state
from inflor.targets.loihi.numbers import finest_shift
from inflor.targets.loihi.plan import SILENCE

EXAMPLES = int(os.environ.get("INFLOR_LOIHI_EXAMPLES", "12"))
pytestmark = pytest.mark.usefixtures("lava")


def simulated(net, inputs, **options):
    plan = placed("loihi", net, timeout=120, **options)
    return recorded("loihi", plan, inputs), plan


def assert_equal(record, expected):
    assert sum(v.size for v in expected.values()) > 0
    for name, values in expected.items():
        got = record.outputs[name].reshape(values.shape) if name in record.outputs else record.spikes(name)
        np.testing.assert_array_equal(got, values, err_msg=name)


def few(test):
    """Settings of the drawn tests."""
    return settings(
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes seconds: too many to shrink with
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
        derandomize="INFLOR_LOIHI_EXAMPLES" not in os.environ,
    )(test)


@few
@given(st.data())
def test_drawn_networks(data):
    soft_reset = data.draw(st.sampled_from(("microcode", "stock")))
    net, inputs = data.draw(networks(leaky=soft_reset == "microcode"))
    options = {
        "soft_reset": soft_reset,
        "guard": "long",
        "balance": data.draw(st.sampled_from(("auto", "relay", "delay"))),
    }
    exact_lava = data.draw(st.booleans())
    if exact_lava:  # refused where Lava's own neurons could wrap in silence
        exact_lava = all(fits_stock_state(net.by_name[name], state) for name, state in state_ranges(net).items())
    record, _ = simulated(net, inputs, exact_lava=exact_lava, **options)
    assert_equal(record, specified.run_all(net, inputs))


def test_a_network_with_maxima():
    """Two groups of ports, one with two projections, sums beside it, ports that are masked, biases."""
    net = pooled.pooled_networks(0)[-1]
    inputs = images(net, 2) // 8
    record, plan = simulated(net, inputs)
    assert_equal(record, specified.run_all(net, inputs))
    assert plan.summary()["accumulators"] == {"n1": 6, "n2": 10}


def test_stock_neurons_leave_a_pooled_image_to_the_host():
    """The graded input alone leads to the pool; a second pool, of spikes' currents, is refused."""
    net = pooled.pooled_networks(0)[1]
    first, n1, n2, readout = net.populations
    plain = replace(n2, shape=n1.shape, groups=(), rule=n1.rule)
    last = replace(net.projections[-1], operators=(Flatten("f", 0, 2), Linear("l", np.ones((4, n1.size), np.int64))))
    chain = (net.projections[0], Projection("n1", "n2", (Scale("s", np.ones((1, 1, 1), np.int64)),)), last)
    alone = replace(net, populations=(first, n1, plain, readout), projections=chain)
    inputs = images(alone, 2) // 16
    record, plan = simulated(alone, inputs, soft_reset="stock")
    assert plan.summary()["on_host"] == ["n1"]
    assert_equal(record, specified.run_all(alone, inputs))
    with pytest.raises(InputError, match="'n2': input ports joined by their maximum 4, allowed is 1"):
        placed("loihi", net, soft_reset="stock")


@pytest.mark.slow
@few
@given(pooled_networks(), st.sampled_from(("auto", "relay", "delay")), st.booleans())
def test_drawn_networks_with_maxima(net, balance, exact_lava):
    """Windows that overlap, padding beside negative currents, several projections into a group."""
    if exact_lava:
        exact_lava = all(fits_stock_state(net.by_name[name], state) for name, state in state_ranges(net).items())
    inputs = images(net, 2)
    record, _ = simulated(net, inputs, balance=balance, exact_lava=exact_lava)
    assert_equal(record, specified.run_all(net, inputs))


@pytest.mark.slow
@few
@given(pooled_networks(in_time=True), st.booleans())
def test_drawn_networks_with_maxima_in_time(net, frames):
    inputs = images(net, 3, frames=frames)
    record, _ = simulated(net, inputs)
    assert_equal(record, specified.run_all(net, inputs))


@few
@given(st.data())
def test_drawn_networks_in_time(data):
    """Leaks, synaptic currents, delays and recurrent projections, on images and on frames."""
    soft_reset = data.draw(st.sampled_from(("microcode", "stock")))
    net, inputs = data.draw(networks_in_time(soft_reset == "stock"))
    assume(soft_reset == "microcode" or all(within_silence(net, x) for x in inputs))
    balance = data.draw(st.sampled_from(("auto", "relay", "delay")))
    record, _ = simulated(net, inputs, soft_reset=soft_reset, balance=balance)
    assert_equal(record, specified.run_all(net, inputs))


def within_silence(net, x):
    """Whether no state leaves the half of its range in which a stock neuron can be silenced."""
    return all(
        np.abs(values << finest_shift(net.by_name[name])).max() < SILENCE << 5
        for name, states in specified.states(net, x).items()
        for values in states
    )


def test_what_drifts_before_the_first_sample_is_not_felt_in_it():
    """n1 begins in the midst of a guard, driven by a drift; "out" would get three steps later what it sends."""
    n0 = small_networks.population("n0", (4,), "spiking", 3, "zero").with_rule(drift=np.array(5))
    made = [
        small_networks.population("input", (4,), "input"),
        n0,
        small_networks.population("n1", (4,), "spiking", 9, "subtract", 10),
        small_networks.population("out", (4,), "readout"),
    ]
    eye = np.eye(4, dtype=np.int64)
    ways = [("input", "n0", -1, 0), ("n0", "n1", 40, 0), ("n1", "out", 7, 3)]
    net = small_networks.network(
        made, [Projection(s, t, (Linear(t, w * eye),), exponent=0, delay=d) for s, t, w, d in ways], 5
    )
    inputs = np.array([[0, 1, 6, 20], [0, 1, 6, 20]])
    expected = specified.run_all(net, inputs)
    assert expected["n1"].any()
    for soft_reset in ("stock", "microcode"):
        record, _ = simulated(net, inputs, soft_reset=soft_reset)
        assert_equal(record, expected)


@pytest.mark.parametrize("balance", ["relay", "delay"])
@pytest.mark.parametrize(("soft_reset", "guard"), [("microcode", "short"), ("stock", "short"), ("stock", "long")])
def test_a_residual_network(soft_reset, guard, balance):
    net, inputs = small_networks.residual(np.random.default_rng(5))
    record, plan = simulated(net, inputs, soft_reset=soft_reset, guard=guard, balance=balance)
    assert_equal(record, specified.run_all(net, inputs))
    assert {b["by"] for b in plan.summary()["balanced"]} == {balance}
    assert {b["steps"] for b in plan.summary()["balanced"]} == {1, 2}
    firing = [name for name in record.counts if record.counts[name].sum()]
    assert firing == ["n1", "n2", "n3", "n4", "n5", "n6"]


NAMES = {
    "each other's relays": {"n1": "n", "n2": "n+2", "n3": "n+1", "n4": "n+1+1"},
    "the later input": {"n1": "input+1", "n2": "input+2", "n3": "+"},
    "helpers": {"n1": "n", "n2": "record n", "n3": "bias n", "n4": "neurons n", "n5": "reset n", "n6": "relay n"},
    "files": {"n1": "(input)", "n2": "(state)", "n3": "rows1", "n4": "a.b", "n5": "..", "n6": "part 0 of reset n1"},
}


@pytest.mark.slow
@pytest.mark.parametrize("soft_reset", ["microcode", "stock"])
@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_names_that_look_like_those_of_relays_and_helpers(names, soft_reset):
    net, inputs = small_networks.residual(np.random.default_rng(5))
    late = Projection("input", "n3", (small_networks.conv(np.random.default_rng(6), 4, 2),))
    net = replace(net, projections=(*net.projections, late))
    new = {p.name: names.get(p.name, p.name) for p in net.populations}
    renamed = replace(
        net,
        populations=tuple(replace(p, name=new[p.name]) for p in net.populations),
        projections=tuple(replace(q, source=new[q.source], target=new[q.target]) for q in net.projections),
    )
    record, plan = simulated(renamed, inputs, soft_reset=soft_reset, balance="relay")
    assert_equal(record, {new[name]: values for name, values in specified.run_all(net, inputs).items()})
    later = {(g.population.name, g.later, g.role) for g in plan.layout.groups if g.later}
    n1, n3 = new["n1"], new["n3"]
    assert later == {(n1, 1, "relay"), (n3, 1, "relay"), (n3, 2, "relay"), ("input", 2, "input")}
    assert len({g.name for g in plan.layout.groups}) == len(plan.layout.groups)
    usual = placed("loihi", net, soft_reset=soft_reset, balance="relay")
    assert observed("loihi", plan, inputs, new["n2"], 1, 3, (2, 4, 1)) == observed(
        "loihi", usual, inputs, "n2", 1, 3, (2, 4, 1)
    )


@pytest.mark.slow
def test_own_models_equal_the_stock_ones():
    net, inputs = small_networks.residual(np.random.default_rng(6))
    for options in ({"balance": "delay"}, {"balance": "relay", "soft_reset": "stock"}):
        stock, _ = simulated(net, inputs, exact_lava=True, **options)
        fast, _ = simulated(net, inputs, exact_lava=False, **options)
        for name in stock.counts:
            np.testing.assert_array_equal(stock.spikes(name), fast.spikes(name))
        np.testing.assert_array_equal(stock.outputs["out"], fast.outputs["out"])


@pytest.mark.parametrize("soft_reset", ["microcode", "stock"])
def test_connections_of_zeros_and_neurons_with_nothing_but_a_bias(soft_reset):
    net, inputs = small_networks.residual(np.random.default_rng(7))

    def silenced(projection):
        if (projection.source, projection.target) not in (("input", "n1"), ("n3", "n6"), ("n1", "n3")):
            return projection
        return replace(projection, operators=tuple(replace(op, weight=0 * op.weight) for op in projection.operators))

    net = replace(
        net,
        projections=tuple(map(silenced, net.projections)),
        populations=tuple(p.with_rule(bias=p.rule.bias + 900) if p.name == "n1" else p for p in net.populations),
    )
    expected = specified.run_all(net, inputs)
    assert expected["n2"].any()
    record, _ = simulated(net, inputs, soft_reset=soft_reset)
    assert_equal(record, expected)
