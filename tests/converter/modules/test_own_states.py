"""Modules with a state of their own between calls: every attempt to follow them starts from what was found."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch_modules import assert_same

snn_beta = 0.5


class Previous(nn.Module):
    """Leads its spikes back by an attribute; the attempts before had left it at another number of samples."""

    def __init__(self) -> None:
        super().__init__()
        import snntorch

        torch.manual_seed(0)
        self.fc, self.back = nn.Linear(6, 8), nn.Linear(8, 8, bias=False)
        self.lif = snntorch.Leaky(beta=snn_beta, init_hidden=True)
        self.previous: Any = None

    def forward(self, x: Tensor) -> Tensor:
        current = 2 * self.fc(x)
        if self.previous is not None:
            current = current + self.back(self.previous)
        self.previous = self.lif(current)
        return self.previous


def test_spikes_that_are_led_back_by_an_attribute() -> None:
    import pytest

    pytest.importorskip("snntorch")
    module = Previous()
    made = assert_same(module, (6,), 5)
    assert made.time == "step"
    assert made.graph.recurrent
    assert module.previous is None
