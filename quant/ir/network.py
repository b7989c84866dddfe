"""The integer network: populations and projections, the only structure that a target knows.

What they compute in a step is specified, and can be run, in `inflor.quant.ir.reference` (docs/integer-network.md).
A projection from a population that does not stand before its target is recurrent: it has a delay of at least one step,
and what it would bring from before the sample is nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.converter.nir.metadata import FRAMES, ModelInfo
from inflor.converter.nir.ordering import components
from inflor.quant.ir.features import Feature
from inflor.quant.ir.neuron import NeuronRule
from inflor.quant.ir.ports import Group
from inflor.quant.ir.types import FloatArray, IntArray, Shape
from inflor.quant.operators import Operator, output_shape, weighted

Role = Literal["input", "spiking", "readout"]
LARGEST = 2.0**40
"""Bound of every number in a file, so that sums of them stay exact."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Population:
    """A group of neurons with one state each, or the network's input.

    Attributes:
        name: the name of the NIR node that it was.
        shape: the neurons' shape, without batch.
        role: "input" for the graded source (signed integers of `input_bits`), "spiking" for neurons that fire,
            "readout" for neurons that never fire and whose potential is read.
        rule: the neurons' parameters; those of an input say nothing.
        scale: float64, what one integer unit is in units of the float network's potential, or of its input. Broadcasts
            against `shape`.
        weight_bits: the width that the incoming mantissas fit, 0 for an input.
        groups: of input ports that are combined; what they make is added to what arrives outside of them.
    """

    name: str
    shape: Shape
    role: Role
    rule: NeuronRule = field(default_factory=NeuronRule)
    scale: FloatArray
    weight_bits: int = 8
    groups: tuple[Group, ...] = ()

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def kind(self) -> str:
        """The name of the neurons in records and reports: "input", "if", "lif", "cuba_lif" or "readout"."""
        if self.role != "spiking":
            return self.role
        return "cuba_lif" if self.rule.current_decay is not None else "lif" if self.rule.decays else "if"

    def broadcast(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """`values` (e.g. a threshold) at the population's full shape."""
        return np.broadcast_to(values, self.shape)

    def group(self, name: str) -> Group | None:
        """The group of this name; None for "", the ports that are only added up.

        Raises:
            KeyError: there is none; a programming error.
        """
        return {"": None, **{group.name: group for group in self.groups}}[name]

    def arriving(self, name: str) -> Shape:
        """The shape that a projection into the group of this name makes: of the map, or of the neurons without one."""
        group = self.group(name)
        return self.shape if group is None else group.shape

    def channels_of(self, name: str) -> IntArray | None:
        """The channel of the group's map that each channel of the neurons reads, int64 [C]; None where it is its own.

        name: of the group, "" for none.
        """
        group = self.group(name)
        return None if group is None else group.channels(self.shape)

    def with_rule(self, **changes: Any) -> Population:
        """The same population with other values of some fields of its rule."""
        return replace(self, rule=replace(self.rule, **changes))

    def features(self) -> frozenset[Feature]:
        """What a target must compute to run this population."""
        if self.role == "input":
            return frozenset({Feature.GRADED_INPUT})
        needed = self.rule.features() | ({Feature.MAX} if self.groups else set())
        return needed if self.role == "spiking" else needed - {Feature.NO_RESET} | {Feature.READOUT}


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from one population to another: `a += (chain(s)) << exponent`.

    Attributes:
        source: the name of the population that sends.
        target: the name of the population that receives.
        operators: applied from left to right; at most one carries weights (mantissas of `weight_bits`).
        exponent: the power of two that multiplies the mantissas.
        delay: steps from sending to arrival, beyond the step that the spike was fired in.
        group: the name of the target's group of input ports whose map it adds to; "" for what is only added up.
    """

    source: str
    target: str
    operators: tuple[Operator, ...]
    _: KW_ONLY
    exponent: int = 0
    delay: int = 0
    group: str = ""

    @property
    def name(self) -> str:
        """The weighted operator's NIR name, or source->target where there is none."""
        operator = weighted(self.operators)
        return operator.name if operator is not None else f"{self.source}->{self.target}"


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Populations and the projections between them.

    Attributes:
        populations: in the order of evaluation within a step.
        projections: in a fixed order.
        outputs: names of the populations whose activity is the answer: the last potential of a readout, the number of
            spikes of any other.
        info: timesteps, class names, input scaling, provenance.
        input_bits: width of the signed graded input.
        input_range: the least and the largest integer of the input, both in it; None for all of its bits. Spikes, 0
            and 1, prove much less of the states than a graded input does.
        source: the file that it came from, for messages.
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    outputs: tuple[str, ...]
    info: ModelInfo
    _: KW_ONLY
    input_bits: int = 8
    input_range: tuple[int, int] | None = None
    source: str = field(default="", compare=False)

    @cached_property
    def by_name(self) -> Mapping[str, Population]:
        return {p.name: p for p in self.populations}

    @cached_property
    def incoming(self) -> Mapping[str, tuple[Projection, ...]]:
        """Projections into each population, in a fixed order."""
        incoming: dict[str, list[Projection]] = {p.name: [] for p in self.populations}
        for q in self.projections:
            incoming[q.target].append(q)
        return {name: tuple(found) for name, found in incoming.items()}

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Place of each population in the order of evaluation."""
        return {p.name: i for i, p in enumerate(self.populations)}

    @cached_property
    def needs(self) -> Mapping[Feature, str]:
        """What a target must compute to run this network, each with the first population that needs it."""
        found: dict[Feature, str] = {}
        for population in self.populations:
            for feature in population.features():
                found.setdefault(feature, population.name)
        for q in self.projections:
            if self.is_recurrent(q):
                found.setdefault(Feature.RECURRENT, q.target)
            if q.delay > self.is_recurrent(q):
                found.setdefault(Feature.DELAY, q.target)
        for population in self.inputs[:1] if self.info.encoding == FRAMES else ():
            found[Feature.FRAMES] = population.name
        for population in self.inputs[1:2]:
            found[Feature.SEVERAL_INPUTS] = population.name
        return found

    def features(self) -> frozenset[Feature]:
        """What a target must compute to run this network: all that one of its populations or projections needs."""
        return frozenset(self.needs)

    def is_recurrent(self, projection: Projection) -> bool:
        """Whether a projection leads back: its source does not stand before its target."""
        return self.position[projection.source] >= self.position[projection.target]

    @cached_property
    def depth(self) -> Mapping[str, int]:
        """Longest path from an input along projections that do not lead back.

        Inputs are 0, and population k sees frame f at chip step f + k.
        """
        depth: dict[str, int] = {}
        for population in self.populations:
            forward = (q for q in self.incoming[population.name] if not self.is_recurrent(q))
            depth[population.name] = max((depth[q.source] + 1 for q in forward), default=0)
        return depth

    @cached_property
    def components(self) -> tuple[tuple[str, ...], ...]:
        """Populations that reach each other, together, in order of evaluation; without recurrence, each alone."""
        edges = [(q.source, q.target) for q in self.projections]
        return tuple(components(tuple(p.name for p in self.populations), edges))

    @cached_property
    def rank(self) -> Mapping[str, int]:
        """Longest path from an input where a cycle counts as one population; without cycles, the depth."""
        rank: dict[str, int] = {}
        for component in self.components:
            sources = {q.source for name in component for q in self.incoming[name]} - set(component)
            rank.update(dict.fromkeys(component, max((rank[s] + 1 for s in sources), default=0)))
        return rank

    def recurrent_with(self, name: str) -> tuple[str, ...]:
        """The populations, itself among them, that a population reaches and is reached by; none if it stands alone."""
        component = self._component[name]
        alone = len(component) == 1 and not any(q.source == name for q in self.incoming[name])
        return () if alone else component

    @cached_property
    def _component(self) -> Mapping[str, tuple[str, ...]]:
        return {name: component for component in self.components for name in component}

    @cached_property
    def inputs(self) -> tuple[Population, ...]:
        return tuple(p for p in self.populations if p.role == "input")

    @property
    def input_limits(self) -> tuple[int, int]:
        """The least and the largest integer of the input."""
        limit = 2 ** (self.input_bits - 1)
        return (-limit, limit - 1) if self.input_range is None else self.input_range

    def quantize_input(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
        """Normalised images or frames [..., *shape] as signed integers in their range, rounded half to even."""
        (source,) = self.inputs
        return np.clip(np.rint(x / source.scale), *self.input_limits).astype(np.int8)

    def clipped(self, x: npt.NDArray[np.float32]) -> float:
        """The share of normalised images or frames that lies outside the range of the input."""
        (source,) = self.inputs
        least, most = self.input_limits
        values = x / source.scale
        return float(((values < least - 0.5) | (values > most + 0.5)).mean()) if x.size else 0.0

    def predictions(self, final: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Class of each sample [B], by the largest value of the first output.

        final: [B, *shape], the potentials of a readout after the last step, or the spike counts of what fires.
        Potentials are compared at their scale, where the neurons of a readout have different ones.
        """
        output = self.by_name[self.outputs[0]]
        values = final.reshape(len(final), -1)
        scale = output.broadcast(output.scale).reshape(-1)
        if output.role == "readout" and (scale != scale[0]).any():
            values = values * scale
        return values.argmax(1).astype(np.int64)

    def frames(self, inputs: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
        """Quantized inputs as [samples, 1 or T, *shape].

        inputs: integers [samples, *shape], the same at every step, or [samples, T, *shape], a frame per step.

        Raises:
            InputError: inputs of another shape or type, or beyond the input's range.
        """
        (source,) = self.inputs
        in_time = (self.info.timesteps, *source.shape)
        if inputs.shape[1:] not in (source.shape, in_time) or not np.issubdtype(inputs.dtype, np.integer):
            raise InputError(
                f"{self.source}: inputs are {inputs.dtype} {inputs.shape[1:]}, but node {source.name!r} takes "
                f"integers of {source.shape}, or of {in_time} for a frame per step"
            )
        least, most = self.input_limits
        if inputs.size and (inputs.min() < least or inputs.max() > most):
            raise InputError(f"{self.source}: inputs leave the range {least} to {most} of node {source.name!r}")
        values = inputs.astype(np.int8, copy=False)
        return values if inputs.shape[1:] == in_time else values[:, None]


def check_network(network: IntegerNetwork) -> None:
    """Assert that every chain ends in its target's shape, and what exponents, delays and groups there can be.

    Raises:
        ValueError: it does not; a programming error.
    """
    for population in network.populations:
        for group in population.groups:
            if math.prod(group.pooled) != population.size or not group.windows.hold_something(group.shape):
                raise ValueError(f"{group.name}: pools {group.shape} to {group.pooled}, not to {population.shape}")
            if not any(q.group == group.name for q in network.incoming[population.name]):
                raise ValueError(f"{group.name}: nothing arrives at the ports of {population.name}")
    for projection in network.projections:
        if projection.exponent < 0:
            raise ValueError(f"{projection.name}: has a negative exponent")
        if projection.delay < int(network.is_recurrent(projection)):
            raise ValueError(f"{projection.name}: leads back and has no delay")
        shape = output_shape(projection.operators, network.by_name[projection.source].shape)
        expected = network.by_name[projection.target].arriving(projection.group)
        if shape != expected:
            raise ValueError(f"{projection.name}: makes {shape}, but {projection.target} is {expected}")
