"""A torch module as a validated NIR graph: trace twice, roll up, write nodes, and apply the frameworks' conventions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import nir
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from inflor.converter.errors import InputError
from inflor.converter.modules.emitting import Emitted, emit
from inflor.converter.modules.expressions import Store
from inflor.converter.modules.keeping import kept
from inflor.converter.modules.layouts import SAID, Time, Trace, found, traced
from inflor.converter.modules.rolling import Rolled, roll
from inflor.converter.modules.values import Axis
from inflor.converter.nir.graph import RECURRENT_KEY, Edge, Graph, Shape, nir_graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.passes.base import Pass, run_passes
from inflor.converter.passes.bound_time_constants import bound_time_constants
from inflor.converter.passes.fold_norms import Norm, fold_norms, folding_note
from inflor.converter.passes.lower_thresholds import lower_thresholds
from inflor.converter.passes.place_resets import place_resets
from inflor.converter.passes.shift_starts import shift_starts
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.dynamics import check_time


@dataclass(frozen=True)
class Import:
    """A module as a graph.

    Attributes:
        graph: in our conventions.
        shape: of one sample at one step, as the module takes it.
        time: where the module has its time.
        populations: the node of each neuron that fires, by the name of its module.
        readouts: likewise, of those whose potential is the output.
        kind: what the module gives: "steps", their "sum" or "mean", or the "last" potential.
        axes: of its output.
        notes: what changed its form or was assumed, for the user.
    """

    graph: Graph
    shape: Shape
    time: Time
    populations: Mapping[str, str]
    readouts: Mapping[str, str]
    kind: str
    axes: tuple[Axis, ...]
    notes: tuple[str, ...]


def unwrapped(module: nn.Module) -> nn.Module:
    """The module that was written, without what torch.compile or DataParallel put around it."""
    for wrapper in ("_orig_mod", "module"):
        inner = getattr(module, wrapper, None)
        if isinstance(inner, nn.Module) and type(module).__name__ in ("OptimizedModule", "DataParallel"):
            return unwrapped(inner)
    return module


def to_graph(
    module: nn.Module, shape: Shape, timesteps: int | None, time: Time | None = None, info: ModelInfo | None = None
) -> Import:
    """Follow a module and write what it does as a graph. The module stays as it is.

    Args:
        shape: of one sample at one step.
        timesteps: T; None takes the number that a loop in the module has.
        time: where the module has its time; None tries.
        info: input scaling, classes and provenance of the result.

    Raises:
        InputError: something has no form here, or differs from step to step; names the module.
    """
    name = type(module).__name__
    _check_numbers(module)
    with kept(module):
        store = Store()
        trace = found(module, shape, timesteps, time, store, seed=0)
        rolled = roll(store, trace.calls, trace.given, trace.steps)
        again = traced(module, shape, timesteps, trace.time, store, seed=1)
        _same(store, trace, rolled, again)
        steps = trace.steps if trace.time == "inside" else timesteps
        if steps is None:
            raise InputError(
                "a call is one step, and nothing says for how many it runs; give `timesteps`", option="timesteps"
            )
        emitted = emit(store, trace.calls, rolled, shape)
    static = all(
        leaf.step is None
        for number in [*rolled.arriving.values(), rolled.output]
        for leaf in store.leaves(number)
        if leaf.op == "input"
    )
    info = replace(
        info or ModelInfo(), timesteps=steps, dt=1.0, integration="euler", encoding="direct" if static else ""
    )
    graph = _validated(emitted, replace(info, architecture=name, known=True), name)
    notes = _notes(trace, rolled, emitted, store)
    taken = graph.output_shapes[graph.inputs()[0]]
    if taken != shape:
        notes.append(f"The input is taken as {list(taken)}, which is how the module first views its {list(shape)}.")
    axes = trace.given.axes
    return Import(graph, shape, trace.time, emitted.populations, emitted.readouts, rolled.kind, axes, tuple(notes))


def check_made(module: nn.Module) -> None:
    """Refuse a module whose lazy layers have no weights yet.

    Raises:
        InputError: names one.
    """
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise InputError(
                f"{name} has no shape yet: its layer is made by the first sample; run the network on one before, as in "
                "a function that makes it, calls it and returns it"
            )


def _check_numbers(module: nn.Module) -> None:
    check_made(module)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise InputError(f"{name} is {tensor.dtype}; networks are computed in float32: call module.float() first")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()) and "threshold" not in name:
            raise InputError(f"{name} holds values that are not finite; train the module again")


def _same(store: Store, trace: Trace, rolled: Rolled, again: Trace) -> None:
    """Refuse a module that did something else with other data."""
    other = roll(store, again.calls, again.given, again.steps)
    text = "does something else with other data, or with another number of samples; write it without such a choice"
    for name in {**rolled.arriving, **other.arriving}:
        mine, theirs = rolled.arriving.get(name), other.arriving.get(name)
        if mine != theirs:
            shown = " and ".join("nothing" if n is None else store.described(n) for n in (mine, theirs))
            raise InputError(f"{name}: takes {shown}: the module {text}")
    if (rolled.output, rolled.kind, rolled.steps) != (other.output, other.kind, other.steps):
        raise InputError(f"its output: the module {text}")


def _validated(emitted: Emitted, info: ModelInfo, source: str) -> Graph:
    metadata = {METADATA_KEY: info.to_json()}
    before: list[Pass[nir.NIRGraph]] = [fold_norms(source), bound_time_constants(1.0)]
    raw = run_passes(nir_graph(emitted.nodes, emitted.edges, metadata), before)
    graph = validate(raw, source)
    if emitted.recurrent and not _waits_alike(graph, emitted.recurrent):
        metadata[RECURRENT_KEY] = json.dumps(sorted(emitted.recurrent))
        graph = validate(nir_graph(raw.nodes, raw.edges, metadata), source)
    graph = run_passes(graph, _conventions(emitted), frozenset({"time", "resets"}))
    check_time(graph)
    for name, node in graph.nodes.items():
        primitive(node).checked(node, graph.where(name))
    return graph


def _conventions(emitted: Emitted) -> list[Pass[Graph]]:
    """What turns the nodes of each framework into ours."""
    forms = {
        emitted.populations[module]: form for module, form in emitted.forms.items() if module in emitted.populations
    }
    passes: list[Pass[Graph]] = []
    for late in (False, True):
        subtracts = [
            n for n, form in forms.items() if form.late is late and form.node.metadata.get("reset") == "subtract"
        ]
        passes.append(place_resets(late, subtracts))
    starts: tuple[Literal["v_leak", "v_reset"], ...] = ("v_leak", "v_reset")
    for start in starts:
        passes.append(shift_starts(start, [name for name, form in forms.items() if form.start == start]))
    return [*passes, lower_thresholds([name for name, form in forms.items() if form.reached])]


def _waits_alike(graph: Graph, meant: Sequence[Edge]) -> bool:
    """Whether the edges that a walk finds to close the cycles make every path wait where it is meant to.

    An edge later on a path of single layers is as good.
    """
    left = set(graph.recurrent)
    for start, end in meant:
        while (start, end) not in left:
            if (
                len(graph.predecessors(end)) != 1
                or len(graph.successors(end)) != 1
                or primitive(graph.nodes[end]).fires
            ):
                return False
            start, end = end, graph.successors(end)[0]
        left.discard((start, end))
    return not left


def _notes(trace: Trace, rolled: Rolled, emitted: Emitted, store: Store) -> list[str]:
    notes = [f"Time: {SAID[trace.time]}" + (f"; {trace.steps} steps." if trace.time == "inside" else ".")]
    if trace.among > 1:
        notes.append(f"The module gives {trace.among} tensors; the first is the output.")
    norms = sum(isinstance(node, Norm) for node in emitted.nodes.values())
    if norms:
        notes.append(folding_note(norms))
    if unused := sorted(set(trace.calls) - set(emitted.forms)):
        notes.append(f"The output does not depend on {', '.join(unused)}; left out.")
    for module, form in emitted.forms.items():
        notes += [f"{module}: {note}" for note in form.notes]
    if any(form.node.metadata.get("reset") == "subtract" for form in emitted.forms.values()):
        notes.append(
            "What a spike takes off the potential stands in each neuron's metadata (reset, reset_value), because NIR "
            "has no field for it. Readers that ignore them reset to 0; `portable=True` of convert spells it out."
        )
    if rolled.kind in ("sum", "mean"):
        notes.append(
            f"The module gives a {rolled.kind} over time; the graph gives every step, and its mean is the prediction."
        )
    return list(dict.fromkeys(notes))
