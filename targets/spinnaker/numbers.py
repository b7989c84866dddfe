"""From the integer network to SpiNNaker's numbers: neuron models, units, delays, weights and ring-buffer shifts.

The finest unit of a population's state is 2**grain raw units of s16.15, and an integer unit 2**unit of them: the
largest power of two up to 1.0 with which its proved range fits 32 bits. A weight is stored as a magnitude
of 16 bits, `|w| << unit >> shift`, and its sign is the synapse type. `>= threshold` on the chip is `> threshold - 1`.

The graded input needs no spikes: the host computes the current that it causes, exactly, and writes it as source
currents of the neurons it reaches, per sample or where every step has a frame of its own per step. When what happens:
see `inflor.targets.spinnaker.layout.schedule`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from inflor.quant.ir.network import IntegerNetwork, Population
from inflor.quant.ir.ranges import StateRange, state_ranges
from inflor.quant.operators import IntArray, unrolled
from inflor.targets.api import Violation
from inflor.targets.spinnaker.layout.schedule import Schedule, make_schedule
from inflor.targets.spinnaker.ports import INDEX_BITS, Ports, into_ports, number_ports
from inflor.targets.spinnaker.simulate.arithmetic import FRACTION_BITS, ONE, RING_MAX, STATE_BITS, Model, Neurons

STANDARD_DELAYS = 16
"""Time slots of a ring buffer, unless a longer delay needs more."""


@dataclass(frozen=True, eq=False)
class Connection:
    """All synapses of one delay from one population to one input port of another's neurons.

    matrix: scipy CSR, int64 [source, target], integer units. delay: ticks from spike to arrival, at least 1. waits:
    those of them that only balance a shorter path. port: of those that have ring buffers.
    """

    source: str
    target: str
    matrix: Any
    delay: int
    waits: int = 0
    port: int = 0


@dataclass(frozen=True, eq=False)
class Lowered:
    """A population in SpiNNaker's numbers. neurons: in row-major order.

    stage: when it works, see `inflor.targets.spinnaker.layout.schedule`. shifts: of its ring buffers, excitatory and
    inhibitory, of every port. slots: of time in them. host: of the graded input that is only added up, by delay in
    steps, scipy CSR [source, target] in integer units. bound: largest sums of stored weights that one tick can bring.
    reach: what no state leaves, in integer units. ports: what arrives by.
    """

    population: Population
    stage: int
    neurons: Neurons
    shifts: tuple[int, int]
    bound: tuple[int, int]
    slots: int
    reach: int
    host: Mapping[int, Any] = field(default_factory=dict)
    ports: Ports = field(default_factory=Ports)

    @property
    def host_currents(self) -> int:
        """Source currents that the host writes for a sample: one a neuron, and one a port that it does not pool."""
        pooled = [j for j in self.ports.joined if j.first is None]
        delays = {*self.host, *(delay for j in pooled for delay in j.host)}
        joined = sum(len(j.host) * j.places.size for j in self.ports.joined if j.first is not None)
        return self.population.size * len(delays) + joined


@dataclass(frozen=True, eq=False)
class Lowering:
    """populations: all but the input, in order of evaluation."""

    network: IntegerNetwork
    schedule: Schedule
    populations: tuple[Lowered, ...]
    connections: tuple[Connection, ...]
    violations: tuple[Violation, ...]

    def stored(self, connection: Connection) -> tuple[IntArray, IntArray]:
        """Weights as stored, and synapse types, of a connection's synapses in the order of its matrix."""
        target = next(p for p in self.populations if p.population.name == connection.target)
        weights = connection.matrix.data
        signs = (weights < 0).astype(np.int64)
        shifts = np.array(target.shifts)[signs]
        return (np.abs(weights) << target.neurons.unit) >> shifts, 2 * connection.port + signs


def lower(network: IntegerNetwork, neurons: str = "custom") -> Lowering:
    """Lower a network. neurons: "custom" (exact programs of our own), or "stock" (hard reset on sPyNNaker's own)."""
    ranges = state_ranges(network)
    schedule = make_schedule(network)
    connections: list[Connection] = []
    populations: list[Lowered] = []
    violations: list[Violation] = []
    for population in network.populations:
        if population.role == "input":
            violations += _input_rules(network, population)
            continue
        spiking, host, ports = _incoming(network, schedule, population)
        lowered, broken = _population(population, ranges[population.name], spiking, ports, neurons)
        connections += spiking
        populations.append(replace(lowered, stage=schedule.stage[population.name], host=host))
        violations += broken
    return Lowering(network, schedule, tuple(populations), tuple(connections), tuple(violations))


def _input_rules(network: IntegerNetwork, population: Population) -> list[Violation]:
    if len(network.inputs) == 1:
        return []
    return [Violation(population.name, "graded inputs", len(network.inputs), 1, "merge them into one")]


def _incoming(
    network: IntegerNetwork, schedule: Schedule, population: Population
) -> tuple[list[Connection], dict[int, Any], Ports]:
    """Connections from spiking populations, one per source, delay and port; the matrices of the graded input that is
    only added up, by delay; and the ports."""
    matrices: dict[tuple[str, int, str], Any] = {}
    for projection in network.incoming[population.name]:
        matrix = unrolled(projection.operators, network.by_name[projection.source].shape).T.tocsr()
        matrix.data <<= projection.exponent
        at = (projection.source, projection.delay, projection.group)
        matrices[at] = matrices.get(at, 0) + matrix
    graded = {p.name for p in network.inputs}
    host: dict[str, dict[int, Any]] = {}
    for (source, delay, group), matrix in matrices.items():
        if source in graded:
            host.setdefault(group, {})[delay] = _in_order(matrix)
    ports = number_ports(population, [g for source, _, g in matrices if source not in graded], host)
    joined = {j.group.name: j for j in ports.joined}
    spiking: list[Connection] = []
    for (source, delay, group), matrix in matrices.items():
        if source in graded:
            continue
        ticks = schedule.ticks(source, population.name, delay)
        waits = max(0, schedule.stage[population.name] - schedule.stage[source] - 1)
        for port, part in into_ports(joined[group], matrix) if group else [(0, matrix)]:
            spiking.append(Connection(source, population.name, _in_order(part), ticks, waits, port))
    return spiking, host.get("", {}), ports


def _in_order(matrix: Any) -> Any:
    """The matrix without zeros, its indices sorted, in place."""
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def _population(
    population: Population, state: StateRange, incoming: list[Connection], ports: Ports, kind: str
) -> tuple[Lowered, list[Violation]]:
    model = _model(population, kind)
    violations = _stock_rules(population, model, state)
    largest = max(state.partial, *_largest(population))
    needed = largest.bit_length() + 1
    if needed > STATE_BITS:
        mend = "use fewer weight bits, fewer fraction bits or fewer timesteps"
        violations.append(Violation(population.name, "bits of state", needed, STATE_BITS, mend))
    grain = max(0, min(FRACTION_BITS - population.rule.fraction_bits, STATE_BITS - needed))
    neurons = _neurons(population, model, grain)
    shifts, bound, broken = _ring_buffers(population, incoming, neurons.unit)
    violations += broken
    slots = max([STANDARD_DELAYS, *(1 << (c.delay - 1).bit_length() for c in incoming if c.delay > 1)])
    violations += _index_rules(population, slots, ports)
    reach = -(-largest >> population.rule.fraction_bits)
    return Lowered(population, 0, neurons, shifts, bound, slots, reach, ports=ports), violations


def _index_rules(population: Population, slots: int, ports: Ports) -> list[Violation]:
    """Time slots and synapse types of one neuron must fit the index of a ring buffer."""
    most = 1 << (INDEX_BITS - 1)  # of one port, which has two types
    if slots > most:
        mend = "shorten the longest of its paths and delays"
        return [Violation(population.name, "delay slots", slots, most, mend)]
    if slots << ports.type_bits > 1 << INDEX_BITS:
        most = (1 << INDEX_BITS) // slots
        limit = f"synapse types (two for each of {ports.count} input ports, beside {slots} delay slots)"
        mend = "pool over smaller windows, or put the pool behind the neuron (the maximum of spikes)"
        return [Violation(population.name, limit, ports.types, most, mend)]
    return []


def _largest(population: Population) -> list[int]:
    """Magnitudes of the parameters of a state, in finest units."""
    rule = population.rule
    values = (rule.threshold, rule.reset_value, rule.v_reset)
    return [(int(np.abs(v).max(initial=0)) << rule.fraction_bits) + 1 for v in values]


def _model(population: Population, kind: str) -> Model:
    if population.role == "readout":
        return "readout"
    rule = population.rule
    if kind == "stock":
        return "stock_lif" if rule.decay.any() else "stock_if"
    soft = rule.reset_kind == "subtract"
    if rule.current_decay is not None:
        return "srcuba_lif" if soft else "cuba_lif"
    if rule.decay.any():
        return "srlif" if soft else "lif"
    return "srif" if soft else "if"


def _neurons(population: Population, model: Model, grain: int) -> Neurons:
    rule = population.rule
    unit, one = grain + rule.fraction_bits, 1 << rule.decay_bits

    def raw(values: IntArray, shift: int = unit) -> IntArray:
        return population.broadcast(values).reshape(-1).astype(np.int64) << shift

    def kept(decay: IntArray) -> IntArray:
        return one - raw(decay, 0)

    exp_tc = (kept(rule.decay) << FRACTION_BITS) >> rule.decay_bits
    return Neurons(
        model,
        unit,
        grain,
        raw((rule.threshold << rule.fraction_bits) + 1, grain),
        rule.reset_kind,
        raw(rule.reset_value),
        raw(rule.v_reset),
        raw(rule.bias),
        raw(rule.drift, grain),
        kept(rule.decay) if rule.decay.any() else None,
        None if rule.current_decay is None else kept(rule.current_decay),
        rule.decay_bits,
        rule.refractory,
        exp_tc,
        np.rint(ONE * ONE / np.maximum(ONE - exp_tc, 1)).astype(np.int64),
    )


def _ring_buffers(
    population: Population, incoming: list[Connection], unit: int
) -> tuple[tuple[int, int], tuple[int, int], list[Violation]]:
    """Shift and largest sum per sign, of any port. The smallest shift whose sums fit 16 bits, if it loses no bit."""
    shifts, bounds, violations = [], [], []
    for sign, kind in ((1, "excitatory"), (-1, "inhibitory")):
        parts = [np.maximum(sign * c.matrix.data, 0) for c in incoming]
        sums: dict[int, Any] = {}
        for c, p in zip(incoming, parts, strict=True):
            sums[c.port] = sums.get(c.port, 0) + np.bincount(c.matrix.indices, p, minlength=population.size)
        bound = max((int(by_neuron.max(initial=0)) for by_neuron in sums.values()), default=0)
        used = int(np.bitwise_or.reduce(np.concatenate([*parts, np.zeros(1, np.int64)])))
        largest = max((int(p.max(initial=0)) for p in parts), default=0)
        common = (used & -used).bit_length() - 1 if used else 0
        # the chip shifts left only: a raw unit is the finest that can arrive
        spare = min(max(0, bound.bit_length() - 16), max(common, 0))
        shift = unit + spare
        shifts.append(shift)
        bounds.append(bound >> spare)
        if largest >> spare > RING_MAX:
            mend = "quantize with fewer bits"
            violations.append(Violation(population.name, f"{kind} weight", largest >> spare, RING_MAX, mend))
        elif bound >> spare > RING_MAX:
            mend = "quantize with fewer bits; runs count every sum that saturates"
            limit = f"{kind} sum that one tick may bring to a ring buffer"
            violations.append(Violation(population.name, limit, bound >> spare, RING_MAX, mend, fatal=False))
    return (shifts[0], shifts[1]), (bounds[0], bounds[1]), violations


def _stock_rules(population: Population, model: Model, state: StateRange) -> list[Violation]:
    """What a stock neuron does not do, and where its arithmetic is not the network's."""
    if not model.startswith("stock"):
        return []
    found, rule = [], population.rule
    own = "use `neurons='custom'`: "
    if population.groups:
        mend = own + "stock neurons add up all that arrives"
        found.append(Violation(population.name, "input ports joined by their maximum", "there", "none", mend))
    if rule.reset_kind == "subtract":
        mend = own + "no stock neuron resets by subtraction"
        found.append(Violation(population.name, "reset", rule.reset_kind, "zero", mend))
    if rule.current_decay is not None or rule.drift.any() or rule.refractory:
        what = "drift" if rule.current_decay is None else "synaptic current"
        what = "refractory step" if rule.refractory else what
        mend = own + "stock neurons are simulated without it"
        found.append(Violation(population.name, what, "there", "none", mend))
    if model == "stock_lif":
        mend = own + "a stock LIF rounds its decay and its input otherwise"
        return [*found, Violation(population.name, "decay", int(rule.decay.max()), 0, mend, fatal=False)]
    lowest, floor = int(state.state.low.min()), int(rule.v_reset.min()) << rule.fraction_bits
    if lowest < floor:
        mend = own + "a stock IF does not go below its reset potential"
        found.append(Violation(population.name, "lowest potential", lowest, floor, mend, fatal=False))
    return found
