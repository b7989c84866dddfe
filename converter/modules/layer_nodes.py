"""Layers without memory as NIR nodes."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.modules import windows
from inflor.converter.modules.expressions import Expression, Store
from inflor.converter.nir.graph import Shape
from inflor.converter.passes.fold_norms import Norm, fold_norm
from inflor.converter.primitives.fields import make_node

Nodes = list[tuple[str, Any]]
"""Name and node, or a Norm that is to be folded into the layer before it."""


def layer_nodes(store: Store, number: int, alone: bool) -> Nodes:
    """The nodes of a layer, each fed by the one before.

    Args:
        alone: whether nothing but the layer reads what arrives at it.

    Raises:
        InputError: it has no form in NIR; names it.
    """
    expression = store[number]
    site, options = expression.site, dict(expression.options)
    before = store[expression.inputs[0]].shape

    def array(name: str) -> Any:
        return store.array(number, name)

    if expression.op == "linear":
        bias = array("bias")
        if bias is None:
            return [(site, make_node(nir.Linear, {"weight": array("weight")}))]
        return [(site, make_node(nir.Affine, {"weight": array("weight"), "bias": bias}))]
    if expression.op in ("conv1d", "conv2d"):
        weight, bias = array("weight"), array("bias")
        bias = np.zeros(len(weight), np.float32) if bias is None else bias
        source = source_of(store, number)
        if source != expression.inputs[0]:
            before, sides = store[source].shape, dict(store[expression.inputs[0]].options)["sides"]
            weight, options = windows.with_padding(weight, sides, options)
        size = before[1:] if expression.op == "conv2d" else before[1]
        kind = nir.Conv2d if expression.op == "conv2d" else nir.Conv1d
        return [(site, make_node(kind, {"input_shape": size, "weight": weight, "bias": bias, **options}))]
    if expression.op == "norm":
        return [(site, _norm(store, expression, array, float(options["eps"]), alone))]  # type: ignore[arg-type]
    if expression.op == "avg_pool2d":
        return [(site, make_node(nir.AvgPool2d, {k: np.array(v) for k, v in options.items()}))]
    if expression.op == "max_pool2d":
        if _binary(store, expression.inputs[0]):
            return windows.of_spikes(site, options, before, expression.shape)
        return windows.of_currents(site, options)
    if expression.op == "pad":
        return [(site, windows.pad(before, options["sides"]))]  # type: ignore[arg-type]
    if expression.op == "scale":
        scale = np.broadcast_to(array("factor"), expression.shape).astype(np.float32)
        return [(site, make_node(nir.Scale, {"scale": scale}))]
    if expression.op == "reshape":
        return _flattens(site, before, expression.shape)
    raise AssertionError(expression.op)


def source_of(store: Store, number: int) -> int:
    """What a layer's nodes are fed by: its input, or what stands before a padding that became a part of it."""
    before = store[number].inputs[0]
    padding = dict(store[number].options).get("padding")
    folded = store[number].op == "conv2d" and store[before].op == "pad" and isinstance(padding, tuple)
    return store[before].inputs[0] if folded else before


def _norm(store: Store, expression: Expression, array: Any, eps: float, alone: bool) -> Any:
    """To be folded into the layer before it, or where that has other readers a layer of its own."""
    values = {name: array(name) for name in ("gamma", "beta", "mean", "var")}
    before = expression.inputs[0]
    if store[before].op in ("linear", "conv1d", "conv2d", "norm") and alone:
        return Norm(**values, eps=eps, alpha=1.0, threshold=1.0)
    channels, *size = store[before].shape
    eye = np.eye(channels) if not size else np.ones((channels, 1, *(1 for _ in size)))
    weight, bias = fold_norm(eye, None, **values, eps=eps, alpha=1.0, threshold=1.0)
    if not size:
        return make_node(nir.Affine, {"weight": weight, "bias": bias})
    one, zero = (1,) * len(size), (0,) * len(size)
    shape = tuple(size) if len(size) == 2 else size[0]
    fields = {"input_shape": shape, "weight": weight, "bias": bias, "stride": one, "padding": zero, "dilation": one}
    return make_node(nir.Conv2d if len(size) == 2 else nir.Conv1d, {**fields, "groups": channels})


def _binary(store: Store, number: int) -> bool:
    """Whether an expression is 0 or 1."""
    expression = store[number]
    if expression.op in ("neuron", "zero"):
        return True
    return expression.op in ("reshape", "max_pool2d") and _binary(store, expression.inputs[0])


def merges(before: Shape, after: Shape) -> list[tuple[int, int]] | None:
    """The first and last dimensions of each Flatten, last first, that make the one shape of the other; or None."""
    found, place = list[tuple[int, int]](), 0
    for position, size in enumerate(after):
        product, start = 1, place
        rest = len(after) - position - 1
        while place < len(before) and (place == start or product != size or (rest == 0 and place < len(before))):
            product *= before[place]
            place += 1
        while rest and place < len(before) and before[place] == 1 and len(before) - place > rest:
            place += 1
        if product != size or place == start:
            return None
        found.append((start, place - 1))
    if place != len(before):
        return None
    return [(start, end) for start, end in reversed(found) if end > start]


def _flattens(site: str, before: Shape, after: Shape) -> list[tuple[str, Any]]:
    found = merges(before, after)
    if found is None:
        raise InputError(
            f"{site}: makes {list(after)} of {list(before)}, and NIR can only join dimensions; give the network its "
            "input in the shape that its first layer takes"
        )
    nodes, shape = list[tuple[str, Any]](), list(before)
    for start, end in found:
        fields = {"input_type": {"input": tuple(shape)}, "start_dim": start, "end_dim": end}
        nodes.append((site, make_node(nir.Flatten, fields)))
        shape[start : end + 1] = [int(np.prod(shape[start : end + 1]))]
    return nodes
