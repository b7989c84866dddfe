"""The NIR nodes that keep nothing from one step to the next, as functions of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.dynamics import dynamics

Layer = Callable[[Tensor], Tensor]
"""[N, *input shape] -> [N, *output shape]."""
DTYPES: dict[torch.dtype, type[np.floating[Any]]] = {torch.float32: np.float32, torch.float64: np.float64}


def layer(graph: Graph, name: str, like: Tensor) -> Layer:
    """A node without state as a function, with its arrays on the device and of the dtype of `like`, made once."""
    node = graph.nodes[name]
    if isinstance(node, nir.Input | nir.Output):
        return lambda x: x
    if isinstance(node, nir.Scale):
        scale = parameter(node.scale, like)
        return lambda x: x * scale
    if isinstance(node, nir.Threshold):
        return _threshold(graph, name, like)
    if isinstance(node, nir.Flatten):
        start, end = 1 + node.start_dim, 1 + node.end_dim
        return lambda x: x.flatten(start, end)
    if isinstance(node, nir.Linear | nir.Affine):
        weight = tensor(node.weight, like)
        bias = tensor(node.bias, like) if isinstance(node, nir.Affine) else None
        return lambda x: functional.linear(x, weight, bias)
    if isinstance(node, nir.Conv1d | nir.Conv2d):
        return _convolution(node, like)
    return _pool(node)


def _threshold(graph: Graph, name: str, like: Tensor) -> Layer:
    step = dynamics(graph, name)
    assert step.threshold is not None
    threshold, compare = parameter(step.threshold, like), torch.gt if step.strict else torch.ge
    return lambda x: compare(x, threshold).to(x.dtype)


def _convolution(node: nir.Conv1d | nir.Conv2d, like: Tensor) -> Layer:
    padding, sides = node.padding, []
    if padding == "same":
        # Where the total is odd, the end gets one more, as in torch (which warns about it).
        totals = [d * (k - 1) for k, d in zip(node.weight.shape[2:], node.dilation, strict=True)]
        sides = [side for total in reversed(totals) for side in (total // 2, total - total // 2)]
        padding = 0
    convolve = functional.conv2d if isinstance(node, nir.Conv2d) else functional.conv1d
    weight, bias = tensor(node.weight, like), tensor(node.bias, like)

    def apply(x: Tensor) -> Tensor:
        padded = functional.pad(x, sides) if sides else x
        return convolve(padded, weight, bias, node.stride, padding, node.dilation, node.groups)

    return apply


def _pool(node: nir.SumPool2d | nir.AvgPool2d) -> Layer:
    """Zeros of the padding count in the mean. Padded here: torch refuses a padding above half of the kernel."""
    height, width = node.padding
    divisor = 1 if isinstance(node, nir.SumPool2d) else None

    def apply(x: Tensor) -> Tensor:
        padded = functional.pad(x, (width, width, height, height)) if height or width else x
        return functional.avg_pool2d(padded, node.kernel_size, node.stride, divisor_override=divisor)

    return apply


def parameter(values: npt.NDArray[Any], like: Tensor) -> float | Tensor:
    """Per-neuron values: one number where all are the same, which saves reading them at every step."""
    if not any(values.strides) or (values == values.flat[0]).all():
        return float(values.flat[0].astype(DTYPES[like.dtype]))
    return tensor(values, like)


def tensor(values: npt.NDArray[Any], like: Tensor) -> Tensor:
    """The array as a tensor of the dtype and on the device of `like`."""
    # torch wants memory that it may write to; only a broadcast or read-only array is copied.
    array = np.require(values, DTYPES[like.dtype], ["C", "W"])
    return torch.from_numpy(array).to(like.device)
