"""The float executor: what a validated NIR graph computes, layer by layer over all timesteps at once.

Only what lies on a cycle is computed step by step. It knows NIR's definitions and nothing of the networks that were
trained here, so that it checks the export.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import nir
import numpy.typing as npt
import torch
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.ordering import components
from inflor.converter.primitives.base import primitive
from inflor.converter.simulate.recurrence import run_component
from inflor.converter.simulate.stepping import whole_run

Values = npt.NDArray[Any] | Tensor


@dataclass(frozen=True, eq=False)
class Result:
    """What a run gave; by node name, time first.

    Attributes:
        spikes: bool [T, B, *shape] of the nodes that fire and were to be kept.
        potentials: [T, B, *shape] of the integrators (I, LI, CubaLI), after each step.
        outputs: [T, B, *shape], what arrives at every Output node.
        logits: [B, *shape] of every Output node: the final potential / T of an integrator, else the mean over T.
        currents, inputs: [T, B, *shape], the summed input of the nodes asked for; constant over time they are a
            broadcast view.
    """

    spikes: dict[str, Tensor]
    potentials: dict[str, Tensor]
    outputs: dict[str, Tensor]
    logits: dict[str, Tensor]
    currents: dict[str, Tensor]
    inputs: dict[str, Tensor]


def run(
    graph: Graph,
    x: Values | Mapping[str, Values],
    timesteps: int,
    *,
    keep: Collection[str] | None = None,
    currents: Collection[str] = (),
    keep_inputs: Collection[str] = (),
    given: Mapping[str, Values] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Result:
    """Run a batch.

    What is constant over time is computed once. Activations are let go after their last reader. What a node does in a
    step: `inflor.converter.primitives`. A recurrent edge brings what its source had a step before; before the sample
    every neuron was silent, so that a bias behind silent neurons acts from the first step on.

    Args:
        x: normalized, [B, *shape] (the same input at every step) or [T, B, *shape]; by Input node where there are
            several. It runs where x is: a tensor on a GPU runs there.
        timesteps: T.
        keep: the neurons whose spikes and potentials to return (None for all; potentials that end in an Output are
            always returned).
        currents: neurons whose summed input to return, before r and dt.
        keep_inputs: nodes of any kind whose summed input to return.
        given: [T, B, *shape] by node, what it passes on instead of what it computed; what is returned of it is still
            what it computed. So every population can be driven by the spikes of another program.
        dtype: torch.float32 or torch.float64.

    Raises:
        InputError: x does not fit; a name is unknown; dt does not fit the graph's time constants and delays.
    """
    _check(graph, timesteps, {*(keep or ()), *currents, *keep_inputs, *(given or ())})
    if not isinstance(x, Mapping):
        if len(graph.inputs()) > 1:
            raise InputError(f"{graph.source}: has the inputs {', '.join(graph.inputs())}; give x by their names")
        x = {graph.inputs()[0]: x}
    values = {name: _with_time(graph, name, x.get(name), timesteps, dtype) for name in graph.inputs()}
    batch = next(iter(values.values())).shape[1]
    replaced = {name: _as_given(graph, name, value, timesteps, batch, dtype) for name, value in (given or {}).items()}
    one_run = _Run(graph, timesteps, values, keep, currents, keep_inputs, replaced)
    with torch.no_grad(), _exact_products(any(value.is_cuda for value in values.values())):
        for names in components(graph.order, graph.edges):
            if one_run.is_cycle(names):
                one_run.cycle(names)
            else:
                one_run.node(names[0])
    return one_run.result


class _Run:
    """A run under way: what the nodes gave so far, until their last reader had it, and what is to be returned."""

    def __init__(
        self,
        graph: Graph,
        timesteps: int,
        inputs: Mapping[str, Tensor],
        keep: Collection[str] | None,
        currents: Collection[str],
        keep_inputs: Collection[str],
        replaced: Mapping[str, Tensor],
    ) -> None:
        self.graph, self.timesteps, self.inputs = graph, timesteps, inputs
        self.keep, self.currents, self.keep_inputs = keep, set(currents), set(keep_inputs)
        self.replaced = replaced
        self.values: dict[str, Tensor] = {}
        self.readers = {name: len(graph.successors(name)) for name in graph.order}
        self.result = Result({}, {}, {}, {}, {}, {})

    def is_cycle(self, names: Sequence[str]) -> bool:
        return len(names) > 1 or names[0] in self.graph.predecessors(names[0])

    def node(self, name: str) -> None:
        """Run a node that is on no cycle over all steps at once, or over one where nothing changes over time."""
        node = self.graph.nodes[name]
        value = self.inputs[name] if name in self.inputs else self._arriving(self.graph.predecessors(name))
        every_step = value.expand(self.timesteps, *value.shape[1:])
        self._record_input(name, every_step)
        if isinstance(node, nir.Output):
            self.result.outputs[name] = every_step
            self.result.logits[name] = _logits(self.graph, name, every_step)
            return
        apply = primitive(node).apply
        if apply is None:
            value = whole_run(self.graph, name, every_step)
        else:
            flat = apply(node, value)(value.flatten(0, 1))
            value = flat.reshape(*value.shape[:2], *flat.shape[1:])
        self.values[name] = self.replaced.get(name, value)
        self._record(name, value)

    def cycle(self, names: Sequence[str]) -> None:
        """Run a strongly connected component step by step."""
        graph, members = self.graph, set(names)
        outside = {name: [s for s in graph.predecessors(name) if s not in members] for name in names}
        arriving = {name: self._arriving(sources) for name, sources in outside.items() if sources}
        for name in names:
            self.readers[name] -= sum(target in members for target in graph.successors(name))
        kept = [name for name in names if self.readers[name] or self._returned(name)]
        asked = members & (self.currents | self.keep_inputs)
        given, summed = run_component(graph, names, arriving, self.timesteps, kept, asked, self.replaced)
        for name in names:
            if name in summed:
                self._record_input(name, summed[name])
            if name in given:
                self._record(name, given[name])
            if self.readers[name]:
                self.values[name] = self.replaced.get(name, given[name])

    def _arriving(self, sources: Sequence[str]) -> Tensor:
        """The sum of what the sources gave; lets go of every value that nobody reads after this."""
        value = self.values[sources[0]]
        for source in sources[1:]:
            value = value + self.values[source]
        for source in sources:
            self.readers[source] -= 1
            if not self.readers[source]:
                del self.values[source]
        return value

    def _record_input(self, name: str, value: Tensor) -> None:
        if name in self.currents:
            self.result.currents[name] = value
        if name in self.keep_inputs:
            self.result.inputs[name] = value

    def _record(self, name: str, value: Tensor) -> None:
        if self._returned(name):
            spiking = primitive(self.graph.nodes[name]).fires
            value = value.expand(self.timesteps, *value.shape[1:])
            (self.result.spikes if spiking else self.result.potentials)[name] = value.bool() if spiking else value

    def _returned(self, name: str) -> bool:
        form = primitive(self.graph.nodes[name])
        if form.kind is None:
            return False
        return self.keep is None or name in self.keep or (form.integrates and _ends(self.graph, name))


def _check(graph: Graph, timesteps: int, names: Collection[str]) -> None:
    if timesteps < 1:
        raise InputError(f"timesteps is {timesteps}; give a whole number from 1 on")
    for name in names:
        if name not in graph.nodes:
            raise InputError(f"{graph.source}: there is no node {name!r}; its nodes are {', '.join(graph.nodes)}")


def _with_time(graph: Graph, name: str, x: Values | None, timesteps: int, dtype: torch.dtype) -> Tensor:
    """The input as [T or 1, B, *shape]."""
    if x is None:
        raise InputError(f"{graph.source}: no values for its input {name!r}")
    x, shape = torch.as_tensor(x).to(dtype), graph.output_shapes[name]
    if x.shape[1:] == shape and x.dim() == len(shape) + 1:
        return x.unsqueeze(0)
    if x.shape[2:] == shape and x.dim() == len(shape) + 2:
        if len(x) != timesteps:
            raise InputError(f"{graph.source}: input {name!r} has {len(x)} steps, but {timesteps} are to be run")
        return x
    raise InputError(
        f"{graph.source}: input {name!r} takes (batch, {', '.join(map(str, shape))}), with or without steps before it; "
        f"the data have shape {tuple(x.shape)}"
    )


def _as_given(graph: Graph, name: str, value: Values, timesteps: int, batch: int, dtype: torch.dtype) -> Tensor:
    value, shape = torch.as_tensor(value).to(dtype), (timesteps, batch, *graph.output_shapes[name])
    if value.shape != shape:
        raise InputError(f"{graph.where(name)}: is given values of shape {list(value.shape)} instead of {list(shape)}")
    return value


def _ends(graph: Graph, name: str) -> bool:
    return any(isinstance(graph.nodes[target], nir.Output) for target in graph.successors(name))


def _logits(graph: Graph, name: str, stream: Tensor) -> Tensor:
    if all(primitive(graph.nodes[source]).integrates for source in graph.predecessors(name)):
        return stream[-1] / len(stream)
    return stream.mean(0)


@contextlib.contextmanager
def _exact_products(on_gpu: bool) -> Iterator[None]:
    """On a GPU torch may round the factors of a product to 10 bits (TF32); a reference must not."""
    if not on_gpu:
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32, cudnn.allow_tf32 = False, False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
