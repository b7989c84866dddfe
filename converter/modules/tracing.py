"""Runs a module and follows every tensor that comes from its input.

Functions are followed as torch is called (`inflor.converter.modules.rules`), stateful modules as a whole. Beneath that
a second watch marks all memory that anything computed from the input is written to: what comes from the input by a way
that is not seen above (a compiled function, an autograd.Function) is never taken for a constant.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inflor.converter.errors import InputError
from inflor.converter.modules import functions  # noqa: F401  (fills the table of rules)
from inflor.converter.modules.expressions import Store
from inflor.converter.modules.forms import NeuronForm, form_of
from inflor.converter.modules.holding import Holding
from inflor.converter.modules.neuron_calls import Calls, call_neuron
from inflor.converter.modules.rules import PLAIN, REFUSED, RULES, Call, Misplaced, Refused
from inflor.converter.modules.values import Axis, LayoutError, Traced, Unknown, Value
from inflor.converter.modules.watching import MADE_LIKE, Functions, Memory, name_of, tensors_in


class Tracer(Holding):
    """One trace, and the calls of its stateful modules. Arguments: as of `Holding`."""

    def __init__(self, root: nn.Module, batch: int, store: Store | None = None) -> None:
        super().__init__(root, batch, store)
        self.calls: dict[str, Calls] = {}

    # --- running

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Follow all that is called in the block."""
        original = nn.Module.__call__

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if self.off:
                return original(module, *args, **kwargs)
            self.stack.append(module)
            try:
                return self._module(module, args, kwargs, original)
            finally:
                self.stack.pop()

        with torch.no_grad(), Memory(self), Functions(self.function):
            nn.Module.__call__ = call  # type: ignore[method-assign]
            Tensor.__copy__ = Tensor.detach  # type: ignore[attr-defined]  # copy.copy, as a call that is followed
            try:
                yield
            finally:
                nn.Module.__call__ = original  # type: ignore[method-assign]
                del Tensor.__copy__  # type: ignore[attr-defined]

    def _module(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], original: Callable[..., Any]
    ) -> Any:
        form = "a compiled module cannot be followed; use the one that it was made from"
        found = form if isinstance(module, torch.jit.ScriptModule) else form_of(module)
        if found is None:
            return original(module, *args, **kwargs)
        if isinstance(found, NeuronForm):
            with self.unseen():
                return call_neuron(self, self.calls, module, found, args, kwargs, original)
        with self.unseen():
            values = [self.look(tensor) for tensor in tensors_in((args, kwargs))]
            result = original(module, *args, **kwargs)
            if any(value is not None for value in values):
                for tensor in tensors_in(result):
                    self.hold(tensor, self.unknown(f"has no form here: {found}"))
        return result

    # --- functions

    def function(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Make a call, and say what its result holds."""
        if self.off:
            return func(*args, **kwargs)
        name = name_of(func)
        given = tensors_in((args, kwargs))
        before = [(tensor, tensor._version, self.look(tensor)) for tensor in given]
        values = {id(tensor): value for tensor, _, value in before}
        result = func(*args, **kwargs)
        results = tensors_in(result)
        if name in MADE_LIKE or not any(value is not None for value in values.values()):
            self._constant(name, results)
            return result
        if not results and name in PLAIN:
            return result
        known = Call(name, self.site(name), args, kwargs, result, self.store, self.batch, lambda t: values.get(id(t)))
        changed = [tensor for tensor, version, _ in before if tensor._version != version]
        if not results and not changed:
            raise InputError(
                f"{self.where()}: looks at the values of a tensor ({name}), so that what it does may depend on the "
                "data; write it without"
            )
        for tensor in changed:
            self.hold(tensor, self.unknown(f"changes a tensor in place with {name}; write a new tensor instead"))
        targets = results or [args[0]]
        for tensor, value in zip(targets, self._follow(known, values.values(), len(targets)), strict=True):
            self.hold(tensor, self._checked(name, tensor, value))
        return result

    def _checked(self, name: str, tensor: Tensor, value: Value) -> Value:
        """What a tensor holds, if its shape and dtype bear that out."""
        if not isinstance(value, Traced):
            return value
        if tensor.dtype != torch.float32:
            return self.unknown(f"{name} computes in {tensor.dtype}; networks are computed in float32")
        steps, shape = len(value.terms), self.store[value.terms[0]].shape
        lead = {"batch": self.batch, "time": steps, "joined": steps * self.batch, "joined_second": steps * self.batch}
        values = iter(shape)
        if tuple(tensor.shape) != tuple(lead[axis] if axis else next(values, -1) for axis in value.axes):
            return self.unknown(
                f"{name} makes {list(tensor.shape)} of values of shape {list(shape)}; give both sides of it one shape"
            )
        return value

    def _follow(self, call: Call, values: Any, count: int) -> Sequence[Value]:
        for value in values:
            if isinstance(value, Unknown):
                return [value] * count
        if call.name not in RULES:
            reason = REFUSED.get(call.name, "it has no form in NIR")
            return [self.unknown(f"calls {call.name}: {reason}")] * count
        try:
            found = RULES[call.name](call)
        except Misplaced as refused:
            return [Unknown(LayoutError(f"{self.where()}: {call.name}: {refused}"))] * count
        except Refused as refused:
            return [self.unknown(f"{call.name}: {refused}")] * count
        return [found] if isinstance(found, Traced | Unknown) else found

    def _constant(self, name: str, results: Sequence[Tensor]) -> None:
        """Zeros for a batch are the state before the first step, which may be added to or led through layers."""
        if name not in ("zeros", "zeros_like", "new_zeros") or len(results) != 1:
            return
        tensor = results[0]
        place = next((place for place, size in enumerate(tensor.shape[:2]) if size == self.batch), None)
        if place is not None and tensor.is_floating_point():
            lead: tuple[Axis, ...] = ("batch",) if place == 0 else ("time", "batch")
            count = 1 if place == 0 else tensor.shape[0]
            zero = self.store.zero(tuple(tensor.shape[len(lead) :]))
            held = Traced((zero,) * count, (*lead, *([""] * (tensor.dim() - len(lead)))))  # type: ignore[arg-type]
            self._held[id(tensor)] = (tensor, tensor._version, held)
