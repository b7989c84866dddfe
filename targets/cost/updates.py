"""Which neurons are updated in a step: those that receive something, that hold something, and that change.

Membrane potentials are not recorded. They are computed again, every population from the recorded spikes of its sources.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inflor.quant.ir.network import Population, Projection
from inflor.quant.operators import IntArray
from inflor.quant.run.kernel import Kernel, Profile
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.connectivity import BoolArray, Connectivity


@dataclass(frozen=True)
class Updates:
    """Neuron-steps per population, over all samples.

    active: the neuron receives an event or graded input, has a bias or drift, or fires. stirred: it is active, or its
    potential is not zero when the step begins. changed: its potential ends otherwise than it began; in the first step
    of a sample always. unlike: populations whose recorded spikes are not those that the network makes of its recorded
    sources.
    """

    active: dict[str, int]
    stirred: dict[str, int]
    changed: dict[str, int]
    unlike: tuple[str, ...]


def count_updates(activity: Activity) -> Updates:
    """Of all populations. What a graded input that is not known drives is taken to be stirred and to change always."""
    network = activity.network
    found: dict[str, _Counted] = {}
    for population in network.populations:
        if population.role == "input":
            continue
        sources = {q.source for q in network.incoming[population.name]}
        kernel = None
        if activity.inputs is not None or all(network.by_name[name].role != "input" for name in sources):
            kernel = Kernel(network, population, activity.ranges[population.name], Profile())
        found[population.name] = _count(activity, population, kernel)
    return Updates(
        {name: counted.active for name, counted in found.items()},
        {name: counted.stirred for name, counted in found.items()},
        {name: counted.changed for name, counted in found.items()},
        tuple(name for name, counted in found.items() if counted.unlike),
    )


@dataclass
class _Counted:
    active: int
    stirred: int
    changed: int = 0
    unlike: bool = False


def _count(activity: Activity, population: Population, kernel: Kernel | None) -> _Counted:
    """kernel: None where the inputs are not known."""
    incoming = [(i, q) for i, q in enumerate(activity.network.projections) if q.target == population.name]
    sources = list(dict.fromkeys(q.source for _, q in incoming))
    bias, drift = (population.broadcast(values) for values in (population.rule.bias, population.rule.drift))
    driven = (bias != 0) | (drift != 0)
    still = np.flatnonzero(~driven.reshape(-1))
    always = (population.size - len(still)) * activity.steps
    found = _Counted(always, always)
    for samples in activity.chunks(population.name, *sources):
        touched = _touched(activity, population, incoming, still, samples)
        found.active += int(touched.sum())
        if kernel is None:
            found.stirred += touched.size
            found.changed += (samples.stop - samples.start) * activity.record.timesteps * population.size
            continue
        v, unlike = _potentials(activity, population, kernel, sources, samples)
        found.unlike |= unlike
        if len(still):
            touched[:, 1:] |= (v[:-1] != 0).flatten(2).transpose(0, 1).numpy()[:, :, still]
        found.stirred += int(touched.sum())
        found.changed += int((v[1:] != v[:-1]).sum()) + v[0].numel()
    return found


def _potentials(
    activity: Activity, population: Population, kernel: Kernel, sources: list[str], samples: slice
) -> tuple[Tensor, bool]:
    """v after the reset of every step, [T, B, *shape], and whether the recorded spikes are others than v makes."""
    with torch.inference_mode():
        sent = {name: _sent(activity, name, samples) for name in sources}
        step = kernel.run(sent, activity.record.timesteps, keep_states=True)
        assert step.trace is not None
        unlike = step.spikes is not None and not torch.equal(_sent(activity, population.name, samples), step.spikes)
        return step.trace.after, unlike


def _sent(activity: Activity, name: str, samples: slice) -> Tensor:
    """Bytes [T, B, *shape]: spikes, or the values of the graded input, [1, B, *shape] where they stay the same."""
    population = activity.network.by_name[name]
    if population.role != "input":
        spikes = activity.spikes(name, samples).view(np.uint8)
        return torch.from_numpy(spikes).reshape(*spikes.shape[:2], *population.shape).transpose(0, 1).contiguous()
    assert activity.inputs is not None
    part = torch.from_numpy(np.ascontiguousarray(activity.inputs[samples]))
    return part[None] if part.shape[1:] == population.shape else part.transpose(0, 1).contiguous()


def _touched(
    activity: Activity, population: Population, incoming: list[tuple[int, Projection]], wanted: IntArray, samples: slice
) -> BoolArray:
    """Which of these neurons receive something or fire, bool [samples, T, wanted]; what is delayed comes later."""
    timesteps = activity.record.timesteps
    if activity.fires(population.name):
        found = activity.spikes(population.name, samples)[:, :, wanted]
    else:
        found = np.zeros((samples.stop - samples.start, timesteps, len(wanted)), bool)
    for number, projection in incoming:
        spikes = activity.spikes(projection.source, samples)
        touched = _reached(population, projection, activity.connections[number], spikes, wanted)
        sent = timesteps - min(projection.delay, timesteps)
        found[:, timesteps - sent :] |= touched.reshape(found.shape)[:, :sent]
    return found


def _reached(
    population: Population, projection: Projection, connection: Connectivity, spikes: BoolArray, wanted: IntArray
) -> BoolArray:
    """Which of these neurons a projection brings an event, at any of their input ports, bool [steps, wanted]."""
    sent = spikes.reshape(-1, spikes.shape[-1])
    group = population.group(projection.group)
    if group is None:
        return connection.touched(sent, wanted)
    places = group.ports(population.shape).reshape(group.count, -1)[:, wanted]
    used, at = np.unique(np.maximum(places, 0), return_inverse=True)
    touched = connection.touched(sent, used)[:, at.reshape(places.shape)]  # [steps, ports, wanted]
    return np.asarray((touched & (places >= 0)).any(1))
