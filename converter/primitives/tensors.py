"""Arrays of nodes as tensors that a run computes with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

DTYPES: dict[torch.dtype, type[np.floating[Any]]] = {torch.float32: np.float32, torch.float64: np.float64}


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
