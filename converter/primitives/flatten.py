"""Flatten: several dimensions as one.

y = x with the dimensions start_dim to end_dim (both included, counted without batch) as their product
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import nir
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.base import Layer, Primitive, register
from inflor.converter.primitives.fields import Field, integers, shape_entry
from inflor.converter.primitives.shapes import Pattern, matches


def _dimension(value: Any, where: str) -> int:
    return integers(value, where, -64, 1)[0]


def _flattened(shape: Shape, start: int, end: int) -> Shape:
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


def _settle(node: nir.NIRNode, shape: Shape, wanted: Sequence[Pattern | None], where: str) -> None:
    """Turn start_dim and end_dim into non-negative dimensions without batch.

    NIR counts without batch. Exporters that copy torch's Flatten(1) count the batch as dimension 0, though. Their
    reading is taken only where NIR's own cannot be: the recorded input_type has the batch, the dimension does not
    exist, or what follows takes the other result and not this one.
    """
    strict = _resolved(node.start_dim, node.end_dim, len(shape))
    with_batch = _resolved(node.start_dim, node.end_dim, len(shape) + 1)
    shifted = None if with_batch is None or with_batch[0] == 0 else (with_batch[0] - 1, with_batch[1] - 1)
    recorded = node.input_type["input"]
    if recorded is not None and recorded != shape:
        if recorded[1:] != shape:
            raise InputError(f"{where}: says its input has shape {list(recorded)}, but {list(shape)} arrives")
        strict = None
    exact = [p for p in wanted if p is not None and None not in p]

    def fits(reading: tuple[int, int]) -> bool:
        return all(matches(_flattened(shape, *reading), pattern) for pattern in exact)

    dims = strict
    if shifted is not None and (strict is None or (exact and not fits(strict) and fits(shifted))):
        dims = shifted
    if dims is None:
        raise InputError(
            f"{where}: cannot flatten dimensions {node.start_dim} to {node.end_dim} of shape {list(shape)}; "
            "NIR counts them from 0, without batch"
        )
    node.start_dim, node.end_dim = dims


def _resolved(start: int, end: int, count: int) -> tuple[int, int] | None:
    """Negative dimensions counted from the end; None where they do not exist."""
    start, end = (dim + count if dim < 0 else dim for dim in (start, end))
    return (start, end) if 0 <= start <= end < count else None


def _layer(node: nir.NIRNode, like: Tensor) -> Layer:
    start, end = 1 + node.start_dim, 1 + node.end_dim
    return lambda x: x.flatten(start, end)


register(
    Primitive(
        node=nir.Flatten,
        equation="y = x with the dimensions start_dim to end_dim as one",
        fields={
            "input_type": Field(shape_entry("input"), None, port="input"),
            "start_dim": Field(_dimension, 1),
            "end_dim": Field(_dimension, -1),
        },
        settle=_settle,
        shape=lambda node, shape: _flattened(shape, node.start_dim, node.end_dim),
        apply=_layer,
    )
)
