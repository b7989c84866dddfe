"""Runs a plan tick by tick: cores take their ring buffers, update neurons, and send packets that the routers carry.

Samples stream back to back. A population clears its state at the first step of each sample (wavefront reset), and takes
the source currents that the host wrote for it; `inflor.targets.spinnaker.layout.schedule` says at which ticks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.quant.operators import IntArray
from inflor.targets.api import Progress
from inflor.targets.record.file import batch_of
from inflor.targets.record.recorder import Recorder
from inflor.targets.spinnaker.layout.partition import Partition
from inflor.targets.spinnaker.numbers import Lowered
from inflor.targets.spinnaker.place.memory import spans
from inflor.targets.spinnaker.plan import SpinnakerPlan
from inflor.targets.spinnaker.simulate.arithmetic import RING_MAX, State, fire, integrate
from inflor.targets.spinnaker.simulate.synapses import Synapses, connect

Sample = dict[str, npt.NDArray[Any]]
LEAST = np.iinfo(np.int64).min
"""Of a port that is masked, which no maximum takes."""


@dataclass
class Load:
    """What a run did, and the worst that any core met in one tick: (number, core, tick).

    written: bytes of source currents, by the host.
    """

    ticks: int = 0
    spikes: int = 0
    packets: int = 0
    events: int = 0
    updates: int = 0
    written: int = 0
    dropped: int = 0
    late: int = 0
    first_drop: tuple[int, int] | None = None
    first_late: tuple[int, int] | None = None
    most_packets: tuple[int, int, int] = (0, 0, 0)
    most_instructions: tuple[int, int, int] = (0, 0, 0)
    saturated: dict[str, int] = field(default_factory=dict)
    wrapped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Watch:
    """One neuron at one step of a sample, whose input and potential are wanted. neuron: row-major index."""

    population: str
    sample: int
    timestep: int
    neuron: int


class Simulator:
    """A machine that is loaded and ready."""

    def __init__(self, plan: SpinnakerPlan):
        self.plan = plan
        self.synapses: Synapses = connect(plan)
        self.load = Load()
        self.seen: tuple[int, int] | None = None
        self._reported: dict[str, int] = {}
        self._first = np.concatenate([[0], np.cumsum(plan.neurons)])
        self._ring = np.zeros((self.synapses.slots, self.synapses.ring_size), np.float64)
        self._blocks = [
            _Block(plan, lowered, cut, int(first), self.synapses.ring_base)
            for lowered, cut, first in zip(
                plan.lowering.populations, plan.partitions, plan.first_core[:-1], strict=True
            )
        ]

    def run(
        self,
        inputs: npt.NDArray[Any],
        recorder: Recorder | None,
        progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> None:
        """Stream images [samples, *shape] or frames [samples, T, *shape]. Raises what `IntegerNetwork.frames` raises.

        watch: fills in `seen` with (a, v before the reset).
        """
        schedule, samples = self.plan.lowering.schedule, len(inputs)
        frames = self.plan.network.frames(inputs)
        flight: dict[int, Sample] = {}
        for tick in range(1, schedule.end(samples) + 1):
            firing: list[IntArray] = []
            active = np.zeros(len(self.plan.neurons), bool)
            for block in self._blocks:
                sample, step = schedule.at(tick, block.lowered.stage) or (samples, 0)
                if sample >= samples:
                    continue
                active[block.cores] = True
                self.load.written += 4 * block.take_source_currents(frames[sample], step)
                spikes = self._update(block, tick, step)
                if watch is not None and (watch.population, watch.sample, watch.timestep) == (block.name, sample, step):
                    self.seen = block.look(watch.neuron)
                firing.append(self._first[block.cores.start] + np.flatnonzero(spikes))
                _write(flight.setdefault(sample, {}), block, step, schedule.timesteps, spikes)
            self._send(np.concatenate([np.zeros(0, np.int64), *firing]), tick, active)
            self._finish(flight, tick, samples, recorder, progress)
        self.load.ticks += schedule.end(samples)

    def _update(self, block: _Block, tick: int, step: int) -> npt.NDArray[np.bool_]:
        """One tick of a population; spikes in the order of its cores."""
        if step == 0:
            block.state = State.cleared(len(block.order))
        slot = self._ring[tick % self.synapses.slots]
        excitatory, inhibitory = slot[block.excitatory].astype(np.int64), slot[block.inhibitory].astype(np.int64)
        shifts = block.lowered.shifts
        block.current = block.joined((excitatory << shifts[0]) - (inhibitory << shifts[1]))
        wrapped = integrate(block.neurons, block.state, block.current)
        block.before = block.state.v
        spikes, more = fire(block.neurons, block.state)
        if wrapped + more:
            self.load.wrapped[block.name] = self.load.wrapped.get(block.name, 0) + wrapped + more
        return spikes

    def _send(self, neurons: IntArray, tick: int, active: npt.NDArray[np.bool_]) -> None:
        """Packets of all neurons that fire, to ring buffers; and what that costs the cores they come to."""
        synapses, limits, load = self.synapses, self.plan.limits, self.load
        self._ring[tick % synapses.slots] = 0
        counts = synapses.start[neurons + 1] - synapses.start[neurons]
        delivery = spans(synapses.start[neurons], counts)
        delivery = delivery[(synapses.colors[delivery] >> (tick & 15)) & 1 == 1]
        cores = len(self.plan.neurons)
        packets = np.bincount(synapses.core[delivery] + 1, minlength=cores + 1)[1:]
        load.most_packets = max(load.most_packets, (int(packets.max()), int(packets.argmax()), tick))
        scale = self.plan.options.time_scale
        if scale and packets.max(initial=0) > scale * limits.spike_buffer:
            delivery = self._drop(delivery, packets, tick, scale * limits.spike_buffer)
            packets = np.minimum(packets, scale * limits.spike_buffer)
        row = synapses.row[delivery]
        delivery, row = delivery[row >= 0], row[row >= 0]
        length = synapses.row_start[row + 1] - synapses.row_start[row]
        events = np.bincount(synapses.core[delivery], length, minlength=cores).astype(np.int64)
        self._add(spans(synapses.row_start[row], length), tick)
        updated = self.plan.neurons * active
        work = limits.per_neuron * updated + limits.per_event * events + limits.per_packet * packets
        load.spikes += len(neurons)
        load.packets += int(packets.sum())
        load.events += int(events.sum())
        load.updates += int(updated.sum())
        load.most_instructions = max(load.most_instructions, (int(work.max()), int(work.argmax()), tick))
        if scale and work.max() > scale * limits.cycles:
            load.late += int((work > scale * limits.cycles).sum())
            load.first_late = load.first_late or (int(work.argmax()), tick)

    def _drop(self, delivery: IntArray, packets: IntArray, tick: int, room: int) -> IntArray:
        """Deliveries without those that find a full spike buffer: on each core the last by key."""
        core = self.synapses.core[delivery]
        order = np.argsort(core, kind="stable")
        begin = np.searchsorted(core[order], np.arange(len(packets)))
        rank = np.arange(len(order)) - begin[np.maximum(core[order], 0)]
        keep = np.ones(len(order), bool)
        keep[order] = (rank < room) | (core[order] < 0)
        self.load.dropped += int((~keep).sum())
        self.load.first_drop = self.load.first_drop or (int((packets > room).argmax()), tick)
        return delivery[keep]

    def _add(self, synapse: IntArray, tick: int) -> None:
        """Add stored weights into the ring buffers, which stay at their largest value instead of overflowing."""
        synapses, size = self.synapses, self.synapses.ring_size
        delay = synapses.delay[synapse]
        low, high = int(delay.min(initial=1)), int(delay.max(initial=1))
        for d in range(low, high + 1):
            chosen = synapse if low == high else synapse[delay == d]
            if not len(chosen):
                continue
            slot = self._ring[(tick + d) % synapses.slots]
            slot += np.bincount(synapses.ring[chosen], synapses.weight[chosen], minlength=size)
            if slot.max() > RING_MAX:
                self._saturate(slot)

    def _saturate(self, slot: npt.NDArray[np.float64]) -> None:
        full = np.flatnonzero(slot > RING_MAX)
        slot[full] = RING_MAX
        core = np.searchsorted(self.synapses.ring_base, full, side="right") - 1
        for name in (self.plan.partitions[i].name for i in self.plan.population_of[core]):
            self.load.saturated[name] = self.load.saturated.get(name, 0) + 1

    def _finish(
        self,
        flight: dict[int, Sample],
        tick: int,
        samples: int,
        recorder: Recorder | None,
        progress: Progress | None,
    ) -> None:
        """Hand over the sample whose last step has left the last population."""
        schedule = self.plan.lowering.schedule
        sample, step = schedule.at(tick, schedule.last) or (0, 0)
        if sample not in flight or step != schedule.timesteps - 1 or tick < schedule.end(sample + 1):
            return
        done = flight.pop(sample)
        if recorder is not None:
            sent = {name: values[:, None] for name, values in done.items()}
            recorder.add(batch_of(self.plan.network, sent, self._new_overflows()))
        if progress is not None:
            progress(sample + 1, samples)

    def _new_overflows(self) -> dict[str, int]:
        """States that left their width since the last sample was handed over."""
        overflows: dict[str, int] = {}
        for counted in (self.load.saturated, self.load.wrapped):
            for name, number in counted.items():
                overflows[name] = overflows.get(name, 0) + number
        reported = {n: c - self._reported.get(n, 0) for n, c in overflows.items()}
        self._reported = overflows
        return {n: c for n, c in reported.items() if c}


class _HostCurrent:
    """A current of the graded input, which the host computes, in integer units and row-major order."""

    def __init__(self, by_delay: Mapping[int, Any]):
        self.matrices = {delay: matrix.T.tocsr() for delay, matrix in by_delay.items()}
        self.current: Any = 0

    def advance(self, frames: npt.NDArray[np.int8], step: int) -> bool:
        """Add what has come by this step of the sample; whether anything has. frames: of it, [1 or T, *shape]."""
        in_time = len(frames) > 1
        arriving = [delay for delay in self.matrices if (delay <= step if in_time else delay == step)]
        current = 0 if in_time or step == 0 else self.current
        for delay in arriving:
            frame = frames[step - delay if in_time else 0]
            current = current + self.matrices[delay] @ frame.reshape(-1).astype(np.int64)
        self.current = current
        return bool(arriving)


class _Block:
    """One population while it runs; arrays in the order of its cores, those of its ports [ports, neurons]."""

    def __init__(self, plan: SpinnakerPlan, lowered: Lowered, cut: Partition, first_core: int, ring_base: IntArray):
        self.lowered, self.name, self.order = lowered, lowered.population.name, cut.order
        self.shape = lowered.population.shape
        self.cores = slice(first_core, first_core + cut.cores)
        self.neurons = lowered.neurons.take(cut.order)
        core = first_core + cut.core[cut.order]
        one_type = np.array([1 << m.neuron_bits for m in plan.memories])[core]
        ports = np.arange(lowered.ports.count)[:, None]
        self.excitatory = ring_base[core] + cut.local[cut.order] + 2 * ports * one_type
        self.inhibitory = self.excitatory + one_type
        self.host = _HostCurrent(lowered.host)
        self.groups = [(j, j.places[:, cut.order], _HostCurrent(j.host)) for j in lowered.ports.joined]
        self.at_ports: dict[int, IntArray] = {}
        self.readout = lowered.neurons.model == "readout"
        self.state = State.cleared(len(cut.order))
        self.before = self.current = self.constant = self.state.v

    def take_source_currents(self, frames: npt.NDArray[np.int8], step: int) -> int:
        """What the host computed: bias, and the current of all input that has come by this step of the sample.

        frames: of the sample, [1 or T, *shape]. Returns the number of currents that it writes for this step.
        """
        unit, written = self.neurons.unit, 0
        came = self.host.advance(frames, step)
        constant = self.neurons.bias + (np.broadcast_to(self.host.current, len(self.order))[self.order] << unit)
        for joined, places, host in self.groups:
            new = host.advance(frames, step)
            size = math.prod(joined.group.shape)
            at_ports = np.broadcast_to(host.current, size)[np.maximum(places, 0)].astype(np.int64) << unit
            if joined.first is None:  # pooled by the host
                constant = constant + np.where(places >= 0, at_ports, LEAST).max(0)
                came |= new
            else:
                self.at_ports[joined.first] = at_ports
                written += new * places.size
        self.constant = constant
        return written + len(constant) * came

    def joined(self, arrived: IntArray) -> IntArray:
        """All that arrives at the neurons, from what the ring buffers of each port bring, raw."""
        current = self.constant + (arrived[0] if self.lowered.ports.plain else 0)
        for joined, places, _ in self.groups:
            first = joined.first
            if first is not None:
                ports = arrived[first : first + len(places)] + self.at_ports[first]
                current = current + np.where(places >= 0, ports, LEAST).max(0)
        return current

    def look(self, neuron: int) -> tuple[int, int]:
        """a in integer units, and v before the reset in finest ones, of the neuron with this row-major index."""
        at = int(np.flatnonzero(self.order == neuron)[0])
        return int(self.current[at]) >> self.neurons.unit, int(self.before[at]) >> self.neurons.grain


def _write(sample: Sample, block: _Block, step: int, timesteps: int, spikes: npt.NDArray[np.bool_]) -> None:
    """Keep a step of a population, in row-major order; a readout's v in its finest units."""
    kind: type[Any] = np.int64 if block.readout else np.bool_
    rows = sample.setdefault(block.name, np.zeros((timesteps, *block.shape), kind))
    rows[step].reshape(-1)[block.order] = block.state.v >> block.neurons.grain if block.readout else spikes
