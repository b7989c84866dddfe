"""From the integer network to what stands on the chip: groups of neurons, synapses, and when each of them works.

Time (design section 5): the k-th population handles frame f of the stream at step f + k, so it is cleared at step
n * period + k for sample n (wavefront reset), and a path that is shorter than the longest one into the same
population is delayed by the difference, in relay neurons or in the synapses; so is a projection that has a delay in
the network, or leads back. What these still have under way at a sample's end arrives in guard steps, in which the
neurons that send it are silent, so that nothing of it reaches the next sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from inflor.quant.ir.network import Population
from inflor.quant.operators import Shape
from inflor.targets.loihi.layout.linear import Kernel
from inflor.targets.loihi.options import BalanceBy, FirstLayer, Guard, SoftReset
from inflor.targets.loihi.widths import STATE_BITS

Role = Literal["input", "encoder", "program", "integrator", "lif", "readout", "relay"]

STOCK: tuple[Role, ...] = ("lif", "integrator", "readout")
SILENCE = 1 << 16
"""How far a stock neuron is pushed down in guard steps, so that it sends nothing that the next sample would receive.

Half the range of its state: from anywhere in the other half it ends below every threshold without leaving 24 bits. A
state that is outside fires in a guard step, which the run reports.
"""
RELAY_BITS = 2 * STATE_BITS
"""State of a neuron: current and potential."""
INDEX_BITS = 12
"""Widest index of a sparse synapse: hardware.yaml, loihi1.index_bits_allowed."""
DENSE_ABOVE = 0.25
"""Share of non-zero weights from which a matrix is stored dense."""


@dataclass(frozen=True, kw_only=True)
class LayoutOptions:
    """What decides how a network is laid out; the first four are those of `LoihiOptions`.

    Attributes:
        shared_convolutions: the chip stores a convolution's kernel once (Loihi 2); decides what costs less.
        longest_delay: steps that a synapse can wait beyond its own one.
        graded_spikes: the chip takes graded input.
    """

    soft_reset: SoftReset = "microcode"
    balance: BalanceBy = "auto"
    guard: Guard = "auto"
    first_layer: FirstLayer = "auto"
    shared_convolutions: bool = True
    longest_delay: int = 62
    graded_spikes: bool = True


@dataclass(frozen=True, eq=False)
class Group:
    """Neurons of one kind. shape: of the population; depth: it handles frame f at step f + depth.

    role: "program" (neuron program), "integrator" (stock LIF whose current integrates, with self-inhibition),
    "lif" (stock LIF), "readout" (stock LIF that never fires), "relay" (repeats a spike one step later), "input" and
    "encoder" (both on the host). muted: may not fire in guard steps. later: steps by which it repeats the population's
    spikes, 0 for the population itself. name: the population's, or one that no other group of the plan has.
    """

    name: str
    role: Role
    shape: Shape
    depth: int
    population: Population
    muted: bool = False
    later: int = 0

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True, eq=False)
class Synapses:
    """One connection of the chip: mantissas of 8 bits and one exponent.

    kernel or matrix (CSR, row-major order of both shapes). delay: steps beyond the one that every synapse takes.
    projection: its name in the network; "" for a relay's and for self-inhibition. join: the group of the target's input
    ports that it leads to, "" for what is only added up. ports: of each neuron in that group; the connection's outputs
    are then those ports (`inflor.targets.loihi.layout.joins.joined_shape`).
    """

    name: str
    source: str
    target: str
    exponent: int
    kernel: Kernel | None = None
    matrix: Any = None
    delay: int = 0
    projection: str = ""
    join: str = ""
    ports: int = 1

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
    options: LayoutOptions

    @property
    def guard(self) -> Literal["none", "short", "long"]:
        """How samples are kept apart."""
        if self.period == self.active:
            return "none"
        return "short" if self.period == self.reset_interval else "long"

    @property
    def depth(self) -> int:
        return max(g.depth for g in self.groups)

    def steps(self, samples: int) -> int:
        """Steps until the last spike of the last sample has been written down."""
        return (samples - 1) * self.period + self.active + self.depth


def chip_order(shape: Shape) -> npt.NDArray[np.int64]:
    """Row-major index of the neuron at every place on the chip: maps are stored [W, H, C], as Lava's Conv has them."""
    index = np.arange(int(np.prod(shape)))
    if len(shape) == 2:
        return index.reshape(shape).T.ravel()
    return index.reshape(shape).transpose(2, 1, 0).ravel() if len(shape) == 3 else index
