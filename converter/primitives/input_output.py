"""Input and Output: where a graph takes its data, and where it gives its answer.

y = x
"""

from __future__ import annotations

import nir
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.converter.primitives.base import Layer, Primitive, register
from inflor.converter.primitives.fields import Field, shape_entry


def _check_input(node: nir.NIRNode, where: str) -> None:
    if node.input_type["input"] is None:
        raise InputError(f"{where}: says no shape; write the file again with the shape of the input")


def _identity(node: nir.NIRNode, like: Tensor) -> Layer:
    return lambda x: x


register(
    Primitive(
        node=nir.Input,
        equation="y = x",
        fields={"input_type": Field(shape_entry("input"), port="input", key="shape")},
        check=_check_input,
        accepts=lambda node: node.input_type["input"],
        apply=_identity,
    )
)
register(
    Primitive(
        node=nir.Output,
        equation="y = x",
        fields={"output_type": Field(shape_entry("output"), None, port="output", key="shape")},
        accepts=lambda node: node.output_type["output"],
        apply=_identity,
    )
)
