"""Exact counts of a record: spikes, synaptic events and neuron updates, the same on every chip.

Spikes are read from their bits in chunks of samples. An event is counted when its source fires, whatever the delay of
its projection and the reset of its target.
"""

from __future__ import annotations

import math

from inflor.quant.ir.network import Population
from inflor.quant.operators import Operator, Shape, Weighted
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.connectivity import Connectivity, Separable, connectivity
from inflor.targets.cost.memory import memory
from inflor.targets.cost.result import Counts, PopulationCounts
from inflor.targets.cost.updates import Updates


def count(activity: Activity, updates: Updates) -> Counts:
    """All counts of all populations but the input."""
    network, record = activity.network, activity.record
    populations = tuple(_count(activity, p, updates) for p in network.populations if p.role != "input")
    return Counts(record.samples, record.timesteps, populations)


def _count(activity: Activity, population: Population, updated: Updates) -> PopulationCounts:
    network, totals = activity.network, activity.totals
    events = zeros = macs = synapses = 0
    dense = 0.0
    for number, projection in enumerate(network.projections):
        if projection.target != population.name:
            continue
        source = network.by_name[projection.source]
        fan_out = activity.connections[number].fan_out
        met = int(totals[source.name] @ fan_out)
        synapses += int(fan_out.sum())
        if source.role == "input":
            macs += met
            continue
        possible = with_zeros(activity, number).fan_out
        events += met
        zeros += int(totals[source.name] @ possible) - met
        dense += int(totals[source.name].sum()) / source.size * dense_macs(projection.operators, source.shape)
    updates = population.size * activity.steps
    return PopulationCounts(
        name=population.name,
        shape=population.shape,
        kind=population.kind,
        depth=network.depth[population.name],
        neurons=population.size,
        spikes=int(totals[population.name].sum()),
        synaptic_events=events,
        zero_weight_events=zeros,
        dense_events=dense,
        input_macs=macs,
        neuron_updates=updates,
        active_updates=updated.active[population.name],
        stirred_updates=updated.stirred[population.name],
        synapses=synapses,
        memory=memory(network, population, activity.ranges[population.name], synapses),
    )


def with_zeros(activity: Activity, number: int) -> Connectivity:
    """How a projection connects where weights of zero are synapses too."""
    known = activity.connections[number]
    if isinstance(known, Separable):
        return known.with_zeros()
    projection = activity.network.projections[number]
    return connectivity(projection.operators, activity.network.by_name[projection.source].shape, zeros=True)


def dense_macs(operators: tuple[Operator, ...], shape: Shape) -> int:
    """Multiply-accumulates of one pass through the chain's weights, padding and zeros included; else additions."""
    total = pooled = 0
    for operator in operators:
        if isinstance(operator, Weighted):
            total += operator.products(shape)
        else:
            pooled += operator.products(shape)
        shape = operator.output_shape(shape)
    return total or pooled or math.prod(shape)
