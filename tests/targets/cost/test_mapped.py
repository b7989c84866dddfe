"""Packets, hops and loads of cores against loops over single spikes, and against the targets' own simulations."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from chip_networks import networks, networks_in_time
from counting import Loop, emulate
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from integer_networks import images, integer_networks, without_readout
from on_target import placed, recorded
from small_networks import residual

from inflor.converter.errors import InputError
from inflor.targets import registry
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.estimate import hardware
from inflor.targets.cost.mapped import Load, count_mapped
from inflor.targets.cost.timing import stepped, streamed, tick
from inflor.targets.cost.updates import count_updates
from inflor.targets.loihi.core_map import core_map as on_loihi
from inflor.targets.mapping import CoreMap
from inflor.targets.spinnaker.core_map import core_map as on_spinnaker
from inflor.targets.spinnaker.limits import limits

RELAXED = settings(max_examples=12, suppress_health_check=list(HealthCheck))


def mapped(network, record, core_map):
    activity = Activity(network, record)
    return count_mapped(activity, core_map, count_updates(activity))


def scattered(network, rng: np.random.Generator) -> CoreMap:
    """Every population on its own cores, neurons in any order, cores anywhere on two small chips."""
    cores, first = {}, 0
    for p in network.populations:
        if p.role != "input":
            local = np.unique(rng.integers(0, 3, p.size), return_inverse=True)[1]
            cores[p.name] = local + first
            first += int(local.max()) + 1
    return CoreMap(
        chip="drawn",
        cores=cores,
        spikes_of={p.name: p.name for p in network.populations},
        depth=dict(network.depth),
        position=rng.integers(0, 4, (first, 2)),
        chip_of=rng.integers(0, 2, first),
        sites=np.array([(chip, x, y) for chip in range(2) for x in range(4) for y in range(4)]),
        seats=first,
    )


@given(integer_networks(delays=True, recurrent=True), st.booleans(), st.integers(0, 2**32 - 1))
@RELAXED
def test_packets_and_hops_equal_a_loop_over_spikes(network, fires: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = without_readout(network) if fires else network
    record = emulate(network, images(network, 2))
    core_map, loop = scattered(network, rng), Loop(network, record)
    counted, load = mapped(network, record, core_map)
    expected: Counter = Counter()
    events = np.zeros_like(load.events)
    for name in dict(network.depth):
        for sample, step, neuron in loop.firings(name):
            for number, q in enumerate(network.projections):
                if q.source == name:
                    for target in loop.reached(number, neuron):
                        core = core_map.cores[q.target][target]
                        events[sample, step + network.depth[name], core] += 1
            if network.by_name[name].role == "input":
                continue
            here = core_map.cores[name][neuron]
            for there in loop.cores_reached(name, neuron, core_map.cores):
                expected["packets"] += 1
                if core_map.chip_of[here] != core_map.chip_of[there]:
                    expected["chip-to-chip"] += 1
                    continue
                east, north = np.abs(core_map.position[here] - core_map.position[there])
                expected["east-west"] += int(east)
                expected["north-south"] += int(north)
                expected["within_tile"] += int(east == north == 0)
    assert sum(counted.packets.values()) == sum(counted.deliveries.values()) == expected["packets"]
    assert sum(counted.within_tile.values()) == expected["within_tile"]
    assert {d: sum(by.values()) for d, by in counted.hops.items()} == {d: expected[d] for d in counted.hops}
    np.testing.assert_array_equal(load.events, events)


@pytest.mark.parametrize(("chip", "soft_reset"), [("loihi2", "microcode"), ("loihi1", "stock")])
def test_loihi_counts_what_the_plan_adds(chip: str, soft_reset: str) -> None:
    """Relays repeat spikes, stock neurons inhibit themselves, guard steps update neurons."""
    made, x = residual(np.random.default_rng(0), timesteps=3)
    record = emulate(made, x)
    plan = placed("loihi", made, chip=chip, soft_reset=soft_reset, balance="relay")
    core_map = on_loihi(plan)
    assert sorted(np.unique(np.concatenate(list(core_map.cores.values())))) == list(range(len(plan.mapping.cores)))
    sizes = Counter(np.concatenate(list(core_map.cores.values())).tolist())
    assert [sizes[i] for i in range(core_map.size)] == [c.neurons for c in plan.mapping.cores]
    assert_as_planned(made, record, plan)


@given(networks_in_time(stock=False), st.booleans())
@RELAXED
def test_loihi_with_delays_and_cycles(drawn, fires: bool) -> None:
    network, x = drawn
    network = without_readout(network) if fires else network
    try:
        plan = placed("loihi", network)
    except InputError:
        assume(False)
    assert_as_planned(network, emulate(network, x), plan)


def assert_as_planned(network, record, plan) -> None:
    """Every connection of the plan carries its source's spikes once."""
    core_map = on_loihi(plan)
    counted, load = mapped(network, record, core_map)
    fan_out, sent, steps = Counter(), 0, record.samples * record.timesteps
    for s in plan.layout.synapses:
        matrix = s.matrix if s.kernel is None else _unrolled(s.kernel)
        source, target = core_map.spikes_of[s.source], core_map.spikes_of[s.target]
        if source == "input" or s.target not in core_map.cores:
            continue
        spikes = record.spikes(source).reshape(steps, -1).sum(0)
        fan_out[target] += int(np.bincount(matrix.indices, minlength=matrix.shape[1]) @ spikes)
    assert {name: n for name, n in counted.synaptic_events.items() if n} == {n: c for n, c in fan_out.items() if c}
    assert load.events.sum() == sum(counted.synaptic_events.values()) + sum(counted.input_events.values())
    on_chip = sum(g.size for g in plan.layout.groups if g.role not in ("input", "encoder"))
    assert sum(counted.neuron_updates.values()) == on_chip * plan.layout.period * record.samples
    for group in core_map.cores:
        name = core_map.spikes_of[group]
        sent += int(record.counts[name].sum()) if name in record.counts else 0
    assert sum(counted.spikes.values()) == sent


def _unrolled(kernel):
    from inflor.targets.loihi.layout.linear import unroll

    return unroll(kernel).weight


@given(st.one_of(networks(leaky=False), networks_in_time(stock=False)), st.booleans())
@RELAXED
def test_spinnaker_counts_what_its_simulation_met(drawn, fires: bool) -> None:
    network, x = drawn
    network = without_readout(network) if fires else network
    plan = placed("spinnaker", network, neurons_per_core=40)
    record = recorded("spinnaker", plan, x)
    counted, load = mapped(network, record, on_spinnaker(plan))
    met = record.run["plan"]
    assert sum(counted.spikes.values()) == met["spikes"]
    assert sum(counted.deliveries.values()) == load.packets.sum() == met["packets_delivered"]
    assert sum(counted.synaptic_events.values()) == load.events.sum() == met["synaptic_events"]
    assert sum(counted.neuron_updates.values()) == met["neuron_updates"]
    known = limits("spinnaker1")
    work = (known.per_neuron, known.per_event, known.per_packet)
    scale = tick(load, counted.steps_per_inference, work, known.cycles, known.spike_buffer).milliseconds
    assert scale == met["time_scale"]


def test_spinnaker_hops_are_the_links_that_packets_cross() -> None:
    """Against the packets followed through the routing tables, on a machine of two cores a chip."""
    made, x = residual(np.random.default_rng(1), timesteps=2)
    record = emulate(made, x)
    plan = placed("spinnaker", made, neurons_per_core=20, cores_per_chip=2)
    core_map = on_spinnaker(plan)
    counted, _ = mapped(made, record, core_map)
    spikes = np.zeros(core_map.size, np.int64)
    for name, core in core_map.cores.items():
        if name in record.counts:
            np.add.at(spikes, core, record.spikes(name).reshape(6, -1).sum(0))
    ways = plan.ways()
    crossed: Counter = Counter()
    for (_, link), packets in ways.links.items():
        assert all(int(plan.keys.mask[source]) == mask for source, _, mask in packets)  # never split: all of a core's
        crossed[("E", "NE", "N", "W", "SW", "S")[link]] += sum(int(spikes[source]) for source, _, _ in packets)
    assert sum(crossed.values()) > 0
    assert {d: sum(by.values()) for d, by in counted.hops.items()} == {d: crossed[d] for d in counted.hops}
    sources = {source for source, *_ in ((d.source,) for d in ways.deliveries)}
    sent = sum(int(spikes[source]) for source in sources)
    assert sum(counted.packets.values()) == sent
    assert sum(counted.routers.values()) == sent + sum(crossed.values())


def test_what_cores_hold_is_what_the_plans_say() -> None:
    made, _ = residual(np.random.default_rng(1), timesteps=2)
    machine = placed("spinnaker", made, neurons_per_core=20)
    neurons, memory = on_spinnaker(machine).resources
    np.testing.assert_array_equal(neurons.used, np.concatenate([p.sizes for p in machine.partitions]))
    np.testing.assert_array_equal(memory.used, machine.dtcm)
    assert memory.limit == 65536
    for chip in ("loihi1", "loihi2"):
        plan = placed("loihi", made, chip=chip)
        neurons, memory = on_loihi(plan).resources
        assert neurons.used.tolist() == [c.neurons for c in plan.mapping.cores]
        assert memory.used.tolist() == [c.synapse_bits for c in plan.mapping.cores]
        assert (memory.used <= memory.limit).all()


def test_every_chip_with_cores_has_its_target() -> None:
    found = {chip: registry.of_chip(chip) for chip in (*hardware(), "loihi9")}
    names = {chip: target.name for chip, target in found.items() if target is not None}
    assert names == {"loihi1": "loihi", "loihi2": "loihi", "spinnaker1": "spinnaker", "spinnaker2": "spinnaker"}


def test_a_step_takes_its_busiest_core() -> None:
    """Two cores of one and two neurons, two samples of two bins, by hand."""
    events = np.array([[[3, 0], [1, 1]], [[0, 5], [2, 0]]], np.int32)  # [samples, chip steps, cores]
    load = Load(events, np.zeros_like(events), np.array([1, 2]))
    found = stepped(load, period=1, per_event=10.0, per_update=1.0, barrier=100.0)
    assert found.single == ((31 + 12 + 200) + (52 + 21 + 200)) / 2
    # streamed every step, as a ring: step 0 has sample 0 bin 0 and sample 1 bin 1, step 1 the other two
    assert found.streamed == ((51 + 100) + (62 + 100)) / 2
    np.testing.assert_array_equal(streamed(events, 1), [[3, 0], [1, 6], [2, 0]])
    np.testing.assert_array_equal(streamed(events, 3), [[3, 0], [1, 1], [0, 0], [0, 5], [2, 0], [0, 0]])
    many = replace(load, packets=events * 100)
    assert tick(many, 1, (1, 10, 1), 100, 256).milliseconds == max(-(-(2 + 60 + 600) // 100), -(-600 // 256))
