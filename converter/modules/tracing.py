"""Runs a module and follows every tensor that comes from its input.

Functions are followed as torch is called (`inflor.converter.modules.rules`), stateful modules as a whole. Beneath that
a second watch marks all memory that anything computed from the input is written to: what comes from the input by a way
that is not seen above (a compiled function, an autograd.Function) is never taken for a constant.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from inflor.converter.errors import InputError
from inflor.converter.modules import functions  # noqa: F401  (fills the table of rules)
from inflor.converter.modules.expressions import Expression, Store
from inflor.converter.modules.forms import Giving, NeuronForm, Reading, form_of
from inflor.converter.modules.rules import PLAIN, REFUSED, RULES, Call, Misplaced, Refused, shown
from inflor.converter.modules.values import Axis, LayoutError, Traced, Unknown, Value
from inflor.converter.nir.graph import Shape


@dataclass
class Calls:
    """The calls of one stateful module.

    Attributes:
        module, form: what was called.
        shape: of its neurons.
        runs: for each sample that it began anew, the expression that arrived in each step.
        last: the expressions of the states that its last call left.
    """

    module: nn.Module
    form: NeuronForm
    shape: Shape
    runs: list[list[int]] = field(default_factory=list)
    last: tuple[int | None, ...] = ()


_MADE_LIKE = {
    *("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like"),
    *("new_zeros", "new_ones", "new_empty", "new_full", "new_tensor", "new_empty_strided"),
}
"""Functions that take a tensor for its shape and dtype alone."""


class Tracer:
    """One trace: what the tensors hold, and which stateful modules were called with what.

    root: the module. batch: samples traced together. names: of its modules.
    """

    def __init__(self, root: nn.Module, batch: int, store: Store | None = None) -> None:
        self.store, self.batch = Store() if store is None else store, batch
        self.names: Mapping[nn.Module, str] = {module: name for name, module in root.named_modules()}
        self.calls: dict[str, Calls] = {}
        self.stack: list[nn.Module] = []
        self.off = False
        self._held: dict[int, tuple[Tensor, int, Value]] = {}
        self._marked: dict[int, Any] = {}

    # --- what tensors hold

    def hold(self, tensor: Tensor, value: Value) -> None:
        """Remember what a tensor holds, as it is now."""
        self._held[id(tensor)] = (tensor, tensor._version, value)
        self.mark(tensor)

    def look(self, tensor: Any) -> Value | None:
        """What a tensor holds; None for a constant."""
        if not isinstance(tensor, Tensor):
            return None
        held = self._held.get(id(tensor))
        if held is not None and held[0] is tensor:
            if held[1] == tensor._version:
                return held[2]
            return self.unknown("it was changed in place through another view of it; write a new tensor instead")
        if self.marked(tensor):
            return self.unknown(
                "it comes from the input by a way that cannot be followed (an autograd.Function, a compiled function, "
                "or a state that a module keeps to itself); use a neuron of a known framework"
            )
        return None

    def mark(self, tensor: Tensor) -> None:
        """Mark a tensor's memory as computed from the input."""
        storage = tensor.untyped_storage()
        if storage.data_ptr():
            self._marked[storage.data_ptr()] = storage  # kept alive, so that the address stays its own

    def marked(self, tensor: Tensor) -> bool:
        """Whether a tensor's memory was computed from the input."""
        return tensor.layout == torch.strided and tensor.untyped_storage().data_ptr() in self._marked

    def unknown(self, text: str) -> Unknown:
        """A tensor without a form, where the trace now stands."""
        return Unknown(InputError(f"{self.where()}: {text}"))

    def needed(self, tensor: Any) -> Traced | None:
        """What a tensor holds that is needed from here on.

        Raises:
            InputError: it has no form.
        """
        value = self.look(tensor)
        if isinstance(value, Unknown):
            raise value.error
        return value

    # --- where the trace stands

    def where(self) -> str:
        """How a message names the present place."""
        if not self.stack:
            return "the module"
        return self.named(self.stack[-1])

    def named(self, module: nn.Module) -> str:
        """How a message names a module: its path and its class."""
        name, kind = self.names.get(module), type(module).__name__
        return f"{name} ({kind})" if name else kind

    def site(self, function: str) -> str:
        """The name of what a function makes: its module's, and its own where the module holds others."""
        module = self.stack[-1] if self.stack else None
        name = self.names.get(module, "") if module is not None else ""
        function = function.strip("_")
        if not name:
            return function
        return name if next(module.children(), None) is None else f"{name}.{function}"  # type: ignore[union-attr]

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

        with torch.no_grad(), _Memory(self), _Functions(self):
            nn.Module.__call__ = call  # type: ignore[method-assign]
            Tensor.__copy__ = Tensor.detach  # type: ignore[attr-defined]  # copy.copy, as a call that is followed
            try:
                yield
            finally:
                nn.Module.__call__ = original  # type: ignore[method-assign]
                del Tensor.__copy__  # type: ignore[attr-defined]

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """Follow nothing in the block but memory."""
        before, self.off = self.off, True
        try:
            yield
        finally:
            self.off = before

    def _module(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], original: Callable[..., Any]
    ) -> Any:
        form = "a compiled module cannot be followed; use the one that it was made from"
        found = form if isinstance(module, torch.jit.ScriptModule) else form_of(module)
        if found is None:
            return original(module, *args, **kwargs)
        if isinstance(found, NeuronForm):
            with self.unseen():
                return self._neuron(module, found, args, kwargs, original)
        with self.unseen():
            values = [self.look(tensor) for tensor in tensors_in((args, kwargs))]
            result = original(module, *args, **kwargs)
            if any(value is not None for value in values):
                for tensor in tensors_in(result):
                    self.hold(tensor, self.unknown(f"has no form here: {found}"))
        return result

    # --- stateful modules

    def _neuron(self, module: nn.Module, form: NeuronForm, args: Any, kwargs: Any, original: Callable[..., Any]) -> Any:
        name = self.names.get(module)
        if name is None:
            raise InputError(f"{self.where()}: is not a part of the module; keep it as an attribute or in a ModuleList")
        reading = form.reads(module, args, kwargs)
        arriving = self._arriving(reading.arriving, form.lead(module))
        if reading.weight is not None:
            arriving = self._through(arriving, reading, f"{name}.input")
        shape = self.store[arriving.terms[0]].shape
        calls = self.calls.setdefault(name, Calls(module, form, shape))
        if calls.shape != shape:
            raise InputError(f"{self.where()}: is called with values of {list(calls.shape)} and of {list(shape)}")
        self._continue(calls, reading)
        result = original(module, *args, **kwargs)
        giving = form.gives(module, result)
        first = len(calls.runs[-1])
        calls.runs[-1] += arriving.terms
        self._hold_results(calls, name, giving, reading, arriving, first)
        return result

    def _through(self, arriving: Traced, reading: Reading, site: str) -> Traced:
        """What arrives, behind the layer of a neuron's own."""
        arrays = {
            name: None if tensor is None else tensor.detach().cpu().numpy()
            for name, tensor in (("weight", reading.weight), ("bias", reading.bias))
        }
        assert arrays["weight"] is not None
        out, inner = arrays["weight"].shape
        if self.store[arriving.terms[0]].shape != (inner,):
            shape = list(self.store[arriving.terms[0]].shape)
            raise LayoutError(f"{self.where()}: its weights take {inner} values, and {shape} arrive")
        return arriving.mapped(lambda term: self.store.layer("linear", term, (out,), site, arrays))

    def _arriving(self, tensor: Tensor, lead: tuple[Axis, ...]) -> Traced:
        value = self.needed(tensor)
        if value is None:
            raise InputError(f"{self.where()}: gets a constant, not what comes from the input")
        if value.lead == lead and value.in_order:
            return value
        axes = ", ".join({"joined": "time * batch", "joined_second": "batch * time"}.get(axis, axis) for axis in lead)
        many = "one step" if lead == ("batch",) else "all steps at once"
        raise LayoutError(f"{self.where()}: takes {many}, [{axes}, ...], and {shown(value)} arrives")

    def _continue(self, calls: Calls, reading: Reading) -> None:
        """Check that the states are those of the module's own last call, or those before a sample."""
        begins = [self._blank(state) for state in reading.states]
        if all(begins) and not (calls.runs and reading.states and self._same(calls, reading)):
            calls.runs.append([])
            return
        if not calls.runs or not self._same(calls, reading):
            step = len(calls.runs[-1]) if calls.runs else 0
            which = "starts from a state that is not 0" if not calls.runs else "takes a state"
            raise InputError(
                f"{self.where()}: in step {step} {which} that is not what its own last call gave; hand each neuron's "
                "states from call to call unchanged, and start from those that it makes itself"
            )

    def _same(self, calls: Calls, reading: Reading) -> bool:
        if len(calls.last) != len(reading.states):
            return not reading.states
        return all(
            expected is None or self._term(state) == expected
            for state, expected in zip(reading.states, calls.last, strict=True)
        )

    def _term(self, tensor: Tensor | None) -> int | None:
        value = self.look(tensor)
        return value.terms[0] if isinstance(value, Traced) and len(value.terms) == 1 else None

    def _blank(self, state: Tensor | None) -> bool:
        if state is None:
            return True
        return state.numel() == 0 or not bool(state.any())

    def _hold_results(
        self, calls: Calls, name: str, giving: Giving, reading: Reading, arriving: Traced, first: int
    ) -> None:
        lead = reading.arriving.shape[: len(arriving.lead)]
        if giving.spikes.shape != (*lead, *calls.shape):
            raise InputError(
                f"{self.where()}: gives {list(giving.spikes.shape)} for {[*lead, *calls.shape]}; a neuron for each "
                "value of its input is needed"
            )
        steps = range(first, first + len(arriving.terms))

        def held(op: str, options: Any = ()) -> Traced:
            terms = (Expression(op, calls.shape, name, step=step, options=options) for step in steps)
            return Traced(tuple(self.store.make(term) for term in terms), arriving.axes)

        for number, state in enumerate(giving.states):
            if state.shape == giving.spikes.shape and state is not giving.spikes:
                self.hold(state, held("state", (("which", number), ("potential", number == giving.potential))))
        self.hold(giving.spikes, held("neuron"))
        if calls.form.lead(calls.module) == ("batch",):
            calls.last = tuple(self._term(state) for state in giving.states)

    # --- functions

    def function(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Make a call, and say what its result holds."""
        name = _name(func)
        given = tensors_in((args, kwargs))
        before = [(tensor, tensor._version, self.look(tensor)) for tensor in given]
        values = {id(tensor): value for tensor, _, value in before}
        result = func(*args, **kwargs)
        results = tensors_in(result)
        if name in _MADE_LIKE or not any(value is not None for value in values.values()):
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


def _name(func: Any) -> str:
    if func is torch.batch_norm:  # takes its arguments in another order than torch.nn.functional's
        return "torch.batch_norm"
    name = getattr(func, "__name__", str(func))
    if name in ("__get__", "__set__"):  # of a property such as shape
        return getattr(func.__self__, "__name__", name)
    return str(name)


def tensors_in(structure: Any) -> list[Tensor]:
    """The tensors in lists, tuples and mappings, in order."""
    if isinstance(structure, Tensor):
        return [structure]
    if isinstance(structure, Mapping):
        return [tensor for value in structure.values() for tensor in tensors_in(value)]
    if isinstance(structure, list | tuple):
        return [tensor for value in structure for tensor in tensors_in(value)]
    return []


class _Functions(TorchFunctionMode):
    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.tracer.off:
            return func(*args, **(kwargs or {}))
        return self.tracer.function(func, args, kwargs or {})


class _Memory(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's has no types
    def __init__(self, tracer: Tracer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tracer = tracer

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        like = func.overloadpacket.__name__ in _MADE_LIKE
        if not like and any(self.tracer.marked(tensor) for tensor in tensors_in((args, kwargs or {}))):
            for tensor in tensors_in(result):
                if tensor.layout == torch.strided:
                    self.tracer.mark(tensor)
        return result
