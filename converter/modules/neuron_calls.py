"""Calls of stateful modules: what arrives in each step, and whether each goes on from its own last state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from inflor.converter.errors import InputError
from inflor.converter.modules.expressions import Expression
from inflor.converter.modules.forms import Giving, NeuronForm, Reading
from inflor.converter.modules.holding import Holding
from inflor.converter.modules.rules import shown
from inflor.converter.modules.values import Axis, LayoutError, Traced
from inflor.converter.nir.graph import Shape


@dataclass
class Calls:
    """The calls of one stateful module.

    Attributes:
        module, form: what was called.
        shape: of its neurons.
        runs: for each sample that it began anew, the expression that arrived in each step.
        last: the states that its last call left: their expressions, None where they have none, and they themselves.
    """

    module: nn.Module
    form: NeuronForm
    shape: Shape
    runs: list[list[int]] = field(default_factory=list)
    last: tuple[tuple[int | None, Tensor], ...] = ()


def call_neuron(
    trace: Holding,
    every: dict[str, Calls],
    module: nn.Module,
    form: NeuronForm,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    original: Callable[..., Any],
) -> Any:
    """Call a stateful module, and follow what it takes and gives.

    Args:
        trace: the trace.
        every: the calls of all modules so far, by name; this one is added.
        original: makes the call.

    Raises:
        InputError: it goes on from a state that is not its own last one, or takes what has no form.
        LayoutError: it takes its time in another way than it gets it.
    """
    name = trace.names.get(module)
    if name is None:
        raise InputError(f"{trace.where()}: is not a part of the module; keep it as an attribute or in a ModuleList")
    reading = form.reads(module, args, kwargs)
    arriving = _arriving(trace, reading.arriving, form.lead(module))
    if reading.weight is not None:
        arriving = _through(trace, arriving, reading, f"{name}.input")
    shape = trace.store[arriving.terms[0]].shape
    calls = every.setdefault(name, Calls(module, form, shape))
    if calls.shape != shape:
        raise InputError(f"{trace.where()}: is called with values of {list(calls.shape)} and of {list(shape)}")
    _continue(trace, calls, reading)
    result = original(module, *args, **kwargs)
    giving = form.gives(module, result)
    first = len(calls.runs[-1])
    calls.runs[-1] += arriving.terms
    _hold_results(trace, calls, name, giving, reading, arriving, first)
    return result


def _through(trace: Holding, arriving: Traced, reading: Reading, site: str) -> Traced:
    """What arrives, behind the layer of a neuron's own."""
    arrays = {
        name: None if tensor is None else tensor.detach().cpu().numpy()
        for name, tensor in (("weight", reading.weight), ("bias", reading.bias))
    }
    assert arrays["weight"] is not None
    out, inner = arrays["weight"].shape
    if trace.store[arriving.terms[0]].shape != (inner,):
        shape = list(trace.store[arriving.terms[0]].shape)
        raise LayoutError(f"{trace.where()}: its weights take {inner} values, and {shape} arrive")
    return arriving.mapped(lambda term: trace.store.layer("linear", term, (out,), site, arrays))


def _arriving(trace: Holding, tensor: Tensor, lead: tuple[Axis, ...]) -> Traced:
    value = trace.needed(tensor)
    if value is None:
        raise InputError(f"{trace.where()}: gets a constant, not what comes from the input")
    if value.lead == lead and value.in_order:
        return value
    axes = ", ".join({"joined": "time * batch", "joined_second": "batch * time"}.get(axis, axis) for axis in lead)
    many = "one step" if lead == ("batch",) else "all steps at once"
    raise LayoutError(f"{trace.where()}: takes {many}, [{axes}, ...], and {shown(value)} arrives")


def _continue(trace: Holding, calls: Calls, reading: Reading) -> None:
    """Check that the states are those of the module's own last call, or those before a sample."""
    begins = [_blank(state) for state in reading.states]
    if all(begins) and not (calls.runs and reading.states and _same(trace, calls, reading)):
        calls.runs.append([])
        return
    if not calls.runs or not _same(trace, calls, reading):
        step = len(calls.runs[-1]) if calls.runs else 0
        which = "starts from a state that is not 0" if not calls.runs else "takes a state"
        raise InputError(
            f"{trace.where()}: in step {step} {which} that is not what its own last call gave; hand each neuron's "
            "states from call to call unchanged, and start from those that it makes itself"
        )


def _same(trace: Holding, calls: Calls, reading: Reading) -> bool:
    if len(calls.last) != len(reading.states):
        return not reading.states
    pairs = zip(reading.states, calls.last, strict=True)
    return all(state is tensor if term is None else _term(trace, state) == term for state, (term, tensor) in pairs)


def _term(trace: Holding, tensor: Tensor | None) -> int | None:
    value = trace.look(tensor)
    return value.terms[0] if isinstance(value, Traced) and len(value.terms) == 1 else None


def _blank(state: Tensor | None) -> bool:
    if state is None:
        return True
    return state.numel() == 0 or not bool(state.any())


def _hold_results(
    trace: Holding, calls: Calls, name: str, giving: Giving, reading: Reading, arriving: Traced, first: int
) -> None:
    lead = reading.arriving.shape[: len(arriving.lead)]
    if giving.spikes.shape != (*lead, *calls.shape):
        raise InputError(
            f"{trace.where()}: gives {list(giving.spikes.shape)} for {[*lead, *calls.shape]}; a neuron for each "
            "value of its input is needed"
        )
    steps = range(first, first + len(arriving.terms))

    def held(op: str, options: Any = ()) -> Traced:
        terms = (Expression(op, calls.shape, name, step=step, options=options) for step in steps)
        return Traced(tuple(trace.store.make(term) for term in terms), arriving.axes)

    for number, state in enumerate(giving.states):
        if state.shape == giving.spikes.shape and state is not giving.spikes:
            trace.hold(state, held("state", (("which", number), ("potential", number == giving.potential))))
    trace.hold(giving.spikes, held("neuron"))
    if calls.form.lead(calls.module) == ("batch",):
        calls.last = tuple((_term(trace, state), state) for state in giving.states)
