"""Faults planted in the chip's program are found in the simulation and located by the comparison with the cpu."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_networks
import specified
from on_target import observed, placed, recorded

from inflor.targets.equivalence import compare as equivalence
from inflor.targets.loihi.simulate import session
from inflor.targets.loihi.simulate.build import lower
from inflor.targets.loihi.simulate.run import collect
from inflor.targets.record.recorder import Recorder

pytestmark = pytest.mark.usefixtures("lava")


def simulated(plan, network, inputs, change_plan=lambda p: p, change_job=lambda j, f: j):
    """The record of a plan with faults in the plan or in the job."""
    changed = change_plan(plan.layout)
    recorder = Recorder(plan.populations, network.info.timesteps, len(inputs), True)
    with session.job_folder() as folder:
        job, outputs = lower(changed, inputs[:, None], folder, False)
        session.run(folder, change_job(job, folder), timeout=120)
        collect(network, changed, outputs, len(inputs), recorder)
    return recorder.finish(None, {})


def on_cpu(network, inputs):
    plan = placed("cpu", network)
    return recorded("cpu", plan, inputs)


def flip_weight_bit(plan):
    def flipped(s):
        if not s.name.endswith("n1->n2"):
            return s
        weight = s.kernel.weight.copy()
        weight[2, 1, 1, 1] ^= 1 << 5
        return replace(s, kernel=replace(s.kernel, weight=weight))

    return replace(plan, synapses=tuple(map(flipped, plan.synapses)))


def one_step_late(plan):
    made = tuple(replace(s, delay=s.delay + 1) if s.delay == 1 else s for s in plan.synapses)
    assert made != plan.synapses
    return replace(plan, synapses=made)


def changed_population(plan, name, **changes):
    groups = tuple(
        replace(g, population=g.population.with_rule(**changes)) if g.name == name else g for g in plan.groups
    )
    return replace(plan, groups=groups)


def reset_offset(job, folder):
    """The reset of n4 comes one step late; what it records stays where it was."""

    def late(p):
        key = "depth" if "depth" in p.arguments else "reset_offset"
        return replace(p, arguments={**p.arguments, key: p.arguments[key] + 1}) if p.name == "neurons n4" else p

    return replace(job, processes=tuple(map(late, job.processes)))


FAULTS = {
    "weight bit": ("n2", {"change_plan": flip_weight_bit}),
    "threshold by one": (
        "n2",
        {"change_plan": lambda p: changed_population(p, "n2", threshold=p.groups[2].population.rule.threshold + 1)},
    ),
    "delay by one": ("n3", {"change_plan": one_step_late}),
    "dropped bias": ("n2", {"change_plan": lambda p: changed_population(p, "n2", bias=np.array(0))}),
    "reset offset": ("n4", {"change_job": reset_offset}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_simulation_is_located(fault):
    network, inputs = small_networks.residual(np.random.default_rng(5))
    plan = placed("loihi", network, balance="delay")
    where, changes = FAULTS[fault]
    records = {"cpu": on_cpu(network, inputs), "loihi": simulated(plan, network, inputs, **changes)}
    result = equivalence.compare(network, records, inputs)
    found = result.first_mismatch
    assert found is not None
    assert found.population == where
    right, wrong = found.sides
    assert right.value == right.due
    assert wrong.value != wrong.due == right.due


@pytest.mark.parametrize("soft_reset", ["microcode", "stock"])
def test_the_simulation_shows_its_own_state(soft_reset):
    network, inputs = small_networks.residual(np.random.default_rng(5))
    plan = placed("loihi", network, soft_reset=soft_reset)
    spikes = specified.run_all(network, inputs)
    for population, sample, timestep, neuron in (
        ("n3", 1, 3, (2, 4, 1)),
        ("n1", 0, 2, (1, 6, 5)),
        ("n5", 2, 1, (4, 0, 2)),
    ):
        target = network.by_name[population]
        record = on_cpu(network, inputs)
        place = equivalence.Mismatch(
            population=population, depth=0, sample=sample, timestep=timestep, neuron=neuron, sides=()
        )
        a, v, _ = equivalence._due(network, target, record, inputs, place)
        seen = observed("loihi", plan, inputs, population, sample, timestep, neuron)
        fired = spikes[population][(sample, timestep, *neuron)]
        assert seen[0] == a
        assert seen[1] == v or (
            fired and seen[1] is None and target.rule.reset_kind == "zero" and soft_reset == "microcode"
        )


def test_check_runs_both_and_compares(lava):
    network, inputs = small_networks.residual(np.random.default_rng(5))
    result = equivalence.check(network, ["cpu", "loihi"], inputs, {"loihi": {"soft_reset": "stock", "timeout": 120}})
    assert result.equal
    assert result.compared_spikes == 3 * 4 * (3 * 168 + 3 * 72)
