"""Runs a plan tick by tick: cores take their ring buffers, update neurons, and send packets that the routers carry.

Samples stream back to back. The population at depth k handles frame f of the stream at tick f + k, and clears its
state, and takes the source currents of the next sample, at tick n * T + k (wavefront reset).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from quant.operators import IntArray
from targets.record import Batch, Recorder
from targets.registry import Progress
from targets.spinnaker.arithmetic import RING_MAX, fire, integrate
from targets.spinnaker.lowering import Lowered
from targets.spinnaker.partition import Partition
from targets.spinnaker.plan import SpinnakerPlan
from targets.spinnaker.synapses import Synapses, connect, spans

Sample = dict[str, npt.NDArray[Any]]


@dataclass
class Load:
    """What a run did, and the worst that any core met in one tick: (number, core, tick)."""

    ticks: int = 0
    spikes: int = 0
    packets: int = 0
    events: int = 0
    updates: int = 0
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
        """Stream quantised images [samples, *shape]. watch: fills in `seen` with (a, v before the reset)."""
        timesteps, samples = self.plan.network.info.timesteps, len(inputs)
        flight: dict[int, Sample] = {}
        for tick in range(1, samples * timesteps + self.plan.lowering.depth):
            firing: list[IntArray] = []
            active = np.zeros(len(self.plan.neurons), bool)
            for block in self._blocks:
                frame = tick - block.lowered.depth
                if not 0 <= frame < samples * timesteps:
                    continue
                sample, step = divmod(frame, timesteps)
                active[block.cores] = True
                v, spikes = self._update(block, tick, inputs[sample], step)
                if watch is not None and (watch.population, watch.sample, watch.timestep) == (block.name, sample, step):
                    self.seen = block.look(watch.neuron)
                firing.append(self._first[block.cores.start] + np.flatnonzero(spikes))
                _write(flight.setdefault(sample, {}), block, step, timesteps, v, spikes)
            self._send(np.concatenate([np.zeros(0, np.int64), *firing]), tick, active)
            self._finish(flight, tick, timesteps, samples, recorder, progress)
        self.load.ticks += samples * timesteps + self.plan.lowering.depth - 1

    def _update(
        self, block: _Block, tick: int, image: npt.NDArray[Any], step: int
    ) -> tuple[IntArray, npt.NDArray[np.bool_]]:
        """One tick of a population, state and spikes in the order of its cores."""
        if step == 0:
            block.start_sample(image)
        slot = self._ring[tick % self.synapses.slots]
        excitatory, inhibitory = slot[block.excitatory].astype(np.int64), slot[block.inhibitory].astype(np.int64)
        shifts = block.lowered.shifts
        block.current = (excitatory << shifts[0]) - (inhibitory << shifts[1]) + block.constant
        block.before, wrapped = integrate(block.neurons, block.v, block.current)
        block.v, spikes, more = fire(block.neurons, block.before)
        if wrapped + more:
            self.load.wrapped[block.name] = self.load.wrapped.get(block.name, 0) + wrapped + more
        return block.v, spikes

    def _send(self, neurons: IntArray, tick: int, active: npt.NDArray[np.bool_]) -> None:
        """Packets of all neurons that fire, to ring buffers; and what that costs the cores they come to."""
        synapses, limits, load = self.synapses, self.plan.limits, self.load
        self._ring[tick % synapses.slots] = 0
        counts = synapses.start[neurons + 1] - synapses.start[neurons]
        delivery = spans(synapses.start[neurons], counts)
        delivery = delivery[(synapses.colours[delivery] >> (tick & 15)) & 1 == 1]
        cores = len(self.plan.neurons)
        packets = np.bincount(synapses.core[delivery] + 1, minlength=cores + 1)[1:]
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
        load.most_packets = max(load.most_packets, (int(packets.max()), int(packets.argmax()), tick))
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
        timesteps: int,
        samples: int,
        recorder: Recorder | None,
        progress: Progress | None,
    ) -> None:
        """Hand over the sample whose last frame has left the last population."""
        frame = tick - self.plan.lowering.depth
        if frame < 0 or (frame + 1) % timesteps:
            return
        sample = frame // timesteps
        done = flight.pop(sample)
        if recorder is not None:
            recorder.add(self._batch(done, recorder.keep_spikes))
        if progress is not None:
            progress(sample + 1, samples)

    def _batch(self, sample: Sample, keep_spikes: bool) -> Batch:
        network = self.plan.network
        readouts = {n for n in sample if network.by_name[n].kind == "readout"}
        spikes = {n: v for n, v in sample.items() if n not in readouts}
        answer = network.outputs[0]
        scores = sample[answer][-1] if answer in readouts else sample[answer].sum(0)
        overflows: dict[str, int] = {}
        for counted in (self.load.saturated, self.load.wrapped):
            for name, number in counted.items():
                overflows[name] = overflows.get(name, 0) + number
        reported = {n: c - self._reported.get(n, 0) for n, c in overflows.items()}
        self._reported = overflows
        return Batch(
            {n: v[:, None] for n, v in spikes.items()} if keep_spikes else None,
            {n: np.array([v.sum()]) for n, v in spikes.items()},
            {n: sample[n][:, None] for n in readouts},
            np.array([scores.ravel().argmax()], np.int64),
            {n: c for n, c in reported.items() if c},
        )


class _Block:
    """One population while it runs; arrays in the order of its cores."""

    def __init__(self, plan: SpinnakerPlan, lowered: Lowered, cut: Partition, first_core: int, ring_base: IntArray):
        self.lowered, self.name, self.order = lowered, lowered.population.name, cut.order
        self.shape = lowered.population.shape
        self.cores = slice(first_core, first_core + cut.cores)
        names = ("threshold", "reset_value", "v_reset", "bias", "keep", "exp_tc", "resistance")
        taken = {n: getattr(lowered.neurons, n)[cut.order] for n in names}
        self.neurons = type(lowered.neurons)(lowered.neurons.model, lowered.neurons.unit, **taken)
        core = first_core + cut.core[cut.order]
        self.excitatory = ring_base[core] + cut.local[cut.order]
        self.inhibitory = self.excitatory + np.array([1 << m.neuron_bits for m in plan.memories])[core]
        self.host = None if lowered.host is None else lowered.host.T.tocsr()
        self.readout = lowered.neurons.model == "readout"
        self.v = self.before = self.current = self.constant = np.zeros(len(cut.order), np.int64)

    def start_sample(self, image: npt.NDArray[Any]) -> None:
        """Clear the state, and take the source currents that the host computed for this sample."""
        self.v = np.zeros(len(self.order), np.int64)
        self.constant = self.neurons.bias
        if self.host is not None:
            current = self.host @ image.reshape(-1).astype(np.int64)
            self.constant = self.neurons.bias + (current[self.order] << self.neurons.unit)

    def look(self, neuron: int) -> tuple[int, int]:
        """a and v before the reset, in integer units, of the neuron with this row-major index."""
        at = int(np.flatnonzero(self.order == neuron)[0])
        return int(self.current[at]) >> self.neurons.unit, int(self.before[at]) >> self.neurons.unit


def _write(
    sample: Sample, block: _Block, step: int, timesteps: int, v: IntArray, spikes: npt.NDArray[np.bool_]
) -> None:
    """Keep a step of a population, in row-major order and integer units."""
    kind: type[Any] = np.int64 if block.readout else np.bool_
    rows = sample.setdefault(block.name, np.zeros((timesteps, *block.shape), kind))
    rows[step].reshape(-1)[block.order] = v >> block.neurons.unit if block.readout else spikes
