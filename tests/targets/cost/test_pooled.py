"""What a network with maxima of currents costs: events of every port, compartments, and what the ANN beside it does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_networks
from hypothesis import given, settings
from integer_networks import images
from on_target import placed, recorded
from pooled import pooled_networks

from inflor.converter.errors import InputError
from inflor.converter.primitives.windows import Windows
from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.ir.ports import Group
from inflor.quant.operators import Conv, Flatten, Linear, Scale, unrolled
from inflor.targets import registry
from inflor.targets.cost import estimate as cost
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.updates import count_updates

OVERLAPPING = Windows(kernel=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1))


def small(bias: int = 0) -> tuple[IntegerNetwork, np.ndarray]:
    """Two populations, the second behind a pool whose windows overlap, and a readout."""
    rng = np.random.default_rng(0)
    group = Group(name="pool", shape=(3, 6, 6), windows=OVERLAPPING)
    second = small_networks.population("n2", group.pooled, "spiking", 40, "subtract", 60, bias=bias)
    made = [
        small_networks.population("input", (2, 6, 6), "input"),
        small_networks.population("n1", (2, 6, 6), "spiking", 90, "subtract", 100),
        replace(second, groups=(group,)),
        small_networks.population("out", (3,), "readout"),
    ]
    conv = Conv("w", rng.integers(-20, 21, (3, 2, 3, 3)), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    projections = [
        Projection("input", "n1", (Scale("s", np.ones((1, 1, 1), np.int64)),)),
        Projection("n1", "n2", (conv,), group="pool"),
        Projection("n2", "out", (Flatten("f", 0, 2), Linear("l", rng.integers(-9, 10, (3, 27))))),
    ]
    return small_networks.network(made, projections, 5), rng.integers(-128, 128, (3, 2, 6, 6)).astype(np.int8)


def events(network: IntegerNetwork, spikes: np.ndarray, ports: bool) -> int:
    """(spike, synapse of n2) pairs: at the places of the map, or at every port that reads one."""
    (q,), (group,) = network.incoming["n2"], network.by_name["n2"].groups
    matrix = unrolled(q.operators, (2, 6, 6)).toarray() != 0
    if ports:
        places = group.ports(group.pooled).reshape(group.count, -1)
        matrix = np.concatenate([matrix[place] * (place >= 0)[:, None] for place in places])
    return int(spikes.reshape(-1, 72).sum(0) @ matrix.sum(0))


def test_events_count_once_in_the_network_and_at_every_port_on_a_chip() -> None:
    network, inputs = small()
    record = recorded("cpu", placed("cpu", network), inputs)
    found = cost.estimate(network, record, None, inputs)
    counted = {p.name: p for p in found.counts.populations}
    spikes = record.spikes("n1")
    assert spikes.any()
    assert counted["n2"].synaptic_events == events(network, spikes, ports=False)
    ports = events(network, spikes, ports=True)
    assert ports > 1.5 * counted["n2"].synaptic_events  # nine places each, at a fourth of the map's places
    for chip in ("loihi1", "loihi2", "spinnaker1"):
        mapped = next(e.mapped for e in found.estimates if e.hardware == chip)
        assert mapped.synaptic_events["n2"] == ports, chip
        assert mapped.packets["n1"] <= spikes.sum()  # one core: one packet, whatever the ports
    assert sum(t.count for e in found.estimates if e.name == "ann_int8" for t in e.terms) > 0
    assert all(e.energy_joules is not None for e in found.estimates)


def test_loihi_1_has_a_compartment_for_every_port() -> None:
    network, inputs = small()
    record = recorded("cpu", placed("cpu", network), inputs)
    found = cost.estimate(network, record, ["loihi1", "loihi2"], inputs)
    first, second = (next(e.mapped for e in found.estimates if e.hardware == chip) for chip in ("loihi1", "loihi2"))
    assert first.neuron_updates["n2"] == 9 * second.neuron_updates["n2"] == 9 * 27 * 5 * 3
    assert first.neuron_updates["out"] == second.neuron_updates["out"]
    mapping = placed("loihi", network, chip="loihi1").mapping
    assert mapping.totals()["compartments"] == mapping.totals()["neurons"] + 8 * 27
    large = Group(name="pool", shape=(1, 40, 40), windows=replace(OVERLAPPING, stride=(1, 1)))
    one = Scale("s", np.ones((1, 1, 1), np.int64))
    made = [
        small_networks.population("input", (1, 40, 40), "input"),
        replace(small_networks.population("n", (1, 40, 40), "spiking", 5, "zero"), groups=(large,)),
    ]
    wide = small_networks.network(made, [Projection("input", "n", (one,), group="pool")], 2)
    cores = [placed("loihi", wide, chip=chip).mapping.cores for chip in ("loihi1", "loihi2")]
    assert max(core.compartments for core in cores[0]) <= 1024
    assert len(cores[0]) >= 15  # 14,400 compartments
    assert [core.neurons for core in cores[1]] == [1600]


def test_synapses_are_those_of_the_ports() -> None:
    """Also where the chip stores kernels, whose places outside of a port's own window are none."""
    network, _ = small()
    spikes = np.ones((1, 1, 72))
    for chip in ("loihi1", "loihi2"):
        mapping = placed("loihi", network, chip=chip).mapping
        held = sum(core.synapses for core in mapping.cores if core.population == "n2")
        assert held >= events(network, spikes, ports=True)
        assert held <= events(network, spikes, ports=True) + 9 * 27 * 2  # weights of zero are stored


def test_stock_neurons_and_exports_refuse_by_name(tmp_path) -> None:
    network, _ = small()
    with pytest.raises(InputError, match=r"'n2': input ports joined by their maximum 9, allowed is 1.*put the pool"):
        placed("loihi", network, soft_reset="stock")
    with pytest.raises(InputError, match="'n2': input ports joined by their maximum there, allowed is none"):
        placed("spinnaker", network, neurons="stock")
    hard = replace(
        network,
        populations=tuple(
            replace(p, rule=small_networks.population("n", p.shape, "spiking", 40, "zero").rule)
            if p.role == "spiking"
            else p
            for p in network.populations
        ),
    )
    for target, export in (("loihi", "netx"), ("spinnaker", "spynnaker")):
        write = registry.find(target).exports[export].write
        with pytest.raises(InputError, match="'n2' takes the maximum of currents"):
            write(hard, tmp_path / f"network.{export}.py")


@settings(max_examples=20)
@given(pooled_networks(in_time=True))
def test_active_updates_are_those_that_something_reaches(network: IntegerNetwork) -> None:
    """At any port, by loops over the ports; biases and spikes count too."""
    inputs = images(network, 2)
    record = recorded("cpu", placed("cpu", network), inputs)
    found = count_updates(Activity(network, record, inputs))
    assert not found.unlike
    population = network.by_name["n2"]
    steps, size = network.info.timesteps, population.size
    active = np.zeros((2, steps, size), bool)
    active |= (population.broadcast(population.rule.bias) != 0).ravel()
    active |= record.spikes("n2").reshape(2, steps, size)
    for q in network.incoming["n2"]:
        sent = record.spikes(q.source) if q.source != "input" else np.repeat(inputs[:, None] != 0, steps, 1)
        synapses = unrolled(q.operators, network.by_name[q.source].shape).toarray() != 0
        reached = (sent.reshape(2 * steps, -1) @ synapses.T.astype(np.int64)).reshape(2, steps, -1) > 0
        group = population.group(q.group)
        if group is not None:
            places = group.ports(population.shape).reshape(group.count, -1)
            reached = np.stack([reached[..., place] & (place >= 0) for place in places]).any(0)
        active[:, q.delay :] |= reached[:, : max(steps - q.delay, 0)]
    assert found.active["n2"] == active.sum()
