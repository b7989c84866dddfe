"""What a record does on the cores of a chip: events and packets per core and step, hops, router traversals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse

from inflor.quant.operators import IntArray
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.connectivity import BoolArray, Connectivity, Unrolled, connectivity
from inflor.targets.cost.result import MappedCounts
from inflor.targets.cost.updates import Updates
from inflor.targets.mapping import DIRECTIONS, CoreMap, Wiring

StepArray = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Load:
    """What every core does in every chip step of a sample.

    events, packets: synaptic events and packets that arrive, int32 [samples, steps, cores] (packets are 0 on unicast
    chips). What a group of depth k sends for step t of the sample arrives in chip step R t + k, R: chip steps per step;
    there are R (T - 1) + depth of the deepest core of them. neurons: to be updated on each core, each compartment of
    theirs as one, int64 [cores].
    """

    events: StepArray
    packets: StepArray
    neurons: IntArray


def count_mapped(activity: Activity, core_map: CoreMap, updates: Updates) -> tuple[MappedCounts, Load]:
    """Counts of a record on the cores of a chip."""
    network, record = activity.network, activity.record
    wiring = core_map.wiring if core_map.wiring is not None else _own_wiring(activity, core_map)
    links = [(w, _connectivity(w)) for w in wiring]
    load = _load(activity, core_map, links)
    tally: dict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    hops: dict[str, defaultdict[str, int]] = {direction: defaultdict(int) for direction in DIRECTIONS[core_map.mesh]}
    kinds: dict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for w, connection in links:
        source, target = core_map.spikes_of[w.source], core_map.spikes_of[w.target]
        events = int(activity.totals[source] @ connection.fan_out)
        graded = network.by_name[source].role == "input"
        tally["input_events" if graded else "synaptic_events"][target] += events
        kinds[w.kind][target] += events
    period = core_map.period or record.timesteps
    updated = core_map.updates or period
    for group, core in core_map.cores.items():
        name = core_map.spikes_of[group]
        if network.by_name[name].role == "input":
            continue
        spikes = int(activity.totals[name].sum())
        each = core_map.compartments.get(group, 1)  # a neuron's compartments are updated together
        tally["neuron_updates"][name] += each * len(core) * updated * record.samples
        guard = len(core) * (updated - record.timesteps) * record.samples
        for kind, known in (("active_updates", updates.active), ("stirred_updates", updates.stirred)):
            tally[kind][name] += each * ((known[name] if group == name else spikes) + guard)
        tally["spikes"][name] += spikes if activity.fires(name) else 0
    if core_map.multicast:
        _multicast(activity, core_map, tally, hops)
    else:
        _unicast(activity, core_map, links, tally, hops)
    names = ("synaptic_events", "neuron_updates", "active_updates", "stirred_updates", "input_events", "spikes")
    routing = ("packets", "deliveries", "within_tile", "routers")
    made = MappedCounts(
        chip=core_map.chip,
        layout=core_map.layout,
        cores=core_map.size,
        tiles=core_map.tiles,
        chips=core_map.chips,
        boards=core_map.boards,
        steps=period * record.samples,
        steps_per_inference=period,
        hops={direction: dict(by) for direction, by in hops.items()},
        by_kind={kind: dict(by) for kind, by in kinds.items()},
        notes=core_map.notes,
        **{name: dict(tally[name]) for name in (*names, *routing)},
    )
    return made, load


def _own_wiring(activity: Activity, core_map: CoreMap) -> tuple[Wiring, ...]:
    network = activity.network
    return tuple(
        Wiring(
            source=q.source,
            target=q.target,
            source_shape=network.by_name[q.source].shape,
            operators=q.operators,
        )
        for q in network.projections
        if q.target in core_map.cores
    )


def _connectivity(wiring: Wiring) -> Connectivity:
    if wiring.operators is not None:
        return connectivity(wiring.operators, wiring.source_shape)
    return Unrolled(wiring.matrix)


def _load(activity: Activity, core_map: CoreMap, links: list[tuple[Wiring, Connectivity]]) -> Load:
    record = activity.record
    last = max((core_map.depth[group] for group in core_map.cores), default=0)
    last = max([last, *(core_map.depth[w.source] + 1 for w, _ in links)])
    shape = (record.samples, core_map.per_step * (record.timesteps - 1) + last, core_map.size)
    events, packets = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for w, connection in links:
        name, (cores, used) = core_map.spikes_of[w.source], _local(core_map.cores[w.target])
        arrives = _arrives(core_map, w.source, record.timesteps)
        for samples in activity.chunks(name):
            spikes = activity.spikes(name, samples)
            made = connection.events(spikes.reshape(-1, spikes.shape[-1]), cores, len(used))
            events[samples, arrives][:, :, used] += made.reshape(*spikes.shape[:2], -1).astype(np.int32)
    if core_map.multicast:
        _arrivals(activity, core_map, packets)
    neurons = np.zeros(core_map.size, np.int64)
    for group, core in core_map.cores.items():
        np.add.at(neurons, core, core_map.compartments.get(group, 1))
    return Load(events, packets, neurons)


def _arrives(core_map: CoreMap, group: str, timesteps: int) -> slice:
    """Chip steps in which a group's spikes of one sample arrive."""
    first = core_map.depth[group]
    return slice(first, first + core_map.per_step * (timesteps - 1) + 1, core_map.per_step)


def _local(core: IntArray) -> tuple[IntArray, IntArray]:
    """Cores numbered from 0 within the group, and their numbers on the chip."""
    used, local = np.unique(core, return_inverse=True)
    return local.reshape(-1), used


def _arrivals(activity: Activity, core_map: CoreMap, packets: StepArray) -> None:
    """Add the packets that multicast trees bring to every core."""
    assert core_map.targets is not None
    for group, core in core_map.cores.items():
        name = core_map.spikes_of[group]
        if not activity.fires(name):
            continue
        local, used = _local(core)
        if not any(len(core_map.targets[number]) for number in used):
            continue  # the answer of the network, which nobody on the chip listens to
        member = scipy.sparse.csr_matrix(
            (np.ones(len(local), np.float32), (np.arange(len(local)), local)), shape=(len(local), len(used))
        )
        for samples in activity.chunks(name):
            spikes = activity.spikes(name, samples)
            sent = spikes.reshape(-1, spikes.shape[-1]).astype(np.float32) @ member  # whole numbers below 2**24
            sent = np.asarray(sent).astype(np.int32).reshape(*spikes.shape[:2], -1)
            there = packets[samples, _arrives(core_map, group, sent.shape[1])]
            for i, number in enumerate(used):
                there[:, :, core_map.targets[number]] += sent[:, :, i : i + 1]


def _multicast(
    activity: Activity,
    core_map: CoreMap,
    tally: dict[str, defaultdict[str, int]],
    hops: Mapping[str, defaultdict[str, int]],
) -> None:
    """One packet per spike of a core that anybody listens to; it visits one router more than it crosses links."""
    assert core_map.targets is not None
    assert core_map.links is not None
    place = np.column_stack([core_map.chip_of, core_map.position])
    for group, core in core_map.cores.items():
        name = core_map.spikes_of[group]
        spikes = np.bincount(core, activity.totals[name], minlength=core_map.size).astype(np.int64)
        for number in np.unique(core):
            sent, there = int(spikes[number]), core_map.targets[number]
            if not len(there):
                continue
            tally["packets"][name] += sent
            tally["deliveries"][name] += sent * len(there)
            tally["within_tile"][name] += sent * int((place[there] == place[number]).all(1).sum())
            tally["routers"][name] += sent * (int(core_map.links[number].sum()) + 1)
            for direction, links in zip(hops, core_map.links[number], strict=True):
                hops[direction][name] += sent * int(links)


def _unicast(
    activity: Activity,
    core_map: CoreMap,
    links: list[tuple[Wiring, Connectivity]],
    tally: dict[str, defaultdict[str, int]],
    hops: Mapping[str, defaultdict[str, int]],
) -> None:
    """One packet per spike and core that it reaches; it goes east or west first, then north or south."""
    pairs: dict[tuple[str, str], list[Connectivity]] = defaultdict(list)
    for w, connection in links:
        if w.source in core_map.cores:  # what the host sends is not the mesh's
            pairs[w.source, w.target].append(connection)
    for (source, target), connections in pairs.items():
        name = core_map.spikes_of[source]
        totals = activity.totals[name]
        local, used = _local(core_map.cores[target])
        reach = connections[0].reach(local, len(used))
        for connection in connections[1:]:
            reach |= connection.reach(local, len(used))
        packets = _between(totals, core_map.cores[source], reach)
        _hops(core_map, packets, used, name, tally, hops)


def _between(totals: IntArray, core: IntArray, reach: BoolArray) -> tuple[IntArray, IntArray]:
    """Packets from each source core to each target core, int64 [source cores, target cores], and the source cores."""
    local, used = _local(core)
    fired = np.flatnonzero(totals)
    weights = scipy.sparse.csr_matrix(
        (totals[fired].astype(np.float64), (local[fired], fired)), shape=(len(used), len(totals))
    )
    made = np.stack([np.asarray(weights @ row.astype(np.float64)) for row in reach], axis=1)
    return np.rint(made).astype(np.int64), used


def _hops(
    core_map: CoreMap,
    packets: tuple[IntArray, IntArray],
    targets: IntArray,
    name: str,
    tally: dict[str, defaultdict[str, int]],
    hops: Mapping[str, defaultdict[str, int]],
) -> None:
    sent, sources = packets
    step = np.abs(core_map.position[sources][:, None] - core_map.position[targets][None])
    same_chip = core_map.chip_of[sources][:, None] == core_map.chip_of[targets][None]
    total = int(sent.sum())
    tally["packets"][name] += total
    tally["deliveries"][name] += total
    tally["within_tile"][name] += int(sent[same_chip & (step.sum(2) == 0)].sum())
    hops["east-west"][name] += int((sent * step[..., 0])[same_chip].sum())
    hops["north-south"][name] += int((sent * step[..., 1])[same_chip].sum())
    hops["chip-to-chip"][name] += int(sent[~same_chip].sum())
