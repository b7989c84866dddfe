"""Threshold: a spike where the input is above it, without a memory.

y = 1 where x > threshold, else 0            x >= threshold where the node's metadata say that it fires so
"""

from __future__ import annotations

import nir
import numpy as np
import torch
from torch import Tensor

from inflor.converter.primitives.base import Layer, Primitive, register
from inflor.converter.primitives.fields import Field, numbers
from inflor.converter.primitives.firing import threshold_of
from inflor.converter.primitives.step import Clock, Dynamics
from inflor.converter.primitives.tensors import parameter


def _step(node: nir.NIRNode, clock: Clock, where: str) -> Dynamics:
    threshold, strict = threshold_of(node, "threshold")
    return Dynamics(keep=np.zeros(()), threshold=threshold, strict=strict)


def _layer(node: nir.NIRNode, like: Tensor) -> Layer:
    values, strict = threshold_of(node, "threshold")
    threshold, compare = parameter(values, like), torch.gt if strict else torch.ge
    return lambda x: compare(x, threshold).to(x.dtype)


register(
    Primitive(
        node=nir.Threshold,
        equation="y = 1 where x > threshold, else 0",
        fields={"threshold": Field(numbers, per_element=True, role="threshold")},
        apply=_layer,
        step=_step,
        kind="threshold",
    )
)
