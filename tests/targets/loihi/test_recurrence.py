"""Recurrent, current-based networks: guard steps keep samples apart, and what a chip has no time for is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_networks
import specified
from on_target import observed, placed, recorded, violated

from inflor.converter.errors import InputError
from inflor.quant.ir.network import Projection
from inflor.quant.ir.neuron import Subtract
from inflor.quant.operators import Linear
from inflor.targets.cpu.emulator import states
from inflor.targets.equivalence import compare as equivalence
from inflor.targets.loihi.simulate import session
from inflor.targets.loihi.simulate.build import lower
from inflor.targets.loihi.simulate.run import collect
from inflor.targets.record.recorder import Recorder

TIMESTEPS = 6


def recurrent(rng):
    """Two current-based layers that feed themselves, the second also the first; biases, drifts, frames in time."""

    def cuba(name, size, current_decay, decay, **more):
        neurons = small_networks.population(name, (size,), "spiking", rng.integers(150, 300, size), "zero", 0, **more)
        drift = rng.integers(0, 900, size)
        return neurons.with_rule(current_decay=current_decay, decay=decay, drift=drift, fraction_bits=6)

    def dense(source, target, delay, out, inner, limit=90):
        return Projection(
            source, target, (Linear("w", rng.integers(-limit, limit + 1, (out, inner))),), exponent=0, delay=delay
        )

    out = small_networks.population("out", (3,), "readout", bias=rng.integers(-50, 50, 3))
    made = [
        small_networks.population("input", (5,), "input"),
        cuba("h1", 9, np.array(2000), rng.integers(50, 900, 9), bias=rng.integers(5, 90, 9)),
        cuba("h2", 7, np.array(900), np.array(300), bias=rng.integers(5, 90, 7)),
        out.with_rule(decay=np.array(200), current_decay=np.array(3000), fraction_bits=6),
    ]
    projections = [
        dense("input", "h1", 0, 9, 5, limit=4),
        dense("h1", "h2", 0, 7, 9),
        dense("h2", "out", 0, 3, 7),
        dense("h1", "h1", 1, 9, 9),
        dense("h2", "h2", 1, 7, 7),
        dense("h2", "h1", 2, 9, 7),
    ]
    net = small_networks.network(made, projections, TIMESTEPS)
    return net, rng.integers(-128, 128, (4, TIMESTEPS, 5)).astype(np.int8)


def simulated(net, inputs, change_plan=lambda p: p, change_job=lambda j, f: j, **options):
    plan = placed("loihi", net, timeout=120, **options)
    changed = change_plan(plan.layout)
    recorder = Recorder(plan.populations, net.info.timesteps, len(inputs), True)
    with session.job_folder() as folder:
        job, outputs = lower(changed, net.frames(inputs), folder, plan.options.exact_lava)
        session.run(folder, change_job(job, folder), timeout=120)
        collect(net, changed, outputs, len(inputs), recorder)
    return recorder.finish(None, {})


def on_cpu(net, inputs):
    plan = placed("cpu", net)
    return recorded("cpu", plan, inputs)


@pytest.mark.usefixtures("lava")
@pytest.mark.parametrize(
    "options", [{"soft_reset": "microcode"}, {"soft_reset": "stock"}, {"soft_reset": "stock", "exact_lava": True}]
)
def test_samples_back_to_back(options):
    net, inputs = recurrent(np.random.default_rng(3))
    plan = placed("loihi", net, **options).layout
    roles = {g.name: g.role for g in plan.groups}
    assert roles["h1"] == roles["h2"] == ("program" if options["soft_reset"] == "microcode" else "lif")
    assert plan.period == TIMESTEPS + 2
    record = simulated(net, inputs, **options)
    for name, values in specified.run_all(net, inputs).items():
        got = record.outputs[name].reshape(values.shape) if name == "out" else record.spikes(name)
        np.testing.assert_array_equal(got, values, err_msg=name)
    assert 0.1 < record.counts["h2"].sum() / (7 * TIMESTEPS * len(inputs)) < 0.6


def no_guard(plan):
    return replace(plan, period=plan.active, reset_interval=plan.active)


def nothing_is_silenced(plan):
    return replace(plan, groups=tuple(replace(g, muted=False) for g in plan.groups))


def one_step_late(plan):
    late = tuple(replace(s, delay=s.delay + 1) if s.source == s.target == "h2" else s for s in plan.synapses)
    return replace(plan, synapses=late)


def no_current(job, folder):
    def forgets(p):
        return replace(p, arguments={**p.arguments, "du": 4095}) if p.name == "neurons h1" else p

    return replace(job, processes=tuple(map(forgets, job.processes)))


FAULTS = {
    "no guard": ("h1", {"change_plan": no_guard}),
    "not silenced": ("h1", {"change_plan": nothing_is_silenced}),
    "one step late": ("h2", {"change_plan": one_step_late}),
    "no current": ("h1", {"change_job": no_current}),
}


@pytest.mark.usefixtures("lava")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_located(fault):
    net, inputs = recurrent(np.random.default_rng(3))
    where, changes = FAULTS[fault]
    records = {"cpu": on_cpu(net, inputs), "loihi": simulated(net, inputs, soft_reset="stock", **changes)}
    found = equivalence.compare(net, records, inputs).first_mismatch
    assert found is not None
    assert found.population == where
    right, wrong = found.sides
    assert right.value == right.due
    assert wrong.value != wrong.due
    if "guard" in fault or "silenced" in fault:
        assert found.sample > 0


@pytest.mark.usefixtures("lava")
@pytest.mark.parametrize(
    ("soft_reset", "population", "neuron"), [("microcode", "h1", (2,)), ("stock", "h1", (2,)), ("stock", "h2", (4,))]
)
def test_the_simulation_shows_its_own_state(soft_reset, population, neuron):
    net, inputs = recurrent(np.random.default_rng(3))
    plan = placed("loihi", net, soft_reset=soft_reset)
    trace = states(placed("cpu", net), inputs)
    fired = on_cpu(net, inputs)
    a, v = observed("loihi", plan, inputs, population, 1, 4, neuron)
    place = equivalence.Mismatch(population=population, depth=0, sample=1, timestep=4, neuron=neuron, sides=())
    assert a == equivalence._due(net, net.by_name[population], fired, inputs, place)[0]
    spiked = bool(fired.spikes(population)[(1, 4, *neuron)])
    assert v == (None if spiked and soft_reset == "stock" else trace[population].v[(1, 4, *neuron)])


def with_delay(net, name, delay):
    changed = (replace(q, delay=delay) if q.name == name else q for q in net.projections)
    return replace(net, projections=tuple(changed))


def test_what_a_chip_has_no_time_for_is_refused():
    net, _ = recurrent(np.random.default_rng(3))
    back = replace(net.projections[-1], operators=(replace(net.projections[-1].operators[0], name="back"),))
    net = replace(net, projections=(*net.projections[:-1], back))
    (violation,) = violated("loihi", with_delay(net, "back", 1))
    assert str(violation) == (
        "population 'h1': projection 'back' leads back over 2 synapses with a delay of 1, allowed is 2 or more; "
        "give it a delay of 2 steps before training, or use another target"
    )
    with pytest.raises(InputError, match="use `guard='short'`"):
        placed("loihi", net, soft_reset="stock", guard="long")
    soft = tuple(p.with_rule(reset=Subtract(p.rule.threshold)) if p.name == "h1" else p for p in net.populations)
    with pytest.raises(InputError, match=r"'h1': soft reset with a leak.*`soft_reset='microcode'`"):
        placed("loihi", replace(net, populations=soft), soft_reset="stock")


def test_a_state_that_cannot_be_silenced_is_refused_where_nothing_would_notice():
    """A current that is kept for ever, of 200 steps: no proof that it stays within half of 24 bits."""
    net, _ = recurrent(np.random.default_rng(3))
    kept = tuple(p.with_rule(current_decay=np.array(0)) if p.name == "h1" else p for p in net.populations)
    net = replace(net, populations=kept, info=replace(net.info, timesteps=200))
    with pytest.raises(InputError, match=r"'h1' may leave the 24 bits.*`exact_lava`"):
        placed("loihi", net, soft_reset="stock", exact_lava=True)
    assert placed("loihi", net, soft_reset="stock").layout.guard == "short"


def test_a_core_holds_so_many_pairs_of_decays():
    """Loihi 1 has 32 configurations of compartments to a core: 40 neurons with a decay each need two cores."""
    net, _ = recurrent(np.random.default_rng(3))
    made = [net.populations[0], net.populations[-1]]
    wide = replace(net.populations[1], name="h", shape=(40,))
    wide = wide.with_rule(threshold=np.array(9), decay=np.arange(40), bias=np.array(0), drift=np.array(0))
    links = [
        Projection("input", "h", (Linear("a", np.ones((40, 5), np.int64)),)),
        Projection("h", "out", (Linear("b", np.ones((3, 40), np.int64)),)),
    ]
    net = small_networks.network([made[0], wide, made[1]], links, 3)
    cores = placed("loihi", net, chip="loihi1", soft_reset="stock", first_layer="chip").mapping.cores
    assert [c.decays for c in cores if c.population == "h"] == [20, 20]
