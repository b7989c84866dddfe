"""Leaves a module as it was found: its attributes, buffers and training mode, and torch's random numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn


@contextlib.contextmanager
def kept(module: nn.Module) -> Iterator[None]:
    """Put back, after the block, all that the modules in it hold; within it they are in evaluation mode."""
    before = [(part, dict(vars(part)), _contents(part)) for part in nn.Module.modules(module)]
    tensors = [(tensor, tensor.detach().clone()) for part, *_ in before for tensor in _tensors(part)]
    try:
        with torch.random.fork_rng(devices=[]):
            module.eval()
            yield
    finally:
        for part, attributes, contents in before:
            vars(part).clear()
            vars(part).update(attributes)
            for container, content in contents:
                container.clear()
                (container.extend if isinstance(container, list) else container.update)(content)
        with torch.no_grad():
            for tensor, values in tensors:  # a change by way of .data leaves no other trace
                if not torch.equal(tensor, values):
                    tensor.copy_(values)


def _contents(module: nn.Module) -> list[tuple[Any, Any]]:
    """The containers among a module's attributes, and copies of them."""
    return [(value, value.copy()) for value in vars(module).values() if isinstance(value, dict | list | set)]


def _tensors(module: nn.Module) -> list[Tensor]:
    """Tensors that a module holds itself: buffers, parameters, attributes."""
    found: list[Any] = []
    for value in vars(module).values():
        found += value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    return [value for value in found if isinstance(value, Tensor)]
