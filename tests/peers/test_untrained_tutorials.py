"""snnTorch's tutorial networks, as they stand there: every spike of every population is theirs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_modules import assert_same, lively

snn = pytest.importorskip("snntorch", reason="snntorch is not installed (make peers)")


class Tutorial5(nn.Module):
    """784-1000-10, 25 steps in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(784, 1000), snn.Leaky(beta=0.95)
        self.fc2, self.lif2 = nn.Linear(1000, 10), snn.Leaky(beta=0.95)

    def forward(self, x: Tensor) -> Any:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spk2_rec, mem2_rec = [], []
        for _ in range(25):
            cur1 = self.fc1(x)
            spk1, mem1 = self.lif1(cur1, mem1)
            cur2 = self.fc2(spk1)
            spk2, mem2 = self.lif2(cur2, mem2)
            spk2_rec.append(spk2)
            mem2_rec.append(mem2)
        return torch.stack(spk2_rec, dim=0), torch.stack(mem2_rec, dim=0)


class Tutorial6(nn.Module):
    """12C5-MP2-64C5-MP2-1024FC10 with the pools as functions, 50 steps in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.lif1 = nn.Conv2d(1, 12, 5), snn.Leaky(beta=0.5)
        self.conv2, self.lif2 = nn.Conv2d(12, 64, 5), snn.Leaky(beta=0.5)
        self.fc1, self.lif3 = nn.Linear(64 * 4 * 4, 10), snn.Leaky(beta=0.5)

    def forward(self, x: Tensor) -> Any:
        mem1, mem2, mem3 = self.lif1.init_leaky(), self.lif2.init_leaky(), self.lif3.init_leaky()
        spk3_rec, mem3_rec = [], []
        for _ in range(50):
            cur1 = functional.max_pool2d(self.conv1(x), 2)
            spk1, mem1 = self.lif1(cur1, mem1)
            cur2 = functional.max_pool2d(self.conv2(spk1), 2)
            spk2, mem2 = self.lif2(cur2, mem2)
            cur3 = self.fc1(spk2.view(x.size(0), -1))
            spk3, mem3 = self.lif3(cur3, mem3)
            spk3_rec.append(spk3)
            mem3_rec.append(mem3)
        return torch.stack(spk3_rec), torch.stack(mem3_rec)


def tutorial7() -> nn.Module:
    """12C5-MP2-32C5-MP2-800FC10 for N-MNIST, a step a call."""
    leaky = [snn.Leaky(beta=0.5, init_hidden=True) for _ in range(2)]
    first = (nn.Conv2d(2, 12, 5), nn.MaxPool2d(2), leaky[0])
    second = (nn.Conv2d(12, 32, 5), nn.MaxPool2d(2), leaky[1])
    last = snn.Leaky(beta=0.5, init_hidden=True, output=True)
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(32 * 5 * 5, 10), last)


def test_tutorial_5():
    made = assert_same(lively(Tutorial5(), mean=0.0), (784,), None, samples=32)
    assert made.graph.info.timesteps == 25


def test_tutorial_6():
    made = assert_same(lively(Tutorial6(), mean=0.0), (1, 28, 28), None)
    assert made.graph.nodes["max_pool2d"].metadata["combine"] == "max"


def test_tutorial_7():
    assert assert_same(lively(tutorial7(), mean=0.0), (2, 34, 34), 25).time == "step"
