"""Every spike is the one that the cpu target and brute force compute, however the network is cut and placed."""

from __future__ import annotations

import itertools

import brute_force
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from integer_networks import images, integer_networks
from spinnaker_networks import on_cpu, on_spinnaker, residual

from targets import equivalence, spinnaker
from targets.spinnaker.machine import Dead
from targets.spinnaker.verify import compare_synapses


@st.composite
def layouts(draw):
    """Options that force many cores and chips, and take away chips, cores and links."""
    dead = Dead(
        frozenset(draw(st.sets(st.sampled_from([(1, 0), (1, 1), (2, 2)]), max_size=2))),
        frozenset(draw(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(2, 5)), max_size=6))),
        frozenset(draw(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), max_size=5))),
    )
    # the corner keeps a way out
    ways = {(0, 0, 2), (0, 1, 5), (0, 1, 1), (1, 2, 4), (0, 1, 2), (0, 2, 5)}
    dead = Dead(dead.chips, dead.cores, dead.links - ways)
    return {
        "neurons_per_core": draw(st.sampled_from([1, 3, 8, 40, None])),
        "cores_per_chip": draw(st.sampled_from([1, 2, 16])),
        "boards": draw(st.sampled_from([0, 0, 3])),
        "placement": draw(st.sampled_from(["traffic", "naive"])),
        "dead": dead,
    }


@settings(max_examples=40, deadline=None)
@given(integer_networks(), layouts())
def test_drawn_networks_equal_brute_force(network, layout):
    if layout["neurons_per_core"] == 1 and sum(p.size for p in network.populations) > 100:
        layout["neurons_per_core"] = 4
    inputs = images(network, 2)
    plan = spinnaker.place(network, **layout)
    assert not compare_synapses(plan)
    got = on_spinnaker(plan, inputs)
    for sample, image in enumerate(inputs):
        for name, expected in brute_force.run(network, image).items():
            if network.by_name[name].kind == "readout":
                np.testing.assert_array_equal(got.outputs[name][sample], expected)
            else:
                np.testing.assert_array_equal(got.spikes(name)[sample], expected)
    assert not got.overflows
    assert plan.measured["circulating"] == plan.measured["lost_routes"] == plan.measured["packets_without_row"] == 0


@pytest.mark.parametrize("cores_per_chip", [1, 16])
@pytest.mark.parametrize("neurons_per_core", [7, 64, 256])
def test_streamed_samples_equal_the_cpu_target(neurons_per_core, cores_per_chip):
    """Samples overlap in the pipeline, and nothing leaks from one to the next."""
    network = residual()
    inputs = images(network, 12)
    options = {"neurons_per_core": neurons_per_core, "cores_per_chip": cores_per_chip}
    result = equivalence.check(network, ["cpu", "spinnaker"], inputs, {"spinnaker": options})
    assert result.equal, str(result.first_mismatch)
    assert all(layer.fired for layer in result.layers if layer.fired is not None)
    assert result.compared_spikes == 12 * 4 * 3 * 384


def test_each_sample_is_the_same_alone():
    network = residual()
    inputs = images(network, 5)
    plan = spinnaker.place(network)
    together, alone = on_spinnaker(plan, inputs), on_spinnaker(plan, inputs[3:4])
    np.testing.assert_array_equal(together.outputs["out"][3], alone.outputs["out"][0])
    np.testing.assert_array_equal(together.predictions, on_cpu(network, inputs).predictions)


def test_a_path_longer_than_sixteen_steps_takes_more_slots():
    from spinnaker_networks import population, source

    from converter.metadata import ModelInfo
    from quant.network import IntegerNetwork, Projection
    from quant.operators import Linear, Scale

    rng = np.random.default_rng(1)
    names = [f"n{i}" for i in range(20)]
    made = [
        source((5,)),
        *(population(n, (5,), threshold=20, bias=5) for n in names),
        population("out", (3,), "readout"),
    ]
    made[-1] = population("out", (3,), "readout", reset="none")
    chain = [("input", names[0]), *itertools.pairwise(names)]
    projections = [Projection(a, b, (Linear(f"to_{b}", rng.integers(-9, 30, (5, 5))),)) for a, b in chain]
    projections += [
        Projection(names[0], names[-1], (Scale("skip", np.array(30)),)),
        Projection(names[-1], "out", (Linear("readout", rng.integers(-9, 9, (3, 5))),)),
    ]
    network = IntegerNetwork(
        tuple(made), tuple(projections), ("out",), ModelInfo(timesteps=3, stage="integer"), 8, "deep"
    )
    plan = spinnaker.place(network, neurons_per_core=2)
    assert max(c.delay for c in plan.lowering.connections) == 19
    assert {p.slots for p in plan.lowering.populations} == {16, 32}
    inputs = images(network, 4)
    result = equivalence.check(network, ["cpu", "spinnaker"], inputs, {"spinnaker": {"neurons_per_core": 2}})
    assert result.equal
    assert result.layers[-2].fired
