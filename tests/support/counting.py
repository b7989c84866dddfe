"""Counts of a record by loops over single spikes: slow, plain, and written for the tests."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import operator_loops
from on_target import placed, recorded

from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.operators import Conv, Linear, Scale
from inflor.targets.record.file import Record


def emulate(network: IntegerNetwork, inputs: np.ndarray) -> Record:
    plan = placed("cpu", network)
    return recorded("cpu", plan, inputs)


class Loop:
    """Every spike of a record, one by one. inputs: None where no input value is known to be zero."""

    def __init__(self, network: IntegerNetwork, record: Record, inputs: np.ndarray | None = None):
        self.network, self.record, self.inputs = network, record, inputs
        self._targets: dict[tuple[int, int, bool], np.ndarray] = {}

    def firings(self, name: str):
        """(sample, step, neuron) of every spike, or of every graded value that is not known to be zero."""
        population = self.network.by_name[name]
        if population.role == "readout":
            return
        if population.role != "input":
            spikes = self.record.spikes(name)
            spikes = spikes.reshape(*spikes.shape[:2], -1)
        else:
            spikes = np.ones((self.record.samples, self.record.timesteps, population.size), bool)
            if self.inputs is not None:
                values = self.inputs
                if values.shape[1:] == population.shape:
                    values = np.repeat(values[:, None], self.record.timesteps, axis=1)
                spikes = values.reshape(spikes.shape) != 0
        for sample, step, neuron in np.argwhere(spikes):
            yield int(sample), int(step), int(neuron)

    def reached(self, number: int, neuron: int, zeros: bool = False) -> np.ndarray:
        """Targets of one source neuron by one projection: those that a spike of it alone changes."""
        if (number, neuron, zeros) not in self._targets:
            projection = self.network.projections[number]
            shape = self.network.by_name[projection.source].shape
            x = np.zeros(shape, np.int64)
            x.flat[neuron] = 1
            for operator in projection.operators:
                if zeros and isinstance(operator, Conv | Linear | Scale):
                    operator = replace(operator, weight=np.ones_like(operator.weight))
                x = operator_loops.operate(operator, x)
            self._targets[number, neuron, zeros] = np.flatnonzero(x)
        return self._targets[number, neuron, zeros]

    def incoming(self, name: str) -> list[tuple[int, Projection]]:
        return [(i, q) for i, q in enumerate(self.network.projections) if q.target == name]

    def count(self, name: str) -> Counter:
        """Of one population, the fields of PopulationCounts."""
        population = self.network.by_name[name]
        found: Counter = Counter()
        active = set()
        for number, projection in self.incoming(name):
            graded = self.network.by_name[projection.source].role == "input"
            for sample, step, neuron in self.firings(projection.source):
                reached = self.reached(number, neuron)
                found["input_macs" if graded else "synaptic_events"] += len(reached)
                if not graded:
                    found["zero_weight_events"] += len(self.reached(number, neuron, zeros=True)) - len(reached)
                if step + projection.delay < self.record.timesteps:
                    active |= {(sample, step + projection.delay, int(r)) for r in reached}
        found["spikes"] = sum(1 for _ in self.firings(name))
        active |= set(self.firings(name))
        driven = (population.broadcast(population.rule.bias) != 0) | (population.broadcast(population.rule.drift) != 0)
        for sample, step in np.ndindex(self.record.samples, self.record.timesteps):
            active |= {(sample, step, int(n)) for n in np.flatnonzero(driven)}
        found["active_updates"] = len(active)
        found["neuron_updates"] = self.record.samples * self.record.timesteps * population.size
        return found

    def cores_reached(self, name: str, neuron: int, cores: dict[str, np.ndarray]) -> set[int]:
        """Cores that a spike of one neuron has synapses on."""
        found: set[int] = set()
        for number, projection in enumerate(self.network.projections):
            if projection.source == name and projection.target in cores:
                found |= {int(c) for c in cores[projection.target][self.reached(number, neuron)]}
        return found
