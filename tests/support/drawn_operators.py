"""Draws an operator of every registered class, with a shape that it takes. A new class needs a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from hypothesis import strategies as st

from inflor.quant.operators import Conv, Flatten, Linear, Operator, Scale, Shape, SumPool
from inflor.quant.operators.conv import same_padding

Drawn = tuple[Operator, Shape]


def _weights(draw: st.DrawFn, shape: Shape) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.integers(-9, 10, shape) * rng.integers(0, 2, shape)


@st.composite
def convs(draw: st.DrawFn) -> Drawn:
    dims, groups, inner = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 2))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=dims, max_size=dims)))

    kernel, stride, dilation = each(1, 3), each(1, 3), each(1, 2)
    padding = tuple(zip(each(0, 2), each(0, 2), strict=True))
    spatial = tuple(d * (k - 1) + 1 + n for d, k, n in zip(dilation, kernel, each(0, 4), strict=True))
    weight = _weights(draw, (groups * draw(st.integers(1, 2)), inner, *kernel))
    return Conv("op", weight, stride, padding, dilation, groups), (groups * inner, *spatial)


@st.composite
def linears(draw: st.DrawFn) -> Drawn:
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    return Linear("op", _weights(draw, (draw(st.integers(1, 4)), shape[-1]))), shape


@st.composite
def scales(draw: st.DrawFn) -> Drawn:
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    ones = (1,) * (len(shape) - 1)
    return Scale("op", _weights(draw, draw(st.sampled_from([(), (1, *ones), (shape[0], *ones), shape])))), shape


@st.composite
def sum_pools(draw: st.DrawFn) -> Drawn:
    dims = draw(st.integers(1, 2))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=dims, max_size=dims)))

    kernel = each(1, 3)
    spatial = tuple(k + n for k, n in zip(kernel, each(0, 4), strict=True))
    return SumPool("op", kernel, each(1, 3), each(0, 2)), (draw(st.integers(1, 3)), *spatial)


@st.composite
def flattens(draw: st.DrawFn) -> Drawn:
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    start = draw(st.integers(0, len(shape) - 1))
    return Flatten("op", start, draw(st.integers(start, len(shape) - 1))), shape


def has_nir_node(operator: Operator, shape: Shape) -> bool:
    """Whether NIR has a node for it: not for unequal padding, pools over one dimension and matrices over several."""
    if isinstance(operator, Conv):
        return operator.symmetric or operator.padding == same_padding(operator.weight.shape[2:], operator.dilation)
    if isinstance(operator, SumPool):
        return len(shape) == 3
    return not isinstance(operator, Linear) or len(shape) == 1


DRAWN: Mapping[type[Operator], Callable[[], st.SearchStrategy[Drawn]]] = {
    Conv: convs,
    Flatten: flattens,
    Linear: linears,
    Scale: scales,
    SumPool: sum_pools,
}
