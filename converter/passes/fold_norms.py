"""Folds threshold-dependent batch normalizations into the convolution or linear layer before it.

Before: conv -> tdBN          After: conv with other weights and a bias
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import nir_graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.fields import changed, make_node

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Norm:
    """A normalization in a graph, which NIR has no primitive for; `fold_norm` has its equation.

    Attributes:
        gamma, beta, mean, var: [channels].
        eps, alpha, threshold: numbers.
    """

    gamma: FloatArray
    beta: FloatArray
    mean: FloatArray
    var: FloatArray
    eps: float
    alpha: float
    threshold: float


def fold_norms(source: str) -> Pass[nir.NIRGraph]:
    """Fold every Norm into the layer before it, whose name stays.

    Args:
        source: the network's name, for messages.

    Raises:
        InputError: a Norm does not stand behind one layer with weights, or cannot be folded; names the node.
    """
    return Pass("fold norms", lambda graph: _folded(graph, source))


def folding_note(count: int) -> str:
    """That so many were folded, for the user."""
    what = "1 normalization is" if count == 1 else f"{count} normalizations are"
    where = "layer before it" if count == 1 else "layers before them"
    return f"{what} folded into the {where}, exactly up to float32 rounding."


def _folded(graph: nir.NIRGraph, source: str) -> nir.NIRGraph:
    nodes = dict(graph.nodes)
    into: dict[str, str] = {}
    leaving, arriving = (Counter(edge[side] for edge in graph.edges) for side in (0, 1))
    for start, end in graph.edges:
        if isinstance(graph.nodes[end], Norm):
            if leaving[start] > 1 or arriving[end] > 1:
                raise InputError("a normalization needs a layer of its own before it", path=source, node=end)
            into[end] = into.get(start, start)
            nodes[into[end]] = _with_norm(nodes[into[end]], nodes.pop(end), source, into[end])
    edges = [(into.get(start, start), end) for start, end in graph.edges if end not in into]
    return nir_graph(nodes, edges, graph.metadata)


def _with_norm(node: nir.NIRNode, norm: Norm, source: str, name: str) -> nir.NIRNode:
    if not isinstance(node, nir.Linear) and not {"weight", "bias"} <= primitive(node, source, name).fields.keys():
        raise InputError(f"a normalization behind a {type(node).__name__} cannot be folded", path=source, node=name)
    try:
        weight, bias = fold_norm(node.weight, getattr(node, "bias", None), **vars(norm))
    except InputError as error:
        raise InputError(str(error), path=source, node=name) from error
    if isinstance(node, nir.Linear):
        return make_node(nir.Affine, {"weight": weight, "bias": bias})
    return changed(node, {"weight": weight, "bias": bias})


def fold_norm(
    weight: FloatArray,
    bias: FloatArray | None,
    gamma: FloatArray,
    beta: FloatArray,
    mean: FloatArray,
    var: FloatArray,
    eps: float,
    alpha: float,
    threshold: float,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Weight and bias of the one layer that computes norm(layer(x)); in float64, rounded once to float32.

        norm(x) = gamma alpha theta (x - mean) / sqrt(var + eps) + beta
        f = gamma alpha theta / sqrt(var + eps);   weight' = f weight;   bias' = f (bias - mean) + beta

    weight: [O, ...]; bias (None for 0), gamma, beta, mean, var: [O]; threshold: theta. Exact with zero padding too: the
    shift stands behind the layer. Source: Zheng et al. 2021 for the norm.

    Raises:
        InputError: var + eps is not positive somewhere, or a result is not finite in float32.
    """
    gamma, beta, mean, var = (values.astype(np.float64) for values in (gamma, beta, mean, var))
    if not (var + eps > 0).all():
        raise InputError(f"the normalization has a variance of {var.min()}; train the model again")
    factor = gamma * (alpha * threshold) / np.sqrt(var + eps)
    shift = -mean if bias is None else np.asarray(bias, np.float64) - mean
    wide = np.asarray(weight, np.float64) * factor.reshape(-1, *(1,) * (np.ndim(weight) - 1))
    with np.errstate(over="ignore"):
        folded, offset = wide.astype(np.float32), (shift * factor + beta).astype(np.float32)
    if not (np.isfinite(folded).all() and np.isfinite(offset).all()):
        raise InputError("the folded normalization does not fit into float32; train the model again")
    return folded, offset
