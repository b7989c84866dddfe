"""Threshold-dependent batch normalization."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class TDBatchNorm(nn.Module):
    """tdBN over [T, B, C, ...]: statistics over time, batch and space, one per channel.

        y = gamma * alpha * theta * (x - mu) / sqrt(var + eps) + beta

    gamma is `weight` and beta is `bias`, both [C]. alpha = 1, and 1/sqrt(2) for branches that meet in a residual add.
    Training takes the batch's mu and var and moves the running ones by `momentum`; evaluation takes the running ones.
    Source: Zheng et al., "Going Deeper With Directly-Trained Larger Spiking Neural Networks", AAAI 2021.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self, channels: int, *, alpha: float = 1.0, threshold: float = 0.5, eps: float = 1e-5, momentum: float = 0.1
    ) -> None:
        super().__init__()
        self.channels, self.alpha, self.threshold = channels, alpha, threshold
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(0, 1)  # [T * B, C, ...]: time is one more batch dimension
        scale = self.weight * (self.alpha * self.threshold)
        normed = functional.batch_norm(
            flat, self.running_mean, self.running_var, scale, self.bias, self.training, self.momentum, self.eps
        )
        return normed.reshape(x.shape)

    def extra_repr(self) -> str:
        return f"{self.channels}, alpha={self.alpha}, threshold={self.threshold}, eps={self.eps}"
