"""Folds a threshold-dependent batch normalisation into the convolution or linear layer before it.

Before: conv -> tdBN          After: conv with other weights and a bias
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError

FloatArray = npt.NDArray[np.floating[Any]]


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
        raise InputError(f"the normalisation has a variance of {var.min()}; train the model again")
    factor = gamma * (alpha * threshold) / np.sqrt(var + eps)
    shift = -mean if bias is None else np.asarray(bias, np.float64) - mean
    wide = np.asarray(weight, np.float64) * factor.reshape(-1, *(1,) * (np.ndim(weight) - 1))
    with np.errstate(over="ignore"):
        folded, offset = wide.astype(np.float32), (shift * factor + beta).astype(np.float32)
    if not (np.isfinite(folded).all() and np.isfinite(offset).all()):
        raise InputError("the folded normalisation does not fit into float32; train the model again")
    return folded, offset
