"""Shape inference for every NIR primitive, from what arrives and the node's checked fields.

NIR's own inference is not used: it mistypes grouped convolutions (nir 1.0.8 takes weight.shape[1] for the input's
channels) and kernels that are not square.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.primitives.fields import PER_NEURON

Shape = tuple[int, ...]
Pattern = tuple[int | None, ...]
"""A shape in which None stands for any size."""

MAX_ELEMENTS = 2**28
"""Largest output of a node, in elements of one sample at one step."""


def accepted(node: nir.NIRNode) -> Pattern | None:
    """The shape that a checked node's own fields ask for, or None where any will do."""
    if isinstance(node, nir.Linear | nir.Affine):
        return (node.weight.shape[1],)
    if isinstance(node, nir.Conv1d | nir.Conv2d):
        spatial = node.input_shape or (None,) * (node.weight.ndim - 2)
        spatial = spatial if isinstance(spatial, tuple) else (spatial,)  # a completed Conv1d has a number
        return (node.weight.shape[1] * node.groups, *spatial)
    if isinstance(node, nir.SumPool2d | nir.AvgPool2d):
        return (None, None, None)
    if isinstance(node, nir.Output):
        return node.output_type["output"]
    if isinstance(node, nir.Input):
        return node.input_type["input"]
    if type(node) in PER_NEURON:
        shapes = [getattr(node, field).shape for field in PER_NEURON[type(node)]]
        return next((shape for shape in shapes if math.prod(shape) > 1), None)
    return None


def matches(shape: Shape, pattern: Pattern | None) -> bool:
    """Whether `shape` is one that `pattern` allows."""
    if pattern is None:
        return True
    return len(shape) == len(pattern) and all(p in (None, n) for n, p in zip(shape, pattern, strict=True))


def shaped(node: nir.NIRNode, shape: Shape, where: str, wanted: Sequence[Pattern | None] = ()) -> nir.NIRNode:
    """Complete a checked node, in place, with the shape that arrives at it; input_type and output_type hold the result.

    shape: matches `accepted(node)`, without time and batch. wanted: what the nodes after it accept, by which a
    Flatten that counts the batch dimension is told from one that does not.

    Raises:
        InputError: the node cannot take this shape; `where` names the file and the node.
    """
    if isinstance(node, nir.Flatten):
        _settle_flatten(node, shape, wanted, where)
    if isinstance(node, nir.Conv1d | nir.Conv2d):
        node.input_shape = shape[1:] if isinstance(node, nir.Conv2d) else shape[1]
    if type(node) in PER_NEURON:
        _broadcast(node, shape, where)
    result = _output_shape(node, shape)
    if min(result, default=1) < 1:
        raise InputError(f"{where}: its kernel does not fit into its input of shape {list(shape)}")
    for what, size in (("output", result), ("padded input", _padded(node, shape))):
        if math.prod(size) > MAX_ELEMENTS:
            raise InputError(f"{where}: its {what} of shape {list(size)} has more than {MAX_ELEMENTS} elements")
    node.input_type, node.output_type = {"input": np.array(shape)}, {"output": np.array(result)}
    return node


def _output_shape(node: nir.NIRNode, shape: Shape) -> Shape:
    if isinstance(node, nir.Linear | nir.Affine):
        return (node.weight.shape[0],)
    if isinstance(node, nir.Conv1d | nir.Conv2d):
        if node.padding == "same":
            return (node.weight.shape[0], *shape[1:])
        padding = (0,) * len(node.stride) if node.padding == "valid" else node.padding
        return (node.weight.shape[0], *_windows(shape[1:], node.weight.shape[2:], node.stride, padding, node.dilation))
    if isinstance(node, nir.SumPool2d | nir.AvgPool2d):
        return (shape[0], *_windows(shape[1:], node.kernel_size, node.stride, node.padding, (1, 1)))
    if isinstance(node, nir.Flatten):
        return _flattened(shape, node.start_dim, node.end_dim)
    return shape


def _padded(node: nir.NIRNode, shape: Shape) -> Shape:
    """What a sliding window sees of its input."""
    padding = getattr(node, "padding", "valid")
    if padding == "valid":
        return shape
    if padding == "same":
        kernel = zip(shape[1:], node.weight.shape[2:], node.dilation, strict=True)
        return (shape[0], *(n + d * (k - 1) for n, k, d in kernel))
    return (shape[0], *(n + 2 * p for n, p in zip(shape[1:], padding, strict=True)))


def _windows(sizes: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Shape:
    """floor((n + 2 p - d (k - 1) - 1) / s) + 1 for each spatial dimension."""
    parts = zip(sizes, kernel, stride, padding, dilation, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in parts)


def _flattened(shape: Shape, start: int, end: int) -> Shape:
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


def _settle_flatten(node: nir.Flatten, shape: Shape, wanted: Sequence[Pattern | None], where: str) -> None:
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


def _broadcast(node: nir.NIRNode, shape: Shape, where: str) -> None:
    """Give every per-neuron field the full shape; one value stands for all neurons."""
    for field in PER_NEURON[type(node)]:
        array = getattr(node, field)
        if array.shape != shape:
            if array.size != 1:
                raise InputError(
                    f"{where}: field {field!r} has shape {list(array.shape)}, but {list(shape)} arrives; "
                    "give it one value per neuron or one for all"
                )
            setattr(node, field, np.broadcast_to(array.reshape(()), shape))
    for name in ("reset_value", "threshold"):
        value = np.shape(node.metadata.get(name, 0.0))
        tail = shape[len(shape) - len(value) :]
        if len(value) > len(shape) or any(n not in (1, m) for n, m in zip(value, tail, strict=True)):
            raise InputError(f"{where}: metadata {name!r} has shape {list(value)}, the neurons {list(shape)}")
