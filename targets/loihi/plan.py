"""From the integer network to what stands on the chip: groups of neurons, synapses, and when each of them works.

Time (design section 5): the k-th population handles frame f of the stream at step f + k, so it is cleared at step
n * period + k for sample n (wavefront reset), and a path that is shorter than the longest one into the same
population is delayed by the difference, in relay neurons or in the synapses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse

from quant.network import IntegerNetwork, Population, Projection
from quant.operators import IntArray, Scale, Shape
from quant.ranges import state_ranges
from targets.loihi.linear import Kernel, Matrix, compose, digits, unroll

Role = Literal["input", "encoder", "program", "integrator", "lif", "readout", "relay"]
FirstLayer = Literal["auto", "chip", "host"]
SoftReset = Literal["microcode", "stock"]
BalanceBy = Literal["auto", "relay", "delay"]
Guard = Literal["auto", "short", "long"]

STATE_BITS = 24
SILENCE = 1 << 16
"""What an integrator receives in a short guard step, so that no spike of it is under way when its next sample starts.

Half the range of its state: from anywhere in the other half it ends below every threshold without leaving 24 bits. A
state that is outside fires in the guard step, which the run reports.
"""
STOCK_STATE = (1 << 17) - 1
"""Largest potential of a stock neuron, in units of a: 24 bits with sign, shifted by 6."""
RELAY_BITS = 2 * STATE_BITS
"""State of a neuron: current and potential."""
INDEX_BITS = 12
"""Widest index of a sparse synapse: hardware.yaml, loihi1.index_bits_allowed."""
DENSE_ABOVE = 0.25
"""Share of non-zero weights from which a matrix is stored dense."""


@dataclass(frozen=True)
class Options:
    """soft_reset: how a soft reset is realised: a neuron program, or stock LIF neurons only.

    balance: how paths of different length are balanced; "auto" takes what costs less memory.
    shared_convolutions: the chip stores a convolution's kernel once (Loihi 2); decides what costs less.
    longest_delay: steps that a synapse can wait beyond its own one.
    guard: how stock soft reset keeps samples apart. "short": one step, in which every integrator is pushed down by
    half the range of its state; exact while states stay within the other half, and reported where they do not.
    "long": T + 2 steps and a second reset in the middle of them; exact within the whole range, and half as fast.
    "auto": "short" where the weights prove that it is exact, else "long".
    first_layer: where stock neurons that receive nothing but the graded input are computed. "host": beside the chip,
    which gets their spikes. "auto": on the host where the weights do not prove that a stock neuron can hold their
    state (17 bits and sign of a synaptic unit), or where the chip has no graded_spikes.
    """

    soft_reset: SoftReset = "microcode"
    balance: BalanceBy = "auto"
    shared_convolutions: bool = True
    longest_delay: int = 62
    guard: Guard = "auto"
    first_layer: FirstLayer = "auto"
    graded_spikes: bool = True


@dataclass(frozen=True, eq=False)
class Group:
    """Neurons of one kind. shape: of the population; depth: it handles frame f at step f + depth.

    role: "program" (neuron program), "integrator" (stock LIF whose current integrates, with self-inhibition),
    "lif" (stock LIF), "readout" (stock LIF that never fires), "relay" (repeats a spike one step later), "input" and
    "encoder" (both on the host).
    """

    name: str
    role: Role
    shape: Shape
    depth: int
    population: Population

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True, eq=False)
class Synapses:
    """One connection of the chip: mantissas of 8 bits and one exponent.

    kernel or matrix (CSR, row-major order of both shapes). delay: steps beyond the one that every synapse takes.
    projection: its name in the network; "" for a relay's and for self-inhibition.
    """

    name: str
    source: str
    target: str
    exponent: int
    kernel: Kernel | None = None
    matrix: Any = None
    delay: int = 0
    projection: str = ""

    @property
    def kind(self) -> Literal["convolution", "dense", "sparse"]:
        if self.kernel is not None:
            return "convolution"
        rows, columns = self.matrix.shape
        return "dense" if self.matrix.nnz > DENSE_ABOVE * rows * columns and not self.delay else "sparse"


@dataclass(frozen=True)
class Balance:
    """How a path was made longer. relay_bits, delay_bits: memory that either way adds."""

    projection: str
    source: str
    target: str
    steps: int
    by: Literal["relay", "delay", "host"]
    relay_bits: int
    delay_bits: int
    reason: str


@dataclass(frozen=True, eq=False)
class Plan:
    """period: steps from one sample to the next; active: those that count; the others keep samples apart.

    reset_interval: steps between the resets of stock neurons, the period or half of it.
    """

    groups: tuple[Group, ...]
    synapses: tuple[Synapses, ...]
    balances: tuple[Balance, ...]
    period: int
    active: int
    reset_interval: int
    options: Options

    @property
    def depth(self) -> int:
        return max(g.depth for g in self.groups)

    def steps(self, samples: int) -> int:
        """Steps until the last spike of the last sample has been written down."""
        return (samples - 1) * self.period + self.active + self.depth


def plan(network: IntegerNetwork, options: Options | None = None) -> Plan:
    """Lay the network out. It is expected to pass `targets.loihi.rules`."""
    options = options or Options()
    role = roles(network, options)
    groups = [Group(p.name, role[p.name], p.shape, network.depth[p.name], p) for p in network.populations]
    by_name = {g.name: g for g in groups}
    synapses: list[Synapses] = []
    balances: list[Balance] = []
    for number, projection in enumerate(network.projections):
        steps = by_name[projection.target].depth - by_name[projection.source].depth - 1
        made, balance = _connect(projection, number, steps, by_name, options)
        synapses += made
        balances += [balance] if balance is not None else []
    for group in groups:
        if group.role == "integrator":
            synapses += _self_inhibition(group)
    active = network.info.timesteps
    period = interval = active
    if any(g.role == "integrator" for g in groups):  # a spike of the last step is still to be subtracted
        interval = active + 1
        if options.guard == "auto":
            options = replace(options, guard="short" if _short_guard_is_exact(network, groups) else "long")
        period = interval if options.guard == "short" else 2 * interval
    return Plan(tuple(by_name.values()), tuple(synapses), tuple(balances), period, active, interval, options)


def _short_guard_is_exact(network: IntegerNetwork, groups: list[Group]) -> bool:
    """Every integrator provably stays where SILENCE pushes it below its threshold and not out of 24 bits."""
    ranges = state_ranges(network)
    return all(
        ranges[g.name].state.peak + ranges[g.name].current.peak <= SILENCE for g in groups if g.role == "integrator"
    )


def chip_order(shape: Shape) -> npt.NDArray[np.int64]:
    """Row-major index of the neuron at every place on the chip: maps are stored [W, H, C], as Lava's Conv has them."""
    index = np.arange(int(np.prod(shape)))
    if len(shape) == 2:
        return index.reshape(shape).T.ravel()
    return index.reshape(shape).transpose(2, 1, 0).ravel() if len(shape) == 3 else index


def roles(network: IntegerNetwork, options: Options) -> dict[str, Role]:
    """What every population becomes."""
    found = {p.name: _role(p, options.soft_reset) for p in network.populations}
    if options.first_layer == "chip":
        return found
    ranges = state_ranges(network)
    for population in network.populations:
        sources = {network.by_name[q.source].kind for q in network.incoming[population.name]}
        if found[population.name] not in ("integrator", "lif") or sources != {"input"}:
            continue
        proved = ranges[population.name].state.peak <= STOCK_STATE
        if options.first_layer == "host" or not proved or not options.graded_spikes:
            found[population.name] = "encoder"
    return found


def _role(population: Population, soft_reset: SoftReset) -> Role:
    if population.kind == "input":
        return "input"
    if population.kind == "readout":
        return "program" if soft_reset == "microcode" else "readout"
    if soft_reset == "microcode" and (
        population.reset == "subtract" or population.decay.any() or population.v_reset.any()
    ):
        return "program"
    return "integrator" if population.reset == "subtract" else "lif"


def _connect(
    projection: Projection, number: int, steps: int, groups: dict[str, Group], options: Options
) -> tuple[list[Synapses], Balance | None]:
    """The synapses of a projection, with `steps` steps more than the one that synapses take."""
    source, target = groups[projection.source], groups[projection.target]
    linear = compose(projection.operators, source.shape)
    name = f"{number} {projection.name} {projection.source}->{projection.target}"
    if not _weights(linear).any():
        return [_silent(name, source, target, projection.name)], None
    relays: list[Synapses] = []
    balance, delay = None, 0
    if steps:
        balance = _balance(projection, linear, source, target, steps, groups, options)
        if balance.by == "delay":
            linear, delay = linear if isinstance(linear, Matrix) else unroll(linear), steps
        elif balance.by == "host":
            source = groups.setdefault(
                f"{source.name}+{steps}", replace(source, name=f"{source.name}+{steps}", depth=source.depth + steps)
            )
        else:
            source, relays = _relays(source, steps, groups)
    made = _synapses(name, source.name, target.name, linear, projection.exponent, delay, projection.name)
    return relays + made, balance


def _weights(linear: Kernel | Matrix) -> IntArray:
    values: IntArray = linear.weight.data if isinstance(linear, Matrix) else linear.weight
    return values


def _silent(name: str, source: Group, target: Group, projection: str) -> Synapses:
    """A connection of zeros: it carries nothing, but Lava runs only what is connected to the rest of the graph."""
    matrix = scipy.sparse.csr_matrix((target.size, source.size), dtype=np.int64)
    return Synapses(name, source.name, target.name, 0, None, matrix, 0, projection)


def _balance(
    projection: Projection,
    linear: Kernel | Matrix,
    source: Group,
    target: Group,
    steps: int,
    groups: dict[str, Group],
    options: Options,
) -> Balance:
    """Relay neurons or synaptic delay, whichever adds less memory; a graded input is simply sent later."""
    stages = sum(f"{source.name}+{step}" not in groups for step in range(1, steps + 1))
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


def _bits(linear: Kernel | Matrix, options: Options, delay: int) -> int:
    """Synaptic memory of a connection, without headers."""
    if isinstance(linear, Kernel):
        if options.shared_convolutions:
            return 8 * linear.weight.size
        linear = unroll(linear)
    return int(linear.weight.nnz) * (8 + INDEX_BITS + delay.bit_length())


def _identity(shape: Shape) -> Kernel | Matrix:
    return compose((Scale("", np.ones((), np.int64)),), shape)


def _relays(source: Group, steps: int, groups: dict[str, Group]) -> tuple[Group, list[Synapses]]:
    """A chain of groups that repeat the source's spikes; its stages are shared by all who need them."""
    made = []
    for step in range(1, steps + 1):
        name = f"{source.name.split('+')[0]}+{step}"
        if name not in groups:
            relay = replace(source, name=name, role="relay", depth=source.depth + 1)
            made += _synapses(f"relay {name}", source.name, name, _identity(source.shape), 0, 0, "")
            groups[name] = relay
        source = groups[name]
    return source, made


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
        label = f"{name} part {number}" if len(parts) > 1 else name
        made.append(Synapses(label, source, target, exponent + shift, kernel, matrix, delay, projection))
    return made


def _self_inhibition(group: Group) -> list[Synapses]:
    """Every neuron to itself, with minus its reset value: arrives one step later, before the next comparison."""
    values: IntArray = -group.population.broadcast(group.population.reset_value).reshape(-1)
    matrix = Matrix(scipy.sparse.diags(values, dtype=np.int64, format="csr"))
    return _synapses(f"reset {group.name}", group.name, group.name, matrix, 0, 0, "")
