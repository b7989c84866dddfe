"""Sinabs: a CNN of ReLUs, trained as such, turned into integrate-and-fire neurons that fire once a step at most."""

import sinabs.activation
import sinabs.from_torch
from torch import nn

ann = nn.Sequential(
    nn.Conv2d(1, 16, 5),
    nn.ReLU(),
    nn.AvgPool2d(2),
    nn.Conv2d(16, 32, 5),
    nn.ReLU(),
    nn.AvgPool2d(2),
    nn.Flatten(),
    nn.Linear(32 * 4 * 4, 10),
)


def net():
    return sinabs.from_torch.from_model(
        ann,
        input_shape=(1, 28, 28),
        batch_size=1,
        add_spiking_output=True,
        spike_fn=sinabs.activation.SingleSpike,
        min_v_mem=None,
    ).spiking_model
