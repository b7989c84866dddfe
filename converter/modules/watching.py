"""The two watches: functions as they are called, and beneath them the memory that they write to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from inflor.converter.modules.holding import Holding

MADE_LIKE = {
    *("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like"),
    *("new_zeros", "new_ones", "new_empty", "new_full", "new_tensor", "new_empty_strided"),
}
"""Functions that take a tensor for its shape and dtype alone."""


def tensors_in(structure: Any) -> list[Tensor]:
    """The tensors in lists, tuples and mappings, in order."""
    if isinstance(structure, Tensor):
        return [structure]
    if isinstance(structure, Mapping):
        return [tensor for value in structure.values() for tensor in tensors_in(value)]
    if isinstance(structure, list | tuple):
        return [tensor for value in structure for tensor in tensors_in(value)]
    return []


def name_of(func: Any) -> str:
    """The name under which a function is followed."""
    if func is torch.batch_norm:  # takes its arguments in another order than torch.nn.functional's
        return "torch.batch_norm"
    name = getattr(func, "__name__", str(func))
    if name in ("__get__", "__set__"):  # of a property such as shape
        return getattr(func.__self__, "__name__", name)
    return str(name)


class Functions(TorchFunctionMode):
    """Hands every call of a function of torch to `follow`, which makes it."""

    def __init__(self, follow: Callable[[Any, Any, dict[str, Any]], Any]) -> None:
        super().__init__()
        self.follow = follow

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.follow(func, args, kwargs or {})


class Memory(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's has no types
    """Marks all memory to which anything that was computed from marked memory is written."""

    def __init__(self, trace: Holding) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.trace = trace

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        like = func.overloadpacket.__name__ in MADE_LIKE
        if not like and any(self.trace.marked(tensor) for tensor in tensors_in((args, kwargs or {}))):
            for tensor in tensors_in(result):
                if tensor.layout == torch.strided:
                    self.trace.mark(tensor)
        return result
