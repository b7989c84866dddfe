"""Rockpool: LIF neurons in torch between dense layers; it takes [batch, steps, features]."""

from rockpool.nn.combinators import Sequential
from rockpool.nn.modules import LIFTorch, LinearTorch


def net():
    return Sequential(
        LinearTorch((784, 64), has_bias=False),
        LIFTorch((64,), tau_mem=20e-3, tau_syn=10e-3, bias=0.0, dt=1e-3, max_spikes_per_dt=1),
        LinearTorch((64, 10), has_bias=False),
        LIFTorch((10,), tau_mem=20e-3, tau_syn=10e-3, bias=0.0, dt=1e-3, max_spikes_per_dt=1),
    )
