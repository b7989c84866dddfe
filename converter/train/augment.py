"""Random changes to training images, drawn from a given generator."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Augment = Literal["none", "shift", "crop_flip"]
SHIFT = 1
CROP = 4


def augment(x: Tensor, kind: Augment, generator: torch.Generator) -> Tensor:
    """Changed copies of images [N, C, H, W] in natural scale, where 0 is the background.

    shift: by up to 1 pixel in both directions. crop_flip: by up to 4 pixels, and mirrored every second time.
    `generator` is on the CPU, so that a seed draws the same on every device.
    """
    if kind == "none":
        return x
    shifted = _shift(x, SHIFT if kind == "shift" else CROP, generator)
    if kind == "shift":
        return shifted
    flip = torch.rand(len(x), generator=generator).to(x.device) < 0.5
    return torch.where(flip[:, None, None, None], shifted.flip(3), shifted)


def _shift(x: Tensor, most: int, generator: torch.Generator) -> Tensor:
    n, channels, height, width = x.shape
    padded = functional.pad(x, (most, most, most, most))
    offsets = torch.randint(0, 2 * most + 1, (2, n, 1), generator=generator).to(x.device)
    rows = offsets[0] + torch.arange(height, device=x.device)  # [N, H]
    columns = offsets[1] + torch.arange(width, device=x.device)  # [N, W]
    sample = torch.arange(n, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    return padded[sample, channel, rows[:, None, :, None], columns[:, None, None, :]]
