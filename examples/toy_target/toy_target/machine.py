"""Places networks on the toy chip, runs them with numpy, and says what a run costs."""

from typing import NamedTuple

import numpy as np

from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.ir.ranges import prove_no_overflow
from inflor.quant.operators import unrolled
from inflor.targets.api import Described, UnplaceableError, Violation
from inflor.targets.chips.figures import Figure
from inflor.targets.cost.result import Estimate
from inflor.targets.cost.terms import energy_term
from inflor.targets.mapping import Resource, on_grid
from inflor.targets.record.file import RecordedPopulation, batch_of, recorded_populations
from toy_target import ToyOptions

SOURCE = {"source": "A. Toymaker, A chip that does not exist, 2026, table 1", "kind": "claimed", "check": "A"}
JOULES = {"synaptic_events": 5e-12, "input_events": 5e-12, "neuron_updates": 9e-12}


class ToyPlan(NamedTuple):
    network: IntegerNetwork
    cores: dict[str, np.ndarray]  # the core of every neuron of each population, [size]
    populations: tuple[RecordedPopulation, ...]  # what a run promises to record

    def summary(self):
        return {"cores": len(np.unique(np.concatenate([*self.cores.values()])))}


def violations(network, options):
    neurons, room = sum(p.size for p in recorded_populations(network)), 64 * options.neurons_per_core
    broken = [Violation(r.population, "bits", r.bits_needed, 32, "use fewer") for r in prove_no_overflow(network, 32)]
    return broken + [Violation("all", "neurons", neurons, room, "allow more `neurons_per_core`")] * (neurons > room)


def place(network, options, rates):
    if broken := violations(network, options):
        raise UnplaceableError(network.source, "toy1", broken)
    populations = recorded_populations(network)
    ends = np.cumsum([p.size for p in populations])
    core = np.arange(ends[-1]) % -(-ends[-1] // options.neurons_per_core)  # dealt like cards
    return ToyPlan(network, {p.name: core[e - p.size : e] for p, e in zip(populations, ends, strict=True)}, populations)


def describe(plan):
    rows = [{"name": n, "neurons": len(c), "cores": len(set(c.tolist()))} for n, c in plan.cores.items()]
    return Described(data=plan.summary() | {"rows": rows}, columns=tuple((k, k) for k in rows[0]), rows=rows)


def core_map(network, chip, rates):
    cores = place(network, ToyOptions(), rates).cores
    held = Resource("neurons", np.bincount(np.concatenate([*cores.values()])), 256)
    return on_grid(network, chip, cores, columns=8, rows=8, resources=(held,))


def energy(case):
    figures = {name: Figure(name=f"toy1.{name}", energy=joules, **SOURCE) for name, joules in JOULES.items()}
    terms = tuple(energy_term(n.replace("_", " "), case.by_population(n), case.samples, f) for n, f in figures.items())
    return Estimate(name="toy1", hardware="toy1", title="Toy 1", terms=terms, notes=case.notes(), mapped=case.mapped)


def run(plan, inputs, recorder, progress):
    net, steps = plan.network, plan.network.info.timesteps
    synapses = [(q, unrolled(q.operators, net.by_name[q.source].shape) * 2**q.exponent) for q in net.projections]
    for done, frames in enumerate(net.frames(inputs), start=1):  # one sample: [1 or T, *shape]
        sent = {p.name: np.zeros((steps, *p.shape), np.int64) for p in net.populations}
        sent[net.inputs[0].name][:] = frames
        v = {p.name: np.zeros(p.shape, np.int64) for p in plan.populations}
        for t in range(steps):
            for p in (p for p in net.populations if p.role != "input"):
                arrive = [(m, sent[q.source][t - q.delay]) for q, m in synapses if q.target == p.name and t >= q.delay]
                a = sum((matrix @ spikes.ravel()).reshape(p.shape) for matrix, spikes in arrive)
                sent[p.name][t], v[p.name] = step(p, v[p.name], a)
        recorder.add(batch_of(net, {p.name: sent[p.name][:, None] for p in plan.populations}))
        if progress is not None:
            progress(done, len(inputs))
    return {}  # facts of the run


def step(p, v, a):
    """What the neurons of a population send, and the potentials that they keep."""
    v = np.sign(v) * (np.abs(v) * (4096 - p.rule.decay) >> 12) + a + p.rule.bias
    fired = (v > p.rule.threshold) & (p.role == "spiking")
    kept = np.where(fired, v - p.rule.reset_value if p.rule.reset_kind == "subtract" else 0, v)
    return (v if p.role == "readout" else fired), kept
