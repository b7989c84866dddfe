"""Rounds weights so that the errors of one output cancel, instead of each weight to its nearest.

Weights are fixed one input at a time; what an input's rounding does to the output is made up for by the inputs that
are still free, as well as the activations allow. With H the second moment of the inputs and U the upper Cholesky
factor of its inverse, rounding input i with error e leaves   w[j] -= e * U[i, j] / U[i, i]   for the rest j > i.

Source: Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", ICLR 2023.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from inflor.quant.ir.types import FloatArray

DAMPING = 0.01
"""Added to the second moment's diagonal, relative to its mean: inputs that the samples never excited stay put."""
BLOCK = 1152
"""Inputs that make up for each other; a wider layer is cut into blocks of this."""


def round_compensated(weight: FloatArray, columns: FloatArray, limit: int) -> npt.NDArray[np.int64]:
    """Mantissas [O, K], within -limit..limit, of real weights [O, K] that are given in units of the mantissa.

    columns: sampled inputs [K, N], their means a part of them.
    """
    parts = [
        _round_block(weight[:, start : start + BLOCK], columns[start : start + BLOCK], limit)
        for start in range(0, weight.shape[1], BLOCK)
    ]
    return np.concatenate(parts, axis=1)


def _round_block(weight: FloatArray, columns: FloatArray, limit: int) -> npt.NDArray[np.int64]:
    moment = columns @ columns.T / columns.shape[1]
    mean = float(np.mean(np.diag(moment)))
    if mean == 0:
        return np.clip(np.rint(weight), -limit, limit).astype(np.int64)
    order = np.argsort(-np.diag(moment), kind="stable")  # the busiest inputs first, while most are free to make up
    moment = torch.from_numpy(moment[np.ix_(order, order)] + DAMPING * mean * np.eye(len(moment)))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moment))
    factor = torch.linalg.cholesky(inverse, upper=True).numpy()
    rest, mantissa = weight[:, order].T.copy(), np.empty((len(order), len(weight)))  # [K, O]: a row is one input
    for i in range(len(order)):
        mantissa[i] = np.clip(np.rint(rest[i]), -limit, limit)
        error = (rest[i] - mantissa[i]) / factor[i, i]
        rest[i + 1 :] -= factor[i, i + 1 :, None] * error
    result = np.empty_like(weight, dtype=np.int64)
    result[:, order] = mantissa.T.astype(np.int64)
    return result
