"""From the integer network to SpiNNaker's numbers: neuron models, units, delays, weights and ring-buffer shifts.

One integer unit of a population is 2**unit raw units of s16.15, the largest power of two up to 1.0 with which its
proved range fits 32 bits. A weight is stored as a magnitude
of 16 bits, `|w| << unit >> shift`, and its sign is the synapse type. `>= threshold` on the chip is `> threshold - 1`.

The graded input needs no spikes: the host computes the current that it causes, exactly, and writes it per sample as
source currents of the neurons it reaches. Time (design section 5): depth k sees frame f at tick f + k, so a path that
is shorter than the longest one waits in the ring buffer: delay = difference of depths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quant.network import DECAY_ONE, IntegerNetwork, Population
from quant.operators import IntArray
from quant.ranges import StateRange, state_ranges
from quant.unroll import unrolled
from targets.spinnaker.arithmetic import FRACTION_BITS, ONE, RING_MAX, STATE_BITS, Model, Neurons

STANDARD_DELAYS = 16
"""Time slots of a ring buffer, unless a longer delay needs more."""
MOST_DELAYS = 1 << 13
"""Time slots of a ring buffer of one neuron: 14 index bits, of which one is the synapse type."""


@dataclass(frozen=True)
class Violation:
    """A limit that a population breaks. number: what it needs; allowed: what there is.

    fatal: nothing can be placed. The others are proofs that fail; a run detects and counts what they would have ruled
    out.
    """

    population: str
    limit: str
    number: Any
    allowed: Any
    mend: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"population {self.population!r}: {self.limit} {self.number}, allowed is {self.allowed}; {self.mend}"


@dataclass(frozen=True, eq=False)
class Connection:
    """All synapses from one population to another. matrix: scipy CSR, int64 [source, target], integer units.

    delay: ticks from spike to arrival, at least 1.
    """

    source: str
    target: str
    matrix: Any
    delay: int


@dataclass(frozen=True, eq=False)
class Lowered:
    """A population in SpiNNaker's numbers. neurons: in row-major order.

    shifts: of its ring buffers, excitatory and inhibitory. slots: of time in them. host: scipy CSR [source, target] of
    the graded input, integer units, or None. bound: largest sums of stored weights that one tick can bring.
    """

    population: Population
    depth: int
    neurons: Neurons
    shifts: tuple[int, int]
    bound: tuple[int, int]
    slots: int
    host: Any = None


@dataclass(frozen=True, eq=False)
class Lowering:
    """populations: all but the input, in order of evaluation."""

    network: IntegerNetwork
    populations: tuple[Lowered, ...]
    connections: tuple[Connection, ...]
    violations: tuple[Violation, ...]

    @property
    def depth(self) -> int:
        return max(p.depth for p in self.populations)

    def stored(self, connection: Connection) -> tuple[IntArray, IntArray]:
        """Weights as stored, and synapse types, of a connection's synapses in the order of its matrix."""
        target = next(p for p in self.populations if p.population.name == connection.target)
        weights = connection.matrix.data
        types = (weights < 0).astype(np.int64)
        shifts = np.array(target.shifts)[types]
        return (np.abs(weights) << target.neurons.unit) >> shifts, types


def lower(network: IntegerNetwork, neurons: str = "custom") -> Lowering:
    """Lower a network. neurons: "custom" (exact programs of our own), or "stock" (hard reset on sPyNNaker's own)."""
    ranges = state_ranges(network)
    connections: list[Connection] = []
    populations: list[Lowered] = []
    violations: list[Violation] = []
    for population in network.populations:
        if population.kind == "input":
            violations += _input_rules(network, population)
            continue
        spiking, host = _incoming(network, population)
        lowered, broken = _population(network, population, ranges[population.name], spiking, neurons)
        connections += spiking
        populations.append(replace(lowered, host=host))
        violations += broken
    return Lowering(network, tuple(populations), tuple(connections), tuple(violations))


def _input_rules(network: IntegerNetwork, population: Population) -> list[Violation]:
    if len(network.inputs) == 1:
        return []
    return [Violation(population.name, "graded inputs", len(network.inputs), 1, "merge them into one")]


def _incoming(network: IntegerNetwork, population: Population) -> tuple[list[Connection], Any]:
    """Connections from spiking populations, one per source, and the matrix of the graded input."""
    matrices: dict[str, Any] = {}
    for projection in network.incoming[population.name]:
        matrix = unrolled(projection.operators, network.by_name[projection.source].shape).T.tocsr()
        matrix.data <<= projection.exponent
        matrices[projection.source] = matrices.get(projection.source, 0) + matrix
    spiking: list[Connection] = []
    host = None
    for source, matrix in matrices.items():
        matrix.eliminate_zeros()
        matrix.sort_indices()
        if network.by_name[source].kind == "input":
            host = matrix
        else:
            delay = network.depth[population.name] - network.depth[source]
            spiking.append(Connection(source, population.name, matrix, delay))
    return spiking, host


def _population(
    network: IntegerNetwork, population: Population, state: StateRange, incoming: list[Connection], kind: str
) -> tuple[Lowered, list[Violation]]:
    violations = [
        Violation(population.name, f"projection {q.name!r} has a delay of", q.delay, 0, "remove it: it crosses samples")
        for q in network.incoming[population.name]
        if q.delay
    ]
    model = _model(population, kind)
    if model is None:
        mend = 'use neurons="custom": no stock neuron resets by subtraction'
        violations.append(Violation(population.name, "reset", population.reset, "zero", mend))
        model = "srif"
    largest = max(
        state.partial,
        *(
            int(np.abs(v).max(initial=0)) + 1
            for v in (population.threshold, population.reset_value, population.v_reset)
        ),
    )
    needed = largest.bit_length() + 1
    if needed > STATE_BITS:
        mend = "use fewer weight bits or fewer timesteps"
        violations.append(Violation(population.name, "bits of state", needed, STATE_BITS, mend))
    unit = max(0, min(FRACTION_BITS, STATE_BITS - needed))
    shifts, bound, broken = _ring_buffers(population, incoming, unit)
    violations += broken + _stock_rules(population, model, state)
    slots = max([STANDARD_DELAYS, *(1 << (c.delay - 1).bit_length() for c in incoming if c.delay > 1)])
    if slots > MOST_DELAYS:
        mend = "shorten the longest of its paths"
        violations.append(Violation(population.name, "delay slots", slots, MOST_DELAYS, mend))
    neurons = _neurons(population, model, unit)
    return Lowered(population, network.depth[population.name], neurons, shifts, bound, slots), violations


def _model(population: Population, kind: str) -> Model | None:
    if population.kind == "readout":
        return "readout"
    if kind == "stock":
        if population.reset == "subtract":
            return None
        return "stock_lif" if population.decay.any() else "stock_if"
    if population.reset == "subtract":
        return "srif"
    return "lif" if population.decay.any() else "if"


def _neurons(population: Population, model: Model, unit: int) -> Neurons:
    def raw(values: IntArray) -> IntArray:
        return population.broadcast(values).reshape(-1).astype(np.int64) << unit

    keep = DECAY_ONE - population.broadcast(population.decay).reshape(-1).astype(np.int64)
    exp_tc = keep * (ONE // DECAY_ONE)
    resistance = np.rint(ONE * ONE / np.maximum(ONE - exp_tc, 1)).astype(np.int64)
    return Neurons(
        model,
        unit,
        raw(population.threshold + 1),
        raw(population.reset_value),
        raw(population.v_reset),
        raw(population.bias),
        keep,
        exp_tc,
        resistance,
    )


def _ring_buffers(
    population: Population, incoming: list[Connection], unit: int
) -> tuple[tuple[int, int], tuple[int, int], list[Violation]]:
    """Shift and largest sum per synapse type. The smallest shift whose sums fit 16 bits, if it loses no bit."""
    shifts, bounds, violations = [], [], []
    for sign, kind in ((1, "excitatory"), (-1, "inhibitory")):
        parts = [np.maximum(sign * c.matrix.data, 0) for c in incoming]
        sums = [
            np.bincount(c.matrix.indices, p, minlength=population.size) for c, p in zip(incoming, parts, strict=True)
        ]
        bound = int(np.sum(sums, axis=0).max(initial=0)) if sums else 0
        used = int(np.bitwise_or.reduce(np.concatenate([*parts, np.zeros(1, np.int64)])))
        largest = max((int(p.max(initial=0)) for p in parts), default=0)
        common = (used & -used).bit_length() - 1 if used else 0
        # the chip shifts left only: a raw unit is the finest that can arrive
        spare = min(max(0, bound.bit_length() - 16), max(common, 0))
        shift = unit + spare
        shifts.append(shift)
        bounds.append(bound >> spare)
        if largest >> spare > RING_MAX:
            mend = "quantise with fewer bits"
            violations.append(Violation(population.name, f"{kind} weight", largest >> spare, RING_MAX, mend))
        elif bound >> spare > RING_MAX:
            mend = "quantise with fewer bits; runs count every sum that saturates"
            limit = f"{kind} sum that one tick may bring to a ring buffer"
            violations.append(Violation(population.name, limit, bound >> spare, RING_MAX, mend, fatal=False))
    return (shifts[0], shifts[1]), (bounds[0], bounds[1]), violations


def _stock_rules(population: Population, model: Model, state: StateRange) -> list[Violation]:
    """Where a stock neuron's arithmetic is not the network's."""
    if model == "stock_lif":
        mend = 'use neurons="custom": a stock LIF rounds its decay and its input otherwise'
        return [Violation(population.name, "decay", int(population.decay.max()), 0, mend, fatal=False)]
    lowest, floor = int(state.state.low.min()), int(population.v_reset.min())
    if model == "stock_if" and lowest < floor:
        mend = 'use neurons="custom": a stock IF does not go below its reset potential'
        return [Violation(population.name, "lowest potential", lowest, floor, mend, fatal=False)]
    return []
