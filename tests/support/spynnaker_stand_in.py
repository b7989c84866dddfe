"""Stands in for `pyNN.spiNNaker`: runs a script's populations in s16.15, tick by tick, as SpiNNaker's cores would.

Only what the scripts of `inflor.targets.spinnaker.export_script` use. sPyNNaker itself fires nothing without a board.
"""

from __future__ import annotations

import runpy
import sys
from types import ModuleType

import numpy as np

ONE = 1 << 15


def raw(values, size=()):
    return np.rint(np.zeros(size) + np.asarray(values, float) * ONE).astype(np.int64)


def run(monkeypatch, script, *arguments):
    """The script's populations by label, after its run: each has spikes [ticks, neurons] and v [ticks, neurons]."""
    module = ModuleType("pyNN.spiNNaker")
    module.populations, module.projections = {}, []
    for made in (IF_curr_delta, IF_curr_exp, FromListConnector, StepCurrentSource):
        setattr(module, made.__name__, made)
    module.Population = lambda *given, **named: Population(module.populations, *given, **named)
    module.Projection = lambda *given, **named: module.projections.append((*given, named["receptor_type"]))
    module.setup = lambda timestep: None
    module.run = lambda ticks: simulate(module.populations, module.projections, int(ticks))
    module.end = lambda: None
    package = ModuleType("pyNN")
    package.spiNNaker = module
    monkeypatch.setitem(sys.modules, "pyNN", package)
    monkeypatch.setitem(sys.modules, "pyNN.spiNNaker", module)
    monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
    runpy.run_path(str(script))
    return module.populations


class Parameters:
    def __init__(self, **values):
        self.values = values


class IF_curr_delta(Parameters):  # the names of PyNN
    pass


class IF_curr_exp(Parameters):
    pass


class FromListConnector:
    def __init__(self, rows, column_names):
        assert column_names == ["weight", "delay"]
        self.rows = np.asarray(rows, float)


class StepCurrentSource:
    def __init__(self, times, amplitudes):
        assert min(amplitudes) >= 0
        self.times, self.amplitudes = times, amplitudes

    def inject_into(self, view):
        population, neurons = view
        population.sources.append((neurons, dict(zip(self.times, self.amplitudes, strict=True))))


class Population:
    def __init__(self, everyone, size, cell, label):
        everyone[label] = self
        self.size, self.values, self.exponential = size, cell.values, isinstance(cell, IF_curr_exp)
        self.sources, self.offset = [], raw(0, size)

    def __getitem__(self, neurons):
        return self, neurons

    def initialize(self, v):
        assert v == 0

    def set(self, i_offset):
        self.offset = raw(i_offset, self.size)

    def add_placement_constraint(self, x, y, p):
        pass

    def record(self, what):
        pass

    def get_data(self):
        return None

    def prepare(self, ticks, slots):
        tau = raw(self.values["tau_m"], self.size) / ONE
        self.exp_tc = raw(np.exp(-1 / tau))
        self.resistance = raw(tau / (raw(self.values["cm"], self.size) / ONE))
        self.reset, self.threshold = (raw(self.values[n], self.size) for n in ("v_reset", "v_thresh"))
        self.ring, self.current = np.zeros((slots, 2, self.size), np.int64), np.zeros((2, self.size), np.int64)
        self.now, self.state, self.rest = (np.zeros(self.size, np.int64) for _ in range(3))
        self.spikes, self.v = np.zeros((ticks, self.size), bool), np.zeros((ticks, self.size))
        if self.exponential:
            syn = raw(self.values["tau_syn_E"], self.size) / ONE
            self.keep, self.init = np.exp(-1 / syn), syn * (1 - np.exp(-1 / syn))

    def step(self, tick):
        arriving, slot = self.ring[tick % len(self.ring)].copy(), self.ring[tick % len(self.ring)]
        slot[:] = 0
        if self.exponential:
            arriving = self.current = np.trunc(self.current * self.keep).astype(np.int64) + np.trunc(
                arriving * self.init
            ).astype(np.int64)
        for neurons, amplitudes in self.sources:
            if tick in amplitudes:
                self.now[neurons] = raw(amplitudes[tick])
        total = arriving[0] - arriving[1] + self.offset + self.now
        alpha = (total * self.resistance) >> 15
        updated = alpha - ((self.exp_tc * (alpha - self.state)) >> 15)
        self.state = np.where(self.rest > 0, self.state, updated)
        assert np.abs(alpha).max() < 1 << 31
        self.rest = np.maximum(self.rest - 1, 0)
        fired = self.state >= self.threshold
        self.v[tick], self.spikes[tick] = self.state / ONE, fired
        self.state = np.where(fired, self.reset, self.state)
        self.rest = np.where(fired, int(self.values["tau_refrac"]), self.rest)
        return fired


def simulate(populations, projections, ticks):
    slots = 1 + max([int(p[2].rows[:, 3].max()) for p in projections], default=0)
    for population in populations.values():
        population.prepare(ticks, slots)
    shifts = {}
    for target in populations.values():
        for kind in ("excitatory", "inhibitory"):
            sums = np.zeros(target.size)
            for _, to, connector, what in projections:
                if to is target and what == kind:
                    np.add.at(sums, connector.rows[:, 1].astype(int), connector.rows[:, 2])
            shifts[id(target), kind] = max(0, int(np.ceil(np.log2(max(sums.max(), 1e-9)))))
    for tick in range(ticks):
        fired = {id(p): p.step(tick) for p in populations.values()}
        for source, target, connector, kind in projections:
            for _, j, weight, delay in connector.rows[fired[id(source)][connector.rows[:, 0].astype(int)]]:
                shift = shifts[id(target), kind]
                stored = int(np.rint(weight * 2.0 ** (15 - shift)))
                target.ring[(tick + int(delay)) % slots, int(kind == "inhibitory"), int(j)] += stored << shift
