"""Rolled expressions as nodes and edges of a NIR graph, in the frameworks' own conventions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.modules.expressions import Expression, Store
from inflor.converter.modules.forms import Population
from inflor.converter.modules.layer_nodes import layer_nodes, merges, source_of
from inflor.converter.modules.neuron_calls import Calls
from inflor.converter.modules.rolling import Rolled
from inflor.converter.nir.graph import Edge, Shape
from inflor.converter.primitives.fields import changed, make_node

Source = tuple[str, int]
"""A node, and by how many steps what it gives is late."""


@dataclass
class Emitted:
    """What was made of a module.

    Attributes:
        nodes, edges: of the graph.
        recurrent: the edges that bring what was a step before.
        populations: the nodes of the neurons that fire, by the name of their module.
        readouts: likewise, of those whose potential is the output.
        forms: likewise, what their framework says of them.
    """

    nodes: dict[str, Any] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    recurrent: list[Edge] = field(default_factory=list)
    populations: dict[str, str] = field(default_factory=dict)
    readouts: dict[str, str] = field(default_factory=dict)
    forms: dict[str, Population] = field(default_factory=dict)


def emit(store: Store, calls: Mapping[str, Calls], rolled: Rolled, input_shape: Shape) -> Emitted:
    """The graph of a rolled trace.

    Raises:
        InputError: a neuron or a layer has no form in NIR; names it.
    """
    made = _Emitter(store, calls, rolled, input_shape)
    made.output()
    return made.finished()


class _Emitter:
    def __init__(self, store: Store, calls: Mapping[str, Calls], rolled: Rolled, input_shape: Shape) -> None:
        self.store, self.calls, self.rolled = store, calls, rolled
        self.result = Emitted()
        self.names: set[str] = set()
        self.late: list[tuple[str, str, int]] = []
        self.made: dict[int, list[Source]] = {}
        self.readers = self._readers()
        self.input_shape = self._reshaped_input(input_shape)
        self.input = self._put("input", nir.Input(np.array(self.input_shape)))

    def _readers(self) -> Counter[int]:
        """How many expressions read an expression, of those that the output depends on."""
        readers: Counter[int] = Counter([self.rolled.output])
        pending, seen, neurons = [self.rolled.output], {self.rolled.output}, set[str]()
        while pending:
            expression = self.store[pending.pop()]
            inputs = list(expression.inputs)
            if expression.op in ("neuron", "state") and expression.site not in neurons:
                neurons.add(expression.site)
                inputs.append(self.rolled.arriving[expression.site])
            for source in inputs:
                readers[source] += 1
                if source not in seen:
                    seen.add(source)
                    pending.append(source)
        self.seen = seen
        return readers

    def _reshaped_input(self, shape: Shape) -> Shape:
        """The shape in which everything that reads the input first views it, where that is no Flatten."""
        views = {
            number: expression.shape
            for number in self.seen
            for expression in [self.store[number]]
            if any(self.store[source].op == "input" for source in expression.inputs)
        }
        shapes = set(views.values())
        all_views = all(self.store[number].op == "reshape" for number in views)
        if all_views and len(shapes) == 1 and merges(shape, next(iter(shapes))) is None:
            return next(iter(shapes))
        return shape

    def _name(self, name: str) -> str:
        """A name of its own; one that is taken gets a number."""
        name = name.replace("/", ".")
        free, count = name, 1
        while free in self.names:
            count += 1
            free = f"{name}_{count}"
        self.names.add(free)
        return free

    def _put(self, name: str, node: Any) -> str:
        """Add a node."""
        name = self._name(name)
        self.result.nodes[name] = node
        return name

    def _connect(self, sources: list[Source], target: str) -> None:
        for (name, lag), count in Counter(sources).items():
            if count > 1:
                shape = self._shape_of(name)
                twice = self._put(f"{name}.times{count}", make_node(nir.Scale, {"scale": np.full(shape, count, float)}))
                self._edge(name, twice, lag)
                name, lag = twice, 0
            self._edge(name, target, lag)

    def _edge(self, source: str, target: str, lag: int) -> None:
        if lag:
            self.late.append((source, target, lag))
        elif (source, target) not in self.result.edges:
            self.result.edges.append((source, target))

    def _shape_of(self, name: str) -> Shape:
        for number, sources in self.made.items():
            if any(source == name for source, _ in sources):
                return self.store[number].shape
        raise AssertionError(name)

    # --- expressions

    def sources(self, number: int) -> list[Source]:
        """The nodes whose sum is an expression; made where they are not there yet."""
        if number not in self.made:
            self.made[number] = self._sources(number, self.store[number])
        return self.made[number]

    def _sources(self, number: int, expression: Expression) -> list[Source]:
        if expression.op == "input":
            return [(self.input, -(expression.step or 0))]
        if expression.op == "neuron":
            return [(self._neuron(expression.site), -(expression.step or 0))]
        if expression.op == "state":
            raise InputError(f"{self._called(expression.site)}: a state of it is passed on, and only spikes can be")
        if expression.op == "zero":
            return []
        if expression.op == "add":
            return [source for part in expression.inputs for source in self.sources(part)]
        if (
            expression.op == "reshape"
            and self.store[expression.inputs[0]].op == "input"
            and expression.shape == self.input_shape
        ):
            return self.sources(expression.inputs[0])
        before = self.sources(source_of(self.store, number))
        if not before:
            raise InputError(f"{expression.site}: nothing arrives at it but its own bias; add that to another layer")
        for name, node in layer_nodes(self.store, number, self.readers[expression.inputs[0]] == 1):
            put = self._put(name, node)
            self._connect(before, put)
            before = [(put, 0)]
        return before

    # --- neurons

    def _called(self, name: str) -> str:
        return f"{name or 'the module'} ({type(self.calls[name].module).__name__})"

    def _population(self, module: str) -> Population:
        if module not in self.result.forms:
            calls = self.calls[module]
            try:
                self.result.forms[module] = calls.form.population(calls.module, calls.shape, self._called(module))
            except InputError as error:
                raise InputError(f"{self._called(module)}: {error}") from error
        return self.result.forms[module]

    def _neuron(self, module: str) -> str:
        if module in self.result.populations:
            return self.result.populations[module]
        form, shape = self._population(module), self.calls[module].shape
        name = self._name(module or type(self.calls[module].module).__name__.lower())
        self.result.populations[module] = name  # before what arrives is made: the neuron itself may be a part of it
        self._feed(module, name)
        self.result.nodes[name] = _full(form.node, shape)
        before: Source = (name, 1)
        for inner, node in form.back.items():
            put = self._put(f"{name}.{inner}", node)
            self._edge(before[0], put, before[1])
            before = (put, 0)
        if form.back:
            self._edge(before[0], name, before[1])
        return name

    def _feed(self, module: str, name: str) -> None:
        sources = self.sources(self.rolled.arriving[module])
        if not sources:
            raise InputError(f"{self._called(module)}: nothing arrives at it")
        self._connect(sources, name)

    def _readout(self, module: str) -> str:
        form = self._population(module)
        if form.readout is None:
            raise InputError(
                f"{self._called(module)}: the module gives its potential, but it fires and resets; give its spikes, or "
                "make it one that never resets"
            )
        name = self._name(module or "readout")
        self._feed(module, name)
        self.result.nodes[name] = _full(form.readout, self.calls[module].shape)
        self.result.readouts[module] = name
        return name

    def output(self) -> None:
        """Make all that the output depends on, neurons in the order in which they were called."""
        expression = self.store[self.rolled.output]
        firing = {self.store[number].site for number in self.seen if self.store[number].op == "neuron"}
        for module in self.calls:
            if module in firing:
                self._neuron(module)
        if expression.op == "state":
            if ("potential", True) not in expression.options:
                raise InputError(
                    f"{self._called(expression.site)}: the module gives a state of it that is no potential"
                )
            if self.rolled.kind in ("sum", "mean"):
                raise InputError(
                    f"{self._called(expression.site)}: the module gives its potential's {self.rolled.kind} over time; "
                    "give the last potential, or a stack of all"
                )
            sources: list[Source] = [(self._readout(expression.site), 0)]
        else:
            sources = self.sources(self.rolled.output)
        put = self._put("output", nir.Output(np.array(expression.shape)))
        self._connect(sources, put)

    def finished(self) -> Emitted:
        """Settle how what is late arrives: over an edge of a cycle, which takes a step, or by a Delay."""
        links: dict[str, list[str]] = {}
        for start, end in [*self.result.edges, *((start, end) for start, end, _ in self.late)]:
            links.setdefault(start, []).append(end)
        for start, end, lag in self.late:
            closes = start in _reached(end, links)
            waits = lag - closes
            if waits:
                shape = self._shape_of(start)
                delay = self._put(f"{start}.delay", make_node(nir.Delay, {"delay": np.full(shape, waits, np.float32)}))
                self.result.edges.append((start, delay))
                start = delay
            self.result.edges.append((start, end))
            if closes:
                self.result.recurrent.append((start, end))
        return self.result


def _reached(start: str, links: Mapping[str, list[str]]) -> set[str]:
    found, pending = {start}, [start]
    while pending:
        new = [name for name in links.get(pending.pop(), []) if name not in found]
        found.update(new)
        pending += new
    return found


def _full(node: nir.NIRNode, shape: Shape) -> nir.NIRNode:
    """The node with the arrays of its elements at their full shape."""
    values = {
        name: np.broadcast_to(value, shape)
        for name, value in vars(node).items()
        if name not in ("input_type", "output_type", "metadata")
    }
    metadata = {
        name: np.broadcast_to(value, shape) if isinstance(value, np.ndarray) and value.ndim else value
        for name, value in node.metadata.items()
    }
    return changed(node, values, metadata)
