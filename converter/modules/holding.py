"""What the tensors of a trace hold, and where the trace stands."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from inflor.converter.errors import InputError
from inflor.converter.modules.expressions import Store
from inflor.converter.modules.values import Traced, Unknown, Value


class Holding:
    """One trace: what the tensors hold, and which modules are being run.

    root: the module. batch: samples traced together. names: of its modules.
    """

    def __init__(self, root: nn.Module, batch: int, store: Store | None = None) -> None:
        self.store, self.batch = Store() if store is None else store, batch
        self.names: Mapping[nn.Module, str] = {module: name for name, module in nn.Module.named_modules(root)}
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

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """Follow nothing in the block but memory."""
        before, self.off = self.off, True
        try:
            yield
        finally:
            self.off = before
