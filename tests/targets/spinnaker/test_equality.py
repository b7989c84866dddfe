"""Every spike is the one that the cpu target and brute force compute, however the network is cut and placed."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

import numpy as np
import pytest
import small_networks
import specified
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from integer_networks import images, integer_networks
from on_target import placed, violated
from pooled import pooled_networks
from spinnaker_networks import on_cpu, on_spinnaker, recurrent, residual
from spinnaker_synapses import compare_synapses

from inflor.converter.errors import InputError
from inflor.converter.primitives.windows import Windows
from inflor.quant.ir.network import Projection
from inflor.quant.ir.ports import Group
from inflor.quant.ir.ranges import state_ranges
from inflor.quant.operators import Scale
from inflor.targets.equivalence import compare as equivalence
from inflor.targets.spinnaker.layout.partition import neurons_per_core
from inflor.targets.spinnaker.place.machine import Dead


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


def equals_the_specification(network, layout, inputs):
    """Every spike and every potential of a readout; the plan with which it was run."""
    assume(max(r.bits for r in state_ranges(network).values()) <= 32)  # more are refused
    neurons = sum(p.size for p in network.populations)
    if layout["neurons_per_core"] == 1 and neurons > 100:
        layout["neurons_per_core"] = 4
    if neurons > 100 * (layout["neurons_per_core"] or 256):  # with one core a chip more than three boards hold
        layout["boards"] = 0
    plan = placed("spinnaker", network, **layout)
    assert not compare_synapses(plan)
    got = on_spinnaker(plan, inputs)
    for sample, image in enumerate(inputs):
        for name, expected in specified.run(network, image).items():
            if network.by_name[name].role == "readout":
                np.testing.assert_array_equal(got.outputs[name][sample].reshape(expected.shape), expected)
            else:
                np.testing.assert_array_equal(got.spikes(name)[sample], expected)
    assert not got.overflows
    met = got.run["plan"]
    assert met["circulating"] == met["lost_routes"] == met["packets_without_row"] == 0
    return plan


@settings(max_examples=40)
@given(integer_networks(), layouts())
def test_drawn_networks_equal_the_specification(network, layout):
    equals_the_specification(network, layout, images(network, 2))


@settings(max_examples=40)
@given(pooled_networks(in_time=True), layouts(), st.booleans())
def test_drawn_networks_with_maxima_equal_the_specification(network, layout, frames):
    """Also where the graded input and spikes lead to the same ports, and where projections lead back to them."""
    plan = equals_the_specification(network, layout, images(network, 3, frames=frames))
    for lowered, cut in zip(plan.lowering.populations, plan.partitions, strict=True):
        bits = cut.neuron_bits + lowered.ports.type_bits + (lowered.slots - 1).bit_length()
        assert bits <= plan.limits.index_bits


@pytest.mark.parametrize(("kernel", "types", "neurons"), [(1, 2, 256), (2, 8, 128), (3, 18, 32), (5, 50, 16)])
def test_ports_take_ring_buffers_from_neurons(kernel, types, neurons):
    """14 bits for time slot (16), synapse type and neuron."""
    windows = Windows(kernel=(kernel,) * 2, stride=(1, 1), padding=(0, 0), dilation=(1, 1))
    lowered, plan = second_pooled(windows)
    assert (lowered.ports.types, neurons_per_core(lowered, plan.limits, None)) == (types, neurons)
    assert plan.partitions[1].sizes.max() <= neurons
    assert plan.memories[-1].type_bits == (types - 1).bit_length()


def test_more_ports_than_ring_buffers_are_refused_by_number():
    windows = Windows(kernel=(23, 23), stride=(1, 1), padding=(11, 11), dilation=(1, 1))
    with pytest.raises(InputError, match=r"'n2': synapse types \(two for each of 529 input ports.* 1058, .* 1024;"):
        second_pooled(windows)


def second_pooled(windows):
    """A population of 1,000 neurons and more behind a pool of spikes' currents, on cores that are as full as may be."""
    group = Group(name="pool", shape=(1, 40, 40), windows=windows)
    one = Scale("one", np.ones((1, 1, 1), np.int64))
    made = [
        small_networks.population("input", (1, 40, 40), "input"),
        small_networks.population("n1", (1, 40, 40), "spiking", 3, "subtract", 4),
        replace(small_networks.population("n2", group.pooled, "spiking", 0, "subtract", 1), groups=(group,)),
    ]
    projections = [Projection("input", "n1", (one,)), Projection("n1", "n2", (one,), group="pool")]
    plan = placed("spinnaker", small_networks.network(made, projections, 2))
    return plan.lowering.populations[1], plan


@settings(max_examples=int(os.environ.get("INFLOR_SPINNAKER_EXAMPLES", "60")))
@given(integer_networks(delays=True, current=True, recurrent=True), layouts(), st.booleans())
def test_drawn_networks_with_currents_cycles_and_frames_equal_the_specification(network, layout, frames):
    """Three samples back to back: what a delay still carries at the end of one is not felt in the next."""
    equals_the_specification(network, layout, images(network, 3, frames=frames))


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


def test_placement_goes_round_a_wall_of_dead_links():
    """Row 3 is cut from row 4 but at its end: what talks stays on one side, and costs the hops that packets make."""
    links = frozenset((x, 3, link) for x in range(8) for link in (1, 2)) - {(7, 3, 2)}
    network = residual()
    layout = {"neurons_per_core": 60, "cores_per_chip": 1, "dead": Dead(links=links), "boards": 1}
    blind = placed("spinnaker", network, **{**layout, "dead": Dead()})
    plan = placed("spinnaker", network, **layout)
    there = plan.machine.distance[plan.placement.chip][:, plan.placement.chip]
    here = plan.machine.distance[blind.placement.chip][:, blind.placement.chip]
    sent = plan.neurons[:, None] * np.array([np.bincount(t, minlength=len(plan.neurons)) for t in plan.targets])
    assert plan.placement.cost == (there * sent).sum() < (here * sent).sum()
    assert plan.placement.cost < plan.placement.naive
    assert not compare_synapses(plan)


def test_each_sample_is_the_same_alone():
    network = residual()
    inputs = images(network, 5)
    plan = placed("spinnaker", network)
    together, alone = on_spinnaker(plan, inputs), on_spinnaker(plan, inputs[3:4])
    np.testing.assert_array_equal(together.outputs["out"][3], alone.outputs["out"][0])
    np.testing.assert_array_equal(together.predictions, on_cpu(network, inputs).predictions)


def test_the_host_writes_an_image_once_and_frames_at_every_step():
    network = recurrent()
    plan = placed("spinnaker", network)
    for frames, times in ((False, 1), (True, 12)):
        inputs = images(network, 3, frames=frames) // 16
        met = on_spinnaker(plan, inputs).run["plan"]
        assert met["source_current_bytes"] == 3 * times * 20 * 4
    with pytest.raises(InputError, match=r"integers of \(8,\), or of \(12, 8\) for a frame per step"):
        on_spinnaker(plan, inputs[:, :5])


def test_a_path_longer_than_sixteen_steps_takes_more_slots():
    from spinnaker_networks import population, source

    from inflor.converter.nir.metadata import ModelInfo
    from inflor.quant.ir.network import IntegerNetwork, Projection
    from inflor.quant.operators import Linear, Scale

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
        tuple(made), tuple(projections), ("out",), ModelInfo(timesteps=3, stage="integer"), input_bits=8, source="deep"
    )
    plan = placed("spinnaker", network, neurons_per_core=2)
    assert max(c.delay for c in plan.lowering.connections) == 19
    assert {p.slots for p in plan.lowering.populations} == {16, 32}
    inputs = images(network, 4)
    result = equivalence.check(network, ["cpu", "spinnaker"], inputs, {"spinnaker": {"neurons_per_core": 2}})
    assert result.equal
    assert result.layers[-2].fired


def test_a_long_delay_takes_more_slots_and_smaller_cores():
    """40 steps and the one of the path itself: 64 slots of 2**7 neurons; from 2**13 on there is no room."""
    network = residual()
    network = replace(network, info=replace(network.info, timesteps=50))

    def with_delay(delay):
        slow = (replace(q, delay=delay) if (q.source, q.target) == ("n1", "n2") else q for q in network.projections)
        return replace(network, projections=tuple(slow))

    inputs = images(network, 2)
    plan = placed("spinnaker", with_delay(40))
    assert plan.lowering.schedule.guard == 40
    assert [p.slots for p in plan.lowering.populations] == [16, 64, 16, 16]
    assert plan.partitions[1].sizes.max() <= 128
    got, expected = on_spinnaker(plan, inputs), on_cpu(with_delay(40), inputs)
    for name in ("n1", "n2", "n3"):
        np.testing.assert_array_equal(got.spikes(name), expected.spikes(name))
    (violation,) = (v for v in violated("spinnaker", with_delay(1 << 13)) if v.fatal)
    assert (violation.population, violation.number, violation.allowed) == ("n2", 1 << 14, 1 << 13)


def test_spinnaker2_takes_more_cores_than_a_word_has_bits_on_a_chip():
    """148 cores: routes of 158 bits, compressed, proved and followed as those of 18."""
    network = residual()
    plan = placed("spinnaker", network, chip="spinnaker2", neurons_per_core=8)
    used = np.bincount(plan.placement.chip)
    assert 64 < used.max() <= 148
    assert plan.placement.p.max() > 64
    assert (plan.limits.router_entries, plan.limits.cycles, plan.limits.dtcm) == (16_384, 150_000, 98_304)
    inputs = images(network, 2)
    np.testing.assert_array_equal(on_spinnaker(plan, inputs).outputs["out"], on_cpu(network, inputs).outputs["out"])
    assert not compare_synapses(plan)
    (assumed,) = plan.summary()["assumed"]
    assert "SpiNNaker 1's" in assumed
    chip, table = next((c, t) for c, t in plan.tables.items() if len(t))
    route = table.route.copy()
    route[0] ^= 1 << 140
    assert replace(plan, tables={**plan.tables, chip: replace(table, route=route)}).compare_tables()
