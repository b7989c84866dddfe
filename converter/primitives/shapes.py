"""Shapes, and patterns that they match.

NIR's own inference is not used: it mistypes grouped convolutions (nir 1.0.8 takes weight.shape[1] for the input's
channels) and kernels that are not square.
"""

from __future__ import annotations

from inflor.converter.nir.graph import Shape

Pattern = tuple[int | None, ...]
"""A shape in which None stands for any size."""

MAX_ELEMENTS = 2**28
"""Largest output of a node, in elements of one sample at one step."""


def matches(shape: Shape, pattern: Pattern | None) -> bool:
    """Whether `shape` is one that `pattern` allows; None allows every shape."""
    if pattern is None:
        return True
    return len(shape) == len(pattern) and all(p in (None, n) for n, p in zip(shape, pattern, strict=True))


def windows(sizes: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Shape:
    """floor((n + 2 p - d (k - 1) - 1) / s) + 1 for each spatial dimension."""
    parts = zip(sizes, kernel, stride, padding, dilation, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in parts)
