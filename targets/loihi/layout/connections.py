"""The synapses of a projection: its weights in parts of 8 bits, and what makes it arrive at the right step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
import scipy.sparse

from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.operators import IntArray, Scale, Shape
from inflor.targets.loihi.layout.guard import reference_delay
from inflor.targets.loihi.layout.joins import compose_ports
from inflor.targets.loihi.layout.linear import Kernel, Matrix, compose, digits, unroll
from inflor.targets.loihi.plan import INDEX_BITS, RELAY_BITS, Balance, Group, LayoutOptions, Synapses

Groups: TypeAlias = dict[tuple[str, int], Group]
"""Groups by population and by how many steps later than it they send; those that are needed are added."""


def connect(
    network: IntegerNetwork, projection: Projection, number: int, groups: Groups, options: LayoutOptions
) -> tuple[list[Synapses], Balance | None]:
    """The synapses of a projection, which arrives as late as the network's depths and its own delay say."""
    source, target = groups[projection.source, 0], groups[projection.target, 0]
    ports = target.population.group(projection.group)
    if ports is None:
        linear = compose(projection.operators, source.shape)
    else:
        linear = compose_ports(projection.operators, source.shape, ports, target.shape)
    joined: dict[str, Any] = {} if ports is None else {"join": ports.name, "ports": ports.count}
    name = f"{number} {projection.name} {projection.source}->{projection.target}"
    steps = target.depth - source.depth - 1 + projection.delay
    if not _weights(linear).any() or reference_delay(network, projection) != projection.delay:
        return [replace(_silent(name, source, target, projection.name, joined.get("ports", 1)), **joined)], None
    relays: list[Synapses] = []
    balance, delay = None, 0
    if steps:
        balance = _balance(projection, linear, source, target, steps, groups, options)
        if balance.by == "delay":
            linear, delay = linear if isinstance(linear, Matrix) else unroll(linear), steps
        elif balance.by == "host":
            source = groups.setdefault((source.name, steps), _later(source, steps, groups))
        else:
            source, relays = _relays(source, steps, groups)
    made = _synapses(name, source.name, target.name, linear, projection.exponent, delay, projection.name)
    return relays + [replace(s, **joined) for s in made], balance


def _weights(linear: Kernel | Matrix) -> IntArray:
    values: IntArray = linear.weight.data if isinstance(linear, Matrix) else linear.weight
    return values


def _silent(name: str, source: Group, target: Group, projection: str, ports: int) -> Synapses:
    """A connection of zeros: it carries nothing, but Lava runs only what is connected to the rest of the graph."""
    matrix = scipy.sparse.csr_matrix((ports * target.size, source.size), dtype=np.int64)
    return Synapses(name, source.name, target.name, 0, None, matrix, 0, projection)


def _balance(
    projection: Projection,
    linear: Kernel | Matrix,
    source: Group,
    target: Group,
    steps: int,
    groups: Groups,
    options: LayoutOptions,
) -> Balance:
    """Relay neurons or synaptic delay, whichever adds less memory; a graded input is simply sent later."""
    stages = sum((source.name, step) not in groups for step in range(1, steps + 1))
    relay = stages * source.size * RELAY_BITS + stages * _bits(_identity(source.shape), options, 0)
    unrolled = linear if isinstance(linear, Matrix) else unroll(linear)
    delay = _bits(unrolled, options, steps) - _bits(linear, options, 0)
    if source.role == "input":
        by: Literal["relay", "delay", "host"] = "host"
        reason = "the host sends the input again, later"
    elif options.balance != "auto":
        by, reason = options.balance, "asked for"
    elif steps > options.longest_delay:
        by, reason = "relay", f"a synapse waits {options.longest_delay} steps at most"
    elif relay <= delay:
        by, reason = "relay", f"adds {relay} bits of memory, a synaptic delay {delay}"
    else:
        by, reason = "delay", f"adds {delay} bits of memory, relay neurons {relay}"
    return Balance(projection.name, source.name, target.name, steps, by, relay, delay, reason)


def _bits(linear: Kernel | Matrix, options: LayoutOptions, delay: int) -> int:
    """Synaptic memory of a connection, without headers."""
    if isinstance(linear, Kernel):
        if options.shared_convolutions:
            return 8 * linear.weight.size
        linear = unroll(linear)
    return int(linear.weight.nnz) * (8 + INDEX_BITS + delay.bit_length())


def _identity(shape: Shape) -> Kernel | Matrix:
    return compose((Scale("", np.ones((), np.int64)),), shape)


def _relays(population: Group, steps: int, groups: Groups) -> tuple[Group, list[Synapses]]:
    """A chain of groups that repeat the population's spikes; its stages are shared by all who need them."""
    made = []
    for step in range(1, steps + 1):
        key, before = (population.name, step), groups[population.name, step - 1]
        if key not in groups:
            relay = groups[key] = replace(_later(population, step, groups), role="relay", muted=False)
            made += _synapses(f"relay {relay.name}", before.name, relay.name, _identity(relay.shape), 0, 0, "")
    return groups[population.name, steps], made


def _later(population: Group, steps: int, groups: Groups) -> Group:
    """What sends as the population does, but steps later, under a name that no other group has."""
    name, taken = f"{population.name}+{steps}", {g.name for g in groups.values()}
    while name in taken:
        name += "_"
    return replace(population, name=name, depth=population.depth + steps, later=steps)


def _synapses(
    name: str, source: str, target: str, linear: Kernel | Matrix, exponent: int, delay: int, projection: str
) -> list[Synapses]:
    """One connection for every 8-bit part of the weights; none where all are zero."""
    parts = digits(_weights(linear))
    made = []
    for number, (mantissa, shift) in enumerate(parts):
        kernel = matrix = None
        if isinstance(linear, Kernel):
            kernel = replace(linear, weight=mantissa)
        else:
            matrix = linear.weight.copy()  # with indices of its own, which eliminate_zeros changes
            matrix.data = mantissa
            matrix.eliminate_zeros()
        label = f"part {number} of {name}" if len(parts) > 1 else name
        made.append(Synapses(label, source, target, exponent + shift, kernel, matrix, delay, projection))
    return made


def self_inhibition(group: Group) -> list[Synapses]:
    """Every neuron to itself, with minus its reset value: arrives one step later, before the next comparison."""
    values: IntArray = -group.population.broadcast(group.population.rule.reset_value).reshape(-1)
    matrix = Matrix(scipy.sparse.diags(values, dtype=np.int64, format="csr"))
    return _synapses(f"reset {group.name}", group.name, group.name, matrix, 0, 0, "")
