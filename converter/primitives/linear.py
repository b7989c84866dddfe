"""Linear and Affine: a matrix, and one with a bias.

y = W x            y = W x + b
"""

from __future__ import annotations

import nir
from torch import Tensor
from torch.nn import functional

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Shape
from inflor.converter.primitives.base import Layer, Primitive, register
from inflor.converter.primitives.fields import Field, vector, weights
from inflor.converter.primitives.shapes import Pattern
from inflor.converter.primitives.tensors import tensor

_WEIGHT = {"weight": Field(weights(2), role="weights")}


def check_biases(node: nir.NIRNode, where: str) -> None:
    """Refuse a node that has not one bias for each output channel."""
    if node.bias.size != node.weight.shape[0]:
        raise InputError(f"{where}: has {node.weight.shape[0]} outputs but {node.bias.size} biases")


def _accepts(node: nir.NIRNode) -> Pattern:
    return (node.weight.shape[1],)


def _shape(node: nir.NIRNode, shape: Shape) -> Shape:
    return (node.weight.shape[0],)


def _linear(node: nir.NIRNode, like: Tensor) -> Layer:
    weight = tensor(node.weight, like)
    return lambda x: functional.linear(x, weight)


def _affine(node: nir.NIRNode, like: Tensor) -> Layer:
    weight, bias = tensor(node.weight, like), tensor(node.bias, like)
    return lambda x: functional.linear(x, weight, bias)


register(Primitive(node=nir.Linear, equation="y = W x", fields=_WEIGHT, accepts=_accepts, shape=_shape, apply=_linear))
register(
    Primitive(
        node=nir.Affine,
        equation="y = W x + b",
        fields={**_WEIGHT, "bias": Field(vector)},
        check=check_biases,
        accepts=_accepts,
        shape=_shape,
        apply=_affine,
    )
)
