"""Live modules of Rockpool, imported: every spike of every neuron against Rockpool's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from drawn_values import values
from torch import Tensor, nn
from torch_modules import assert_same

from inflor.converter.errors import InputError
from inflor.converter.modules.importing import to_graph

pytest.importorskip("rockpool")
from rockpool.nn.combinators import Residual, Sequential
from rockpool.nn.modules import (
    ExpSynTorch,
    LIFBitshiftTorch,
    LIFNeuronTorch,
    LIFTorch,
    LinearTorch,
    TorchModule,
)
from rockpool.nn.modules.torch.lif_torch import PeriodicExponential

WIDTH, STEPS = 30, 12


def _each(low: float, high: float, seed: int) -> Tensor:
    return values(WIDTH, low=low, high=high, seed=seed)


def _lif(width: int = WIDTH, **more: Any) -> Any:
    given = {
        "tau_mem": 4e-3,
        "tau_syn": 3e-3,
        "bias": 0.0,
        "threshold": 1.5,
        "dt": 1e-3,
        "max_spikes_per_dt": 1,
        **more,
    }
    return LIFTorch((width,), **given)


NEURONS: dict[str, Callable[[], Any]] = {
    "LIF": _lif,
    "LIF, biased": lambda: _lif(bias=0.1),
    "LIF, each its own": lambda: _lif(
        tau_mem=_each(1e-3, 9e-3, 1),
        tau_syn=_each(1e-3, 5e-3, 2).reshape(WIDTH, 1),
        bias=_each(-0.1, 0.2, 3),
        threshold=_each(0.7, 2, 4),
    ),
    "LIF, decays": lambda: _lif(
        tau_mem=None, tau_syn=None, leak_mode="decays", alpha=torch.tensor(0.8), beta=torch.tensor(0.6)
    ),
    "LIF, bitshifts": lambda: _lif(
        tau_mem=None, tau_syn=None, leak_mode="bitshifts", dash_mem=torch.tensor(2.0), dash_syn=torch.tensor(1.0)
    ),
    "LIF, another surrogate": lambda: _lif(spike_generation_fn=PeriodicExponential),
    "LIF, rounded to shifts": lambda: LIFBitshiftTorch(
        (WIDTH,),
        tau_mem=torch.full((WIDTH,), 5e-3),
        tau_syn=torch.full((WIDTH, 1), 3e-3),
        threshold=1.5,
        max_spikes_per_dt=1,
    ),
    "LIFNeuron": lambda: LIFNeuronTorch((WIDTH,), tau_mem=5e-3, threshold=0.8, max_spikes_per_dt=1),
    "LIFNeuron, each its own": lambda: LIFNeuronTorch(
        (WIDTH,),
        tau_mem=_each(2e-3, 9e-3, 1),
        threshold=_each(0.5, 2, 2),
        bias=_each(-0.1, 0.2, 3),
        max_spikes_per_dt=1,
    ),
}


def _net(make: Callable[[], Any]) -> Any:
    torch.manual_seed(0)
    net = Sequential(LinearTorch((20, WIDTH), has_bias=True), make(), LinearTorch((WIDTH, WIDTH)), make())
    with torch.no_grad():
        net[2].weight.mul_(2)
    return net


@pytest.mark.parametrize("name", NEURONS)
def test_neurons_spike_for_spike(name: str) -> None:
    made = assert_same(_net(NEURONS[name]), (20,), STEPS)
    assert (made.time, len(made.populations)) == ("second", 2)


def test_recurrent_neurons_spike_for_spike() -> None:
    torch.manual_seed(0)
    made = assert_same(Sequential(LinearTorch((20, WIDTH)), _lif(has_rec=True)), (20,), STEPS)
    assert "1_LIFTorch.w_rec" in made.graph.nodes


def test_residual_blocks_and_a_synapse_as_the_readout() -> None:
    torch.manual_seed(0)
    block = Residual(LinearTorch((WIDTH, WIDTH)), _lif())
    net = Sequential(LinearTorch((20, WIDTH)), _lif(), block, LinearTorch((WIDTH, 5)), ExpSynTorch((5,), tau=4e-3))
    made = assert_same(net, (20,), STEPS)
    assert list(made.readouts) == ["4_ExpSynTorch"]


class Own(TorchModule):
    """A module of one's own, called as torch calls it."""

    def __init__(self) -> None:
        super().__init__(shape=(20, 5))
        self.first, self.lif = LinearTorch((20, WIDTH)), _lif()
        self.second, self.out = LinearTorch((WIDTH, 5)), _lif(5, threshold=0.5)

    def forward(self, x: Tensor) -> Tensor:
        spikes, _, _ = self.lif(self.first(x)[0])
        return self.out(self.second(spikes)[0])[0]


def test_a_module_of_ones_own() -> None:
    torch.manual_seed(0)
    assert list(assert_same(Own(), (20,), STEPS).populations) == ["lif", "out"]


def test_torch_layers_within() -> None:
    torch.manual_seed(0)
    assert_same(Sequential(nn.Linear(20, WIDTH), _lif()), (20,), STEPS)


def test_a_potential_that_reaches_the_threshold_exactly_fires() -> None:
    from inflor.converter.simulate.execute import run

    neuron = LIFNeuronTorch((1,), tau_mem=1e9, threshold=0.75, bias=0.0, max_spikes_per_dt=1)
    net = Sequential(LinearTorch((1, 1), weight=torch.tensor([[0.25]])), neuron)
    (spikes,) = run(to_graph(net, (1,), 6).graph, torch.ones(6, 1, 1), 6).spikes.values()
    assert spikes.flatten().tolist() == [False, False, True, False, False, True]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _lif(4, max_spikes_per_dt=31), "fires up to 31 times.*max_spikes_per_dt=1"),
        (lambda: _lif(4, noise_std=0.1), "noise_std=0.0"),
        (lambda: _lif(4, threshold=-1.0), "thresholds above 0"),
        (lambda: LIFNeuronTorch((4,), bias=0.5, tau_mem=1e30, max_spikes_per_dt=1), "bias without a leak"),
    ],
)
def test_what_has_no_form_is_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=f"(?s)1.*{message}"):
        to_graph(Sequential(LinearTorch((4, 4)), make()), (4,), 4)


def test_several_synapses_are_refused() -> None:
    lif = LIFTorch((8, 4), max_spikes_per_dt=1)
    with pytest.raises(InputError, match=r"1_LIFTorch \(LIFTorch\).*a neuron for each value"):
        to_graph(Sequential(LinearTorch((4, 8)), lif), (4,), 4)
