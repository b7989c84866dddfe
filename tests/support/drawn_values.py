"""Random parameters for the neurons of tests."""

from __future__ import annotations

import torch
from torch import Tensor


def values(count: int, low: float, high: float, seed: int) -> Tensor:
    """So many numbers from `low` to `high`."""
    return low + (high - low) * torch.rand(count, generator=torch.Generator().manual_seed(seed))
