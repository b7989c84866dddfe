"""Scale: a factor for each element.

y = s x
"""

from __future__ import annotations

import nir
from torch import Tensor

from inflor.converter.primitives.base import Layer, Primitive, register
from inflor.converter.primitives.fields import Field, numbers
from inflor.converter.primitives.tensors import parameter


def _layer(node: nir.NIRNode, like: Tensor) -> Layer:
    scale = parameter(node.scale, like)
    return lambda x: x * scale


register(
    Primitive(
        node=nir.Scale,
        equation="y = s x",
        fields={"scale": Field(numbers, per_element=True, role="weights")},
        apply=_layer,
    )
)
