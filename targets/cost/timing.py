"""Seconds per inference of chips that work in steps: the busiest core of each step, and the barrier after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inflor.targets.cost.mapped import Load

StepArray = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Steps:
    """single: seconds from the first step of a sample to the last of the readout; streamed: between two samples.

    Both are means over the samples. steps: of a sample alone. events, updates: those of the busiest cores of these
    steps, so that single = events x per_event + updates x per_update + steps x barrier.
    """

    single: float
    streamed: float
    steps: int
    events: float
    updates: float


def stepped(load: Load, period: int, per_event: float, per_update: float, barrier: float) -> Steps:
    """A core takes its neuron updates and its synaptic events one after the other; a step takes its busiest core.

    Every core updates its neurons in every step. Streamed, a sample starts every `period` steps, before the one before
    has left the deeper populations; the record is taken as a ring.
    """
    samples, steps, _ = load.events.shape
    own = load.neurons * per_update
    busiest = (load.events * per_event + own).argmax(2)  # [samples, steps]
    events = float(np.take_along_axis(load.events, busiest[:, :, None], 2).sum() / samples)
    updates = float(load.neurons[busiest].sum() / samples)
    alone = events * per_event + updates * per_update + steps * barrier
    ring = np.zeros((samples * period, len(own)))
    line = streamed(load.events, period)
    for start in range(0, len(line), len(ring)):
        part = line[start : start + len(ring)]
        ring[: len(part)] += part
    together = (ring * per_event + own).max(1).mean() + barrier
    return Steps(alone, float(together * period), steps, events, updates)


def streamed(counts: StepArray, period: int) -> StepArray:
    """Counts of samples [samples, steps, cores] that start every `period` steps, int64 [chip steps, cores]."""
    samples, steps, cores = counts.shape
    line = np.zeros(((samples - 1) * period + max(steps, period), cores), np.int64)
    for step in range(steps):
        line[step : step + (samples - 1) * period + 1 : period] += counts[:, step]
    return line


@dataclass(frozen=True)
class Tick:
    """A tick in whole milliseconds; most instructions and most packets of a core in any tick, which it has to hold."""

    milliseconds: int
    instructions: int
    packets: int


def tick(load: Load, period: int, instructions: tuple[int, int, int], cycles: int, spike_buffer: int) -> Tick:
    """Ticks so long that no core is late and no buffer of packets fills; at least 1 ms.

    instructions: per neuron, per event and per packet; cycles: of one millisecond.
    """
    per_neuron, per_event, per_packet = instructions
    events, packets = streamed(load.events, period), streamed(load.packets, period)
    most = int((events * per_event + packets * per_packet + load.neurons * per_neuron).max(initial=0))
    received = int(packets.max(initial=0))
    return Tick(max(1, -(-most // cycles), -(-received // spike_buffer)), most, received)
