"""The executable specification: what an integer network computes, as plain loops over Python integers.

It is slow on purpose. Nothing here wraps, rounds by itself or runs in parallel, and it shares no arithmetic with the
emulator or with any chip. Whoever wants to know what a file `*.int.nir` means reads `step` and `current`; the tests of
all targets and the verdict of `inflor check` call them.

    network = inflor.quant.file.read("model.int.nir")
    states = run(network, network.quantize_input(x)[0])
    states["neuron1"][t][i].spike    # of neuron i, in row-major order of the population's shape, in step t
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.ir.neuron import NeuronRule, SetTo, Subtract
from inflor.quant.operators import unrolled

Sent = Mapping[str, Sequence[Sequence[int]]]
"""By population, what each neuron sent in each step so far: spikes, or the values of the graded input."""


class State(NamedTuple):
    """One neuron after a step, in finest units (1 / 2**fraction_bits of a unit of the weights). Every sample starts so.

    Attributes:
        u: the synaptic current; where a neuron has none, the input of the step.
        v: the potential before the reset; of a readout, this is the output.
        spike: 1 where the neuron fired, else 0.
        after: the potential after the reset.
    """

    u: int = 0
    v: int = 0
    spike: int = 0
    after: int = 0


class Synapses(NamedTuple):
    """What one neuron, or one of its input ports, receives through one projection.

    Attributes:
        source: the name of the population that sends.
        delay: steps from a spike to its arrival.
        weights: (index of the sender in row-major order, integer weight with the exponent applied).
    """

    source: str
    delay: int
    weights: Sequence[tuple[int, int]]


class Ports(NamedTuple):
    """What one neuron receives through a group of its input ports, of which the largest sum counts.

    Attributes:
        ports: what arrives at each port that is not masked, from each projection into the group.
    """

    ports: Sequence[Sequence[Synapses]]


def step(rule: NeuronRule, state: State, a: int, fires: bool = True) -> State:
    """The next state of one neuron. rule: of this neuron (`NeuronRule.at`); a: its input; fires: no readout.

    In this order:

        u = keep(u, current_decay) + (a << f)        where there is a synaptic current, else u = a << f
        v = keep(v, decay) + u + drift               not in the step after a spike, where the neuron is refractory
        s = 1 if v > threshold << f else 0           strictly greater; a readout never fires
        v = v - (reset_value << f)                   where s = 1 and the reset subtracts
        v = v_reset << f                             where s = 1 and the reset sets

    f are the fraction bits. A refractory neuron's current goes on, and it can fire again from what the reset left.
    """
    f = rule.fraction_bits
    u = a << f
    if rule.current_decay is not None:
        u += keep(state.u, int(rule.current_decay), rule.decay_bits)
    v = state.after
    if not (rule.refractory and state.spike):
        v = keep(v, int(rule.decay), rule.decay_bits) + u + int(rule.drift)
    spike = int(fires and v > int(rule.threshold) << f)
    return State(u, v, spike, reset(rule, v) if spike else v)


def keep(x: int, decay: int, bits: int) -> int:
    """What a decay leaves of a state: `x * (2**bits - decay) / 2**bits`, truncated towards zero."""
    kept = (abs(x) * (2**bits - decay)) >> bits
    return kept if x >= 0 else -kept


def reset(rule: NeuronRule, v: int) -> int:
    """The potential after a spike."""
    match rule.reset:
        case Subtract(value):
            return v - (int(value) << rule.fraction_bits)
        case SetTo(value):
            return int(value) << rule.fraction_bits
        case None:
            return v


def current(bias: int, arriving: Sequence[Synapses | Ports], sent: Sent, t: int) -> int:
    """The input a of one neuron in step t: its bias, and all that arrives.

    Args:
        bias: of the neuron; it acts in every step from the first.
        arriving: one entry for each projection into the population that has no group, and one for each group of its
            input ports, of which the largest counts, whatever the signs.
        sent: what every neuron sent so far.
        t: the step, from 0.
    """
    a = bias
    for part in arriving:
        match part:
            case Synapses():
                a += received(part, sent, t)
            case Ports(ports):
                a += max(sum(received(synapses, sent, t) for synapses in port) for port in ports)
    return a


def received(synapses: Synapses, sent: Sent, t: int) -> int:
    """What arrives through one projection in step t. Before the sample nothing was sent."""
    if t < synapses.delay:
        return 0
    return sum(weight * sent[synapses.source][t - synapses.delay][sender] for sender, weight in synapses.weights)


def synapses(projection: Projection, matrix: Any, place: int) -> Synapses:
    """What arrives at a neuron, or at a place of a group's map: a row of the projection's matrix.

    Args:
        matrix: scipy CSR [target or place, source], see `unrolled`.
        place: the number of its row.
    """
    row = slice(matrix.indptr[place], matrix.indptr[place + 1])
    weights = [w << projection.exponent for w in matrix.data[row].tolist()]
    return Synapses(projection.source, projection.delay, list(zip(matrix.indices[row].tolist(), weights, strict=True)))


def arriving_at(
    network: IntegerNetwork, name: str, neuron: int, row: Callable[[Projection, int], Synapses]
) -> list[Synapses | Ports]:
    """What one neuron of a population receives: from each projection that has no group, and through each group.

    Args:
        neuron: index in row-major order of the population's shape.
        row: what arrives through a projection at a neuron, or at a place of a group's map.
    """
    population, incoming = network.by_name[name], network.incoming[name]
    found: list[Synapses | Ports] = [row(q, neuron) for q in incoming if not q.group]
    for group in population.groups:
        places = group.ports(population.shape).reshape(group.count, population.size)[:, neuron].tolist()
        through = [q for q in incoming if q.group == group.name]
        found.append(Ports([[row(q, place) for q in through] for place in places if place >= 0]))
    return found


def fan_in(network: IntegerNetwork, name: str) -> list[list[Synapses | Ports]]:
    """What every neuron of a population receives, by neuron."""
    matrices = {id(q): unrolled(q.operators, network.by_name[q.source].shape) for q in network.incoming[name]}

    def row(q: Projection, place: int) -> Synapses:
        return synapses(q, matrices[id(q)], place)

    return [arriving_at(network, name, i, row) for i in range(network.by_name[name].size)]


def run(network: IntegerNetwork, sample: npt.NDArray[Any]) -> dict[str, list[list[State]]]:
    """All states of one sample, by population, step and neuron. Within a step, populations come in the file's order.

    Args:
        network: with one input.
        sample: integers [*shape], the same in every step, or [T, *shape], a frame for each; see `quantize_input`.
    """
    frames = network.frames(sample[None])[0]
    sent: dict[str, list[list[int]]] = {p.name: [] for p in network.populations}
    states: dict[str, list[list[State]]] = {p.name: [] for p in network.populations if p.role != "input"}
    rules = {p.name: [p.rule.at(p.shape, i) for i in range(p.size)] for p in network.populations}
    inputs = {name: fan_in(network, name) for name in states}
    last = {p.name: [State()] * p.size for p in network.populations}
    for t in range(network.info.timesteps):
        for p in network.populations:
            if p.role == "input":
                sent[p.name].append([int(x) for x in frames[t % len(frames)].flat])
                continue
            last[p.name] = [
                step(rule, state, current(int(rule.bias), arriving, sent, t), fires=p.role == "spiking")
                for rule, state, arriving in zip(rules[p.name], last[p.name], inputs[p.name], strict=True)
            ]
            states[p.name].append(last[p.name])
            sent[p.name].append([state.spike for state in last[p.name]])
    return states
