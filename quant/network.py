"""The integer network: populations and projections, the only structure that a target knows.

One step, exact and in this order, for every population in order of depth:

    a = sum over projections of (W s) << e, plus bias
    v = decay(v) + a
    s = 1 if v > threshold else 0                 strictly greater
    v = v - reset_value * s                       reset "subtract"
    v = v_reset where s = 1                       reset "zero"

The readout never fires; its v after each step is the output. v starts at 0 for every sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from converter.metadata import ModelInfo
from quant.operators import IntArray, Operator, Shape, output_shape, weighted

Kind = Literal["input", "if", "lif", "readout"]
Reset = Literal["subtract", "zero", "none"]
DECAY_ONE = 4096
"""Decays are fractions of this: v keeps (4096 - decay) / 4096 of itself (12 bits, as on Loihi)."""


@dataclass(frozen=True, eq=False)
class Population:
    """A group of neurons with one state each.

    name: the NIR node's name. shape: without batch. kind: "input" is the graded source (signed `input_bits`).
    threshold, reset_value, v_reset, bias, decay: int64 arrays that broadcast against `shape`, e.g. [] or [C, 1, 1].
    scale: float64, one integer unit in units of the float network's potential, broadcasts like threshold. For an
    input it is the float value of one integer unit.
    weight_bits: what the incoming mantissas fit in, 0 for an input.
    decay: v keeps (4096 - decay)/4096 of its magnitude, truncated towards zero, before the input is added; 0 for none.
    """

    name: str
    shape: Shape
    kind: Kind
    threshold: IntArray
    reset: Reset
    reset_value: IntArray
    v_reset: IntArray
    bias: IntArray
    decay: IntArray
    scale: npt.NDArray[np.float64]
    weight_bits: int = 8

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def broadcast(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """`values` (e.g. threshold) at the population's full shape."""
        return np.broadcast_to(values, self.shape)


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from one population to another: `a += (chain(s)) << exponent`, `delay` extra steps in reference time.

    operators: applied left to right; at most one carries weights (a mantissa of `weight_bits`).
    """

    source: str
    target: str
    operators: tuple[Operator, ...]
    exponent: int = 0
    delay: int = 0

    @property
    def name(self) -> str:
        """The weighted operator's NIR name, or source->target where there is none."""
        operator = weighted(self.operators)
        return operator.name if operator is not None else f"{self.source}->{self.target}"


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Populations in evaluation order (sources first), and projections.

    outputs: the populations whose activity is the answer: the final v of a readout, the spike count of any other.
    input_bits: width of the signed graded input. info: timesteps, class names, input scaling, provenance.
    source: the file it came from, for messages.
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    outputs: tuple[str, ...]
    info: ModelInfo
    input_bits: int = 8
    source: str = field(default="", compare=False)

    @cached_property
    def by_name(self) -> Mapping[str, Population]:
        return {p.name: p for p in self.populations}

    @cached_property
    def incoming(self) -> Mapping[str, tuple[Projection, ...]]:
        """Projections into each population, in a fixed order."""
        return {p.name: tuple(q for q in self.projections if q.target == p.name) for p in self.populations}

    @cached_property
    def outgoing(self) -> Mapping[str, tuple[Projection, ...]]:
        return {p.name: tuple(q for q in self.projections if q.source == p.name) for p in self.populations}

    @cached_property
    def depth(self) -> Mapping[str, int]:
        """Longest path from an input: inputs are 0, and population k sees frame f at chip step f + k."""
        depth: dict[str, int] = {}
        for population in self.populations:
            depth[population.name] = max((depth[q.source] + 1 for q in self.incoming[population.name]), default=0)
        return depth

    @cached_property
    def inputs(self) -> tuple[Population, ...]:
        return tuple(p for p in self.populations if p.kind == "input")

    def quantise_input(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
        """Normalised images [..., *shape] as the signed integers the first layer receives: rounded half to even."""
        (source,) = self.inputs
        limit = 2 ** (self.input_bits - 1)
        return np.clip(np.rint(x / source.scale), -limit, limit - 1).astype(np.int8)


def check_shapes(network: IntegerNetwork) -> None:
    """Assert that every projection's chain ends in its target's shape (a programming error otherwise)."""
    for projection in network.projections:
        shape = output_shape(projection.operators, network.by_name[projection.source].shape)
        expected = network.by_name[projection.target].shape
        if shape != expected:
            raise ValueError(f"{projection.name}: makes {shape}, but {projection.target} is {expected}")
