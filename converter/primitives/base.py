"""What a NIR primitive is to the converter, and the table of the primitives that a graph may hold.

A primitive is one object in one file of this folder; every stage looks a node's class up here, and a class that is not
in the table is refused by its name. To add one, write a file that calls `register`; nothing else changes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import nir
import numpy as np
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.fields import MISSING, Field, numbers, short
from inflor.converter.primitives.shapes import MAX_ELEMENTS, Pattern, matches
from inflor.converter.primitives.step import Clock, Dynamics

Layer = Callable[[Tensor], Tensor]
"""[N, *input shape] -> [N, *output shape]."""
FLAGS = ("refractory", "late_current")
"""Metadata of a node that are true or false, and mean something to some primitives only."""


class State(Protocol):
    """What a batch of one node's elements remembers during a run."""

    def advance(self, arriving: Tensor, out: Tensor) -> None:
        """Compute one step.

        Args:
            arriving: [B, *shape], the summed input.
            out: [B, *shape], takes what the node gives in this step: spikes as 0 and 1, or numbers.
        """


def _no_check(node: nir.NIRNode, where: str) -> None:
    """Every combination of fields is good."""


def _same(node: nir.NIRNode, shape: Shape) -> Shape:
    return shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Primitive:
    """All that the converter knows of one NIR primitive.

    A primitive has either `apply`, where what it gives depends on what arrives in the same step alone, or `state`.

    Attributes:
        node: NIR's class.
        equation: what it computes, in NIR's symbols, one line of Markdown for docs/nir.md.
        fields: by name, in the order of NIR's files.
        check: (node, where), refuses fields that do not fit each other and completes them, in place.
        accepts: node -> the shape that its checked fields ask for, None for any; by default that of a field with
            several values, one per element.
        settle: (node, shape, wanted, where), writes into the node, in place, what follows from the shape that arrives;
            by default its fields per element get that shape. wanted: what the nodes after it accept.
        shape: (node, shape that arrives) -> shape of what it gives; by default the same.
        padded: (node, shape that arrives) -> what a sliding window sees of it.
        apply: (node, like) -> the node as a function of a batch, its arrays on the device and of the dtype of `like`.
        state: (node, clock, like, timesteps, where) -> the node at the start of a run; like: a tensor [B, *shape].
        step: (node, clock, where) -> the numbers of one step, where they are those of an integrate-and-fire neuron;
            their arrays may be smaller than the node's shape. A primitive without cannot be quantized.
        kind: what a record calls it; "readout" gives a potential, any other kind gives spikes. None: it gives neither.
        plain: node -> the nodes, by their role, that stand for all of a neuron but its threshold and reset in a graph
            for readers that know nothing of our metadata; the last one holds the potential.
        flags: which of FLAGS mean something to it.
    """

    node: type[nir.NIRNode]
    equation: str
    fields: Mapping[str, Field]
    check: Callable[[nir.NIRNode, str], None] = _no_check
    accepts: Callable[[nir.NIRNode], Pattern | None] | None = None
    settle: Callable[[nir.NIRNode, Shape, Sequence[Pattern | None], str], None] | None = None
    shape: Callable[[nir.NIRNode, Shape], Shape] = _same
    padded: Callable[[nir.NIRNode, Shape], Shape] = _same
    apply: Callable[[nir.NIRNode, Tensor], Layer] | None = None
    state: Callable[[nir.NIRNode, Clock, Tensor, int, str], State] | None = None
    step: Callable[[nir.NIRNode, Clock, str], Dynamics] | None = None
    kind: str | None = None
    plain: Callable[[nir.NIRNode], Mapping[str, nir.NIRNode]] | None = None
    flags: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if (self.apply is None) == (self.state is None):
            raise ValueError(f"{self.name}: give either `apply` or `state`")

    @property
    def name(self) -> str:
        """The name of NIR's class, which is its type in a file."""
        return self.node.__name__

    @property
    def integrates(self) -> bool:
        """Whether it gives a potential and never fires."""
        return self.kind == "readout"

    @property
    def fires(self) -> bool:
        """Whether it gives spikes."""
        return self.kind is not None and not self.integrates

    @property
    def is_neuron(self) -> bool:
        """Whether it has a potential that it remembers; a cycle needs one."""
        return self.kind is not None and self.state is not None

    @property
    def resets(self) -> bool:
        """Whether a spike changes its potential; `inflor.converter.nir.graph.reset_of` says how."""
        return "v_reset" in self.fields

    def of_role(self, *roles: str) -> list[str]:
        """The names of the fields that have one of these roles."""
        return [name for name, field in self.fields.items() if field.role in roles]

    def checked(self, node: nir.NIRNode, where: str) -> nir.NIRNode:
        """A copy of the node with every field checked and in its normal form.

        Shapes and sizes become tuples (an Input's stands in input_type["input"]), arrays numpy arrays.

        Args:
            where: the file and the node, for messages.

        Raises:
            InputError: a field is missing, or it or the metadata are not what the primitive takes.
        """
        result = copy.copy(node)
        result.metadata = dict(node.metadata)
        for name, field in self.fields.items():
            value = getattr(node, name, None)
            if value is None:
                if field.default is MISSING:
                    raise InputError(f"{where}: has no field {field.key or name!r}; write the file again with it")
                value = field.default
            value = field.check(value, f"{where}: field {field.key or name!r}")
            setattr(result, name, {field.port: value} if field.port else value)
        self.check(result, where)
        self._check_metadata(result, where)
        return result

    def _check_metadata(self, node: nir.NIRNode, where: str) -> None:
        for name in ("reset_value", "threshold"):
            if name in node.metadata:
                numbers(node.metadata[name], f"{where}: metadata {name!r}")
        for name in FLAGS:
            if name in node.metadata:
                value = np.asarray(node.metadata[name])
                if value.shape or value.dtype.kind not in "biu" or value not in (0, 1):
                    raise InputError(f"{where}: metadata {name!r} is {short(value)}; it is true or false")
                if value and name not in self.flags:
                    raise InputError(f"{where}: metadata {name!r} has no meaning here; remove it")

    def accepted(self, node: nir.NIRNode) -> Pattern | None:
        """The shape that a checked node's own fields ask for, or None where any will do."""
        if self.accepts is not None:
            return self.accepts(node)
        shapes = [getattr(node, name).shape for name, field in self.fields.items() if field.per_element]
        return next((shape for shape in shapes if math.prod(shape) > 1), None)

    def shaped(self, node: nir.NIRNode, shape: Shape, where: str, wanted: Sequence[Pattern | None] = ()) -> Shape:
        """Complete a checked node, in place, with the shape that arrives; input_type and output_type hold the result.

        Args:
            shape: matches `accepted(node)`, without time and batch.
            where: the file and the node, for messages.
            wanted: what the nodes after it accept.

        Returns:
            The shape of what it gives.

        Raises:
            InputError: the node cannot take this shape.
        """
        if self.settle is not None:
            self.settle(node, shape, wanted, where)
        self._broadcast(node, shape, where)
        result = self.shape(node, shape)
        if min(result, default=1) < 1:
            raise InputError(f"{where}: its kernel does not fit into its input of shape {list(shape)}")
        for what, size in (("output", result), ("padded input", self.padded(node, shape))):
            if math.prod(size) > MAX_ELEMENTS:
                raise InputError(f"{where}: its {what} of shape {list(size)} has more than {MAX_ELEMENTS} elements")
        node.input_type, node.output_type = {"input": np.array(shape)}, {"output": np.array(result)}
        return result

    def _broadcast(self, node: nir.NIRNode, shape: Shape, where: str) -> None:
        """Give every field per element the full shape; one value stands for all elements."""
        per_element = [name for name, field in self.fields.items() if field.per_element]
        for name in per_element:
            array = getattr(node, name)
            if array.shape != shape:
                if array.size != 1:
                    raise InputError(
                        f"{where}: field {name!r} has shape {list(array.shape)}, but {list(shape)} arrives; "
                        "give it one value per neuron or one for all"
                    )
                setattr(node, name, np.broadcast_to(array.reshape(()), shape))
        for name in ("reset_value", "threshold") if per_element else ():
            value = np.shape(node.metadata.get(name, 0.0))
            if len(value) > len(shape) or not matches(
                shape[len(shape) - len(value) :], tuple(None if n == 1 else n for n in value)
            ):
                raise InputError(f"{where}: metadata {name!r} has shape {list(value)}, the neurons {list(shape)}")


PRIMITIVES: dict[type[nir.NIRNode], Primitive] = {}
"""Every primitive that a graph may hold, by NIR's class. Filled by `register`."""


def register(form: Primitive) -> Primitive:
    """Add a primitive to the table.

    Raises:
        ValueError: its class, or another of its name, is in the table.
    """
    if any(form.name == known.__name__ for known in PRIMITIVES):
        raise ValueError(f"the primitive {form.name} is registered twice")
    PRIMITIVES[form.node] = form
    return form


def primitive(node: nir.NIRNode, source: str = "", name: str = "") -> Primitive:
    """The primitive of a node.

    Args:
        source, name: the file and the node, for messages.

    Raises:
        InputError: its class is not in the table; names the class.
    """
    form = PRIMITIVES.get(type(node))
    if form is None:
        raise _unknown(type(node).__name__, source, name)
    return form


def primitive_called(kind: str, source: str, name: str) -> Primitive:
    """The primitive of the type that a file says.

    Args:
        kind: the name of NIR's class.
        source, name: the file and the node, for messages.

    Raises:
        InputError: there is none of this name.
    """
    for known, form in PRIMITIVES.items():
        if known.__name__ == kind:
            return form
    raise _unknown(kind, source, name)


def _unknown(kind: str, source: str, name: str) -> InputError:
    known = ", ".join(sorted(known.__name__ for known in PRIMITIVES))
    where = f"{source}: node {name!r} has" if source else "a node has"
    return InputError(f"{where} the unknown type {kind[:80]!r}; known are {known}")
