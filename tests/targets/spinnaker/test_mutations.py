"""Faults planted in what the machine holds are seen in its spikes, and by the checks that look for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from integer_networks import images
from on_target import observed, placed
from spinnaker_networks import on_cpu, on_spinnaker, recurrent, residual
from spinnaker_synapses import compare_synapses

from inflor.targets.cpu.emulator import states
from inflor.targets.equivalence import compare as equivalence
from inflor.targets.spinnaker.numbers import lower
from inflor.targets.spinnaker.place import keys as keys_module
from inflor.targets.spinnaker.place import tables
from inflor.targets.spinnaker.place.build import build
from inflor.targets.spinnaker.place.memory import HEADER
from inflor.targets.spinnaker.place.routing import FIRST_CORE_BIT
from inflor.targets.spinnaker.simulate import run as simulate


@pytest.fixture(scope="module")
def network():
    return residual()


@pytest.fixture(scope="module")
def inputs(network):
    return images(network, 3)


@pytest.fixture(scope="module")
def reference(network, inputs):
    return on_cpu(network, inputs)


@pytest.fixture(scope="module")
def plan(network):
    return placed("spinnaker", network, neurons_per_core=48, cores_per_chip=3)


def mismatches(network, reference, plan, inputs):
    got = on_spinnaker(plan, inputs)
    return equivalence.compare(network, {"cpu": reference, "spinnaker": got}, inputs)


def with_route(plan, chip, entry, bit):
    table = plan.tables[chip]
    route = table.route.copy()
    route[entry] ^= 1 << bit
    return replace(plan, tables={**plan.tables, chip: replace(table, route=route)})


def with_rows(plan, core, index, word):
    rows = plan.memories[core].rows.copy()
    rows[index] = word
    memories = list(plan.memories)
    memories[core] = replace(memories[core], rows=rows)
    return replace(plan, memories=tuple(memories))


def rebuilt(plan, lowering):
    """The plan of another lowering, all else the same."""
    return build(lowering, plan.options, plan.dead, plan.rates, plan.limits)


def first_core(plan, name):
    return next(i for i, p in enumerate(plan.population_of) if plan.partitions[p].name == name)


def test_the_plan_itself_is_right(network, reference, plan, inputs):
    assert mismatches(network, reference, plan, inputs).equal
    assert not plan.compare_tables()
    assert not compare_synapses(plan)
    assert not keys_module.collisions(plan.keys)
    assert len(set(plan.placement.chip.tolist())) > 5


def test_a_changed_routing_entry(network, reference, plan, inputs):
    """Each bit that is set in a table is needed: without it some table check fails, and some spike changes."""
    found = 0
    for chip, table in list(plan.tables.items())[:4]:
        for entry in range(min(3, len(table))):
            bit = int(table.route[entry]).bit_length() - 1
            mutant = with_route(plan, chip, entry, bit)
            assert mutant.compare_tables()
            assert not mismatches(network, reference, mutant, inputs).equal
            found += 1
    assert found >= 8


def test_a_core_too_many(network, reference, plan, inputs):
    """A packet sent to a core that does not expect it finds no row there, and the run says so."""
    core = first_core(plan, "out")
    (chip, p) = plan.placement.at(plan.machine, first_core(plan, "n1"))
    table = plan.tables[chip]
    mutant = with_route(plan, chip, 0, FIRST_CORE_BIT + p)
    assert not int(table.route[0]) >> (FIRST_CORE_BIT + p) & 1
    assert mutant.compare_tables()
    assert on_spinnaker(mutant, inputs).run["plan"]["packets_without_row"] > 0
    assert core


def test_a_route_in_a_circle(plan, inputs):
    """Two chips that send a packet back and forth: found, and the run ends."""
    chip, link = next(iter(plan.ways().links))
    back = plan.machine.neighbours[chip][link]
    table = plan.tables[chip]
    entry = next(i for i in range(len(table)) if int(table.route[i]) >> link & 1)
    looped = plan.tables.get(back)
    key, mask = (np.array([v[entry]]) for v in (table.key, table.mask))
    there = tables.table([(int(key[0]), int(mask[0]), 1 << (link + 3) % 6, -1)])
    rows = (
        there
        if looped is None
        else replace(
            looped,
            **{n: np.concatenate([getattr(there, n), getattr(looped, n)]) for n in ("key", "mask", "route", "entered")},
        )
    )
    mutant = replace(plan, tables={**plan.tables, back: rows})
    assert on_spinnaker(mutant, inputs[:1]).run["plan"]["circulating"] > 0


@pytest.mark.parametrize("bit", [*range(6 + 1 + 4), *range(16, 32)])
def test_a_changed_row_word(plan, bit):
    """Any bit that is read: reading the network back finds the one synapse that is not the network's."""
    core = first_core(plan, "n2")
    at = _word_of_a_row(plan, core, 3)
    mutant = with_rows(plan, core, at, int(plan.memories[core].rows[at]) ^ (1 << bit))
    difference = compare_synapses(mutant)
    assert (len(difference.missing), len(difference.surplus)) == (1, 1)


@pytest.mark.parametrize("bit", [0, 6, 20, 22])
def test_a_changed_row_word_changes_spikes(network, reference, plan, inputs, bit):
    """A neuron, a synapse type, or a weight off by more than a little."""
    changed = 0
    core = first_core(plan, "n2")
    for row in range(0, 400, 40):
        at = _word_of_a_row(plan, core, row)
        mutant = with_rows(plan, core, at, int(plan.memories[core].rows[at]) ^ (1 << bit))
        changed += not mismatches(network, reference, mutant, inputs).equal
    assert changed


def test_a_row_that_claims_more_synapses(plan, inputs):
    core = first_core(plan, "n2")
    at = _word_of_a_row(plan, core, 5) - HEADER + 1
    mutant = with_rows(plan, core, at, 255)
    on_spinnaker(mutant, inputs[:1])
    simulator = simulate.Simulator(mutant)
    assert simulator.synapses.short_rows == 1


def _word_of_a_row(plan, core, number):
    """Index of the first synapse of a row that has one."""
    memory = plan.memories[core]
    length = int(memory.addresses[0] & 0xFF) + 1
    block = int(memory.addresses[0] >> 8) * 4
    neurons = int(memory.entries["neurons"][0] & 0xFFFF)
    row = next(
        r % neurons for r in range(number, number + neurons) if memory.rows[block + r % neurons * (HEADER + length) + 1]
    )
    return block + row * (HEADER + length) + HEADER


def test_a_key_collision(network, reference, plan, inputs):
    """Two cores that send the same keys: the check names them, and spikes go astray."""
    core = first_core(plan, "n1")
    key = plan.keys.key.copy()
    key[core + 1] = key[core]
    mutant = replace(plan, keys=replace(plan.keys, key=key))
    assert keys_module.collisions(mutant.keys) == [(core, core + 1)]
    assert not mismatches(network, reference, mutant, inputs).equal


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_ring_buffer_shift_off_by_one(network, reference, plan, inputs, kind, change):
    changed = []
    for lowered in plan.lowering.populations:
        shifts = list(lowered.shifts)
        shifts[kind] += change
        changed.append(replace(lowered, shifts=tuple(shifts)) if lowered.population.name == "n2" else lowered)
    mutant = replace(plan, lowering=replace(plan.lowering, populations=tuple(changed)))
    result = mismatches(network, reference, mutant, inputs)
    assert result.first_mismatch.population == "n2"


def test_a_delay_off_by_one(network, reference, plan, inputs):
    """In the words of a whole core, and in the lowering of one connection."""
    core = first_core(plan, "n3")
    memory = plan.memories[core]
    at = _word_of_a_row(plan, core, 0)
    word = int(memory.rows[at])
    unit = 1 << (memory.neuron_bits + 1)
    changed = 0
    for row in range(0, 48, 3):
        at = _word_of_a_row(plan, core, row)
        word = int(memory.rows[at])
        changed += not mismatches(network, reference, with_rows(plan, core, at, word + unit), inputs).equal
    assert changed
    lowering = lower(network)
    late = tuple(
        replace(c, delay=c.delay + 1) if (c.source, c.target) == ("n1", "n3") else c for c in lowering.connections
    )
    mutant = rebuilt(plan, replace(lowering, connections=late))
    assert mismatches(network, reference, mutant, inputs).first_mismatch.population == "n3"


def test_a_changed_address(network, reference, plan, inputs):
    core = first_core(plan, "n2")
    memories = list(plan.memories)
    addresses = memories[core].addresses.copy()
    addresses[0] += 1 << 8
    memories[core] = replace(memories[core], addresses=addresses)
    assert not mismatches(network, reference, replace(plan, memories=tuple(memories)), inputs).equal


class Recurrent:
    """The recurrent network, what it should do with frames, and a plan of many cores."""

    def __init__(self):
        self.network = recurrent()
        self.inputs = images(self.network, 20, frames=True) // 16
        self.reference = on_cpu(self.network, self.inputs)
        self.plan = placed("spinnaker", self.network, neurons_per_core=6, cores_per_chip=2)

    def with_populations(self, **changes):
        """The plan whose neurons n1 have other parameters."""
        lowering = self.plan.lowering
        made = [
            replace(p, neurons=replace(p.neurons, **changes)) if p.population.name == "n1" else p
            for p in lowering.populations
        ]
        return replace(self.plan, lowering=replace(lowering, populations=tuple(made)))

    def differs(self, plan):
        return mismatches(self.network, self.reference, plan, self.inputs).first_mismatch


@pytest.fixture(scope="module")
def cycle():
    return Recurrent()


def test_the_recurrent_plan_itself_is_right(cycle):
    assert cycle.differs(cycle.plan) is None
    assert all(cycle.reference.counts[name].min() > 3 for name in ("n1", "n2"))
    schedule = cycle.plan.lowering.schedule
    assert (schedule.per_step, schedule.guard) == (2, 3)
    assert on_spinnaker(cycle.plan, cycle.inputs).run["plan"]["ticks"] == 2 * (20 * (12 + 3) - 3 - 1) + 3


def test_a_decay_or_drift_off_by_one(cycle):
    """Seen in the potentials of single neurons, which are those of the cpu target while nothing is changed."""
    neurons = cycle.plan.lowering.populations[0].neurons
    places = [(0, 2, 7), (0, 6, 0), (0, 6, 7), (1, 5, 13), (1, 6, 3)]
    due = states(placed("cpu", cycle.network), cycle.inputs)["n1"].v

    def wrong(plan):
        seen = [observed("spinnaker", plan, cycle.inputs, "n1", *at[:2], at[2:])[1] for at in places]
        return [at for at, v in zip(places, seen, strict=True) if v != due[at]]

    assert not wrong(cycle.plan)
    assert due[0].any()
    for change in (-1, 1):
        for name in ("keep", "current_keep"):
            assert wrong(cycle.with_populations(**{name: getattr(neurons, name) + change}))
        assert wrong(cycle.with_populations(drift=neurons.drift + (change << neurons.grain)))
    assert cycle.differs(cycle.with_populations(keep=neurons.keep + 40)).population == "n1"
    assert cycle.differs(cycle.with_populations(current_keep=neurons.current_keep + 40)).population == "n1"


def test_a_refractory_step_left_out(cycle):
    assert cycle.differs(cycle.with_populations(refractory=False)).population == "n1"


@pytest.mark.parametrize(
    ("pair", "change"),
    [(("n1", "n1"), 1), (("n1", "n1"), -1), (("n2", "n1"), 1), (("n2", "n2"), -1), (("n1", "out"), 1)],
)
def test_a_delay_of_a_cycle_off_by_one(cycle, pair, change):
    late = [
        replace(c, delay=c.delay + change) if (c.source, c.target) == pair else c
        for c in cycle.plan.lowering.connections
    ]
    plan = rebuilt(cycle.plan, replace(cycle.plan.lowering, connections=tuple(late)))
    assert cycle.differs(plan) is not None


def test_a_current_that_is_not_cleared_leaks_into_the_next_sample(cycle, monkeypatch):
    cleared, last = simulate.State.cleared, {}

    def keeps_current(size):
        state = cleared(size)
        state.u = last[size].u if size in last else state.u
        last[size] = state
        return state

    monkeypatch.setattr(simulate.State, "cleared", keeps_current)
    found = cycle.differs(cycle.plan)
    assert found.sample > 0


def test_samples_without_guard_steps_leak(cycle):
    lowering = cycle.plan.lowering
    mutant = replace(cycle.plan, lowering=replace(lowering, schedule=replace(lowering.schedule, guard=0)))
    assert cycle.differs(mutant).sample > 0
