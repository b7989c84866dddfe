"""The linear operators that a projection is a chain of, their registry, and the chain itself."""

from __future__ import annotations

import nir

from inflor.converter.errors import InputError
from inflor.quant.ir.types import IntArray, Shape
from inflor.quant.operators.arrays import Weights
from inflor.quant.operators.base import Operator, Weighted
from inflor.quant.operators.chain import (
    apply_chain,
    bounds,
    output_shape,
    split_chain,
    unrolled,
    weight_tensor,
    weighted,
)
from inflor.quant.operators.conv import Conv
from inflor.quant.operators.flatten import Flatten
from inflor.quant.operators.interval import Interval
from inflor.quant.operators.linear import Linear
from inflor.quant.operators.scale import Scale
from inflor.quant.operators.sum_pool import SumPool

__all__ = [
    "Conv",
    "Flatten",
    "IntArray",
    "Interval",
    "Linear",
    "Operator",
    "Scale",
    "Shape",
    "SumPool",
    "Weighted",
    "Weights",
    "apply_chain",
    "bounds",
    "output_shape",
    "split_chain",
    "unrolled",
    "weight_tensor",
    "weighted",
]

OPERATORS: tuple[type[Operator], ...] = (
    Conv,
    Flatten,
    Linear,
    Scale,
    SumPool,
)
"""Every operator. Of two that read the same NIR class, the first that takes a node has it."""

LINEAR_NODES = tuple(node for operator in OPERATORS for node in operator.NODES)
"""The NIR classes that become operators."""


def operator_of(name: str, node: nir.NIRNode, shape: Shape, source: str) -> Operator:
    """The operator that a node of a validated graph is over an input of `shape`, its bias left out.

    Args:
        source: the file's name, for messages.

    Raises:
        InputError: there is none.
    """
    for operator in OPERATORS:
        if isinstance(node, operator.NODES) and (found := operator.from_nir(name, node, shape)) is not None:
            return found
    what = f"a {type(node).__name__} over {shape} cannot be quantized"
    raise InputError(what, path=source, node=name, mend="flatten its input")
