"""Where a module has its time, found by trying: one step a call, a loop of its own, or all steps at once."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from inflor.converter.errors import InputError
from inflor.converter.modules.expressions import Expression, Store
from inflor.converter.modules.forms import NeuronForm, form_of
from inflor.converter.modules.keeping import kept
from inflor.converter.modules.neuron_calls import Calls
from inflor.converter.modules.tracing import Tracer
from inflor.converter.modules.values import Axis, LayoutError, Traced, Unknown
from inflor.converter.modules.watching import tensors_in
from inflor.converter.nir.graph import Shape

Time = Literal["step", "inside", "first", "second", "joined"]
TIMES: tuple[Time, ...] = get_args(Time)
SAID: Mapping[Time, str] = {
    "step": "one call is one step",
    "inside": "a call takes one input for all steps, and the module has the loop over them",
    "first": "a call takes all steps, time first: [time, batch, ...]",
    "second": "a call takes all steps, batch first: [batch, time, ...]",
    "joined": "a call takes all steps of a sample after each other: [batch * time, ...]",
}
_TRACED_STEPS = 4
"""Calls of a module that takes one step a call; a state of more steps before than that is not seen."""
_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


@dataclass(frozen=True)
class Trace:
    """A module that ran.

    Attributes:
        time: where it has its time.
        steps: how many were traced.
        calls: of its neurons, one run each.
        given: what it gave; where a call is one step, of all calls.
        among: how many tensors it gave, of which this is the first.
    """

    time: Time
    steps: int
    calls: Mapping[str, Calls]
    given: Traced
    among: int


def found(module: nn.Module, shape: Shape, timesteps: int | None, time: Time | None, store: Store, seed: int) -> Trace:
    """Trace a module in the first way that it takes.

    Args:
        shape: of one sample at one step.
        timesteps: T, where it is known.
        time: the way, where it is known.

    Raises:
        InputError: it does something that has no form; or there is no way in which it runs. Names the module.
    """
    ways: tuple[Time, ...] = (time,) if time else ("inside", "step", "first", "second", "joined")
    failed: dict[Time, InputError] = {}
    reached: dict[Time, int] = {}
    for way in ways:
        before = len(store)
        try:
            with kept(module):  # a state that an attempt leaves is not the start of the next
                return traced(module, shape, timesteps, way, store, seed)
        except InputError as error:
            failed[way], reached[way] = error, len(store) - before
    refused = [way for way in ways if not isinstance(failed[way], LayoutError)]
    furthest = max(refused or ways, key=lambda way: reached[way])
    if refused or len(failed) == 1:
        raise failed[furthest]
    more = {str(failed[way]): way for way in reversed(ways) if str(failed[way]) != str(failed[furthest])}
    others = "".join(f"; `time='{way}'`: {text[:200]}" for text, way in reversed(more.items()))
    raise InputError(
        f"it does not run with samples of {list(shape)}, batch and time left out. "
        f"Where {SAID[furthest]} (`time='{furthest}'`): "
        f"{failed[furthest]}" + (f". Else{others[1:]}" if others else ""),
        option="time",
    )


def traced(module: nn.Module, shape: Shape, timesteps: int | None, time: Time, store: Store, seed: int) -> Trace:
    """Trace a module in one way; see `found`.

    Raises:
        LayoutError: it does not take its time in this way.
    """
    if timesteps is None and time in ("first", "second", "joined"):
        raise LayoutError("it takes all steps at once, and how many these are is not known; give `timesteps`")
    steps = timesteps or _TRACED_STEPS
    batch = _batch(module, (*shape, steps), seed)
    tracer = Tracer(module, batch, store)
    begin(module, batch)
    some = next((p for p in nn.Module.parameters(module) if p.is_floating_point()), torch.zeros(0))
    generator = torch.Generator().manual_seed(seed)

    def data(*sizes: int) -> Tensor:
        return (1.5 * torch.rand(*sizes, generator=generator)).to(some)

    with tracer.following():
        if time == "step":
            return _stepped(module, tracer, shape, min(steps, _TRACED_STEPS), data)
        sizes = {"first": (steps, batch), "second": (batch, steps), "inside": (batch,), "joined": (batch * steps,)}
        x = data(*sizes[time], *shape)
        leads: dict[Time, tuple[Axis, ...]] = {
            "first": ("time", "batch"),
            "second": ("batch", "time"),
            "inside": ("batch",),
            "joined": ("joined_second",),
        }
        terms = [_input(store, shape, step) for step in range(steps)]
        if time == "inside":
            terms = [_input(store, shape, None)]
        axes = (*leads[time], *_plain(shape))
        with tracer.unseen():
            tracer.hold(x, Traced(tuple(terms), axes))
        output = _called(module, x)
        given, among = _given(tracer, output)
    counts = _one_run(tracer.calls)
    if time == "inside":
        steps = _steps_inside(counts, given, timesteps)
    for name, count in counts.items():
        if count != steps:
            twice = f"is called {count} times in {steps} steps"
            raise LayoutError(
                f"{_called_name(tracer, name)}: {twice}; a neuron stands at one place and takes every step"
            )
    return Trace(time, steps, tracer.calls, given, among)


def _batch(module: nn.Module, sizes: tuple[int, ...], seed: int) -> int:
    """How many samples to trace together: a number that is the size of nothing else. seed: chooses among two."""
    tensors = [*nn.Module.parameters(module), *nn.Module.buffers(module)]
    taken = {*sizes, *(size for tensor in tensors for size in tensor.shape)}
    free = [prime for prime in _PRIMES if prime not in taken]
    return free[min(seed, len(free) - 1)] if free else max(taken) + 1 + seed


def _steps_inside(counts: Mapping[str, int], given: Traced, timesteps: int | None) -> int:
    steps = min(counts.values())
    if timesteps is not None and any(count == timesteps for count in counts.values()):
        steps = timesteps
    if steps == 1 and timesteps != 1 and not given.timed:
        raise LayoutError("no neuron is called more than once; there is no loop over time in it")
    if timesteps is not None and steps != timesteps:
        raise InputError(f"its loop has {steps} steps, and `timesteps` says {timesteps}", option="timesteps")
    return steps


def _one_run(calls: Mapping[str, Calls]) -> dict[str, int]:
    if not calls:
        raise InputError("it has no neuron of a known framework; put one behind every layer but the last")
    for name, call in calls.items():
        if len(call.runs) != 1:
            raise InputError(
                f"{name} ({type(call.module).__name__}): starts anew after {len(call.runs[0])} steps within one "
                "sample; hand its states on from step to step, and reset between samples only"
            )
    return {name: len(call.runs[0]) for name, call in calls.items()}


def _stepped(module: nn.Module, tracer: Tracer, shape: Shape, steps: int, data: Any) -> Trace:
    terms, among, state = list[int](), 1, None
    axes: tuple[Axis, ...] = ()
    for step in range(steps):
        x = data(tracer.batch, *shape)
        with tracer.unseen():
            tracer.hold(x, Traced((_input(tracer.store, shape, step),), ("batch", *_plain(shape))))
        output = _called(module, x) if state is None else _called(module, x, state)
        state = output[1] if takes_state(module) and isinstance(output, tuple) and len(output) == 2 else None
        given, among = _given(tracer, output)
        if given.timed:
            raise LayoutError("it gives several steps for one input")
        terms += given.terms
        axes = given.axes
        for name, call in tracer.calls.items():
            if len(call.runs) > 1:
                raise LayoutError(
                    f"{_called_name(tracer, name)}: starts anew in every call, so that a call is not one step; reset "
                    "between samples, outside of forward"
                )
            if len(call.runs[0]) != step + 1:
                raise LayoutError(
                    f"{_called_name(tracer, name)}: is called {len(call.runs[0])} times in {step + 1} steps"
                )
    _one_run(tracer.calls)
    return Trace("step", steps, tracer.calls, Traced(tuple(terms), ("time", *axes)), among)


def takes_state(module: nn.Module) -> bool:
    """Whether a module is called as module(x, state), with None before a sample, as Norse's are."""
    try:
        parameters = list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        return False
    return len(parameters) == 2 and parameters[1].default is None


def begin(module: nn.Module, samples: int) -> None:
    """Put the states of all neurons to what they are before so many samples."""
    for part in nn.Module.modules(module):  # some frameworks have a `modules` of their own
        form = form_of(part)
        if isinstance(form, NeuronForm):
            form.prepare(part, samples)
            form.reset(part)


def _plain(shape: Shape) -> tuple[Axis, ...]:
    axis: Axis = ""
    return (axis,) * len(shape)


def _input(store: Store, shape: Shape, step: int | None) -> int:
    return store.make(Expression("input", shape, step=step))


def _called_name(tracer: Tracer, name: str) -> str:
    return f"{name} ({type(tracer.calls[name].module).__name__})"


def _called(module: nn.Module, *args: Any) -> Any:
    try:
        return module(*args)
    except (InputError, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:  # the user's code, or torch's of shapes: it may raise anything
        text = str(error).splitlines() or [""]
        raise LayoutError(f"its forward fails{place_of(error)}: {type(error).__name__}: {text[0][:300]}") from error


def place_of(error: BaseException) -> str:
    """Where in the user's own code an error was raised: the last place that is neither torch's nor ours."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        f for f in frames if not any(part in f.filename for part in ("site-packages", "converter/modules", "torch/"))
    ]
    return f" at {own[-1].filename}:{own[-1].lineno}" if own else ""


def _given(tracer: Tracer, output: Any) -> tuple[Traced, int]:
    """The first tensor that a module gave."""
    given = tensors_in(output)
    if not given:
        raise InputError(f"its forward gives {type(output).__name__}, which holds no tensor")
    with tracer.unseen():
        value = tracer.look(given[0])
    if isinstance(value, Unknown):
        raise value.error
    if value is None:
        raise LayoutError("what it gives first does not come from its input")
    return value, len(given)
