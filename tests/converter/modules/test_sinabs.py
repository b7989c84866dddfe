"""Live modules of Sinabs, imported: every spike of every neuron against Sinabs's own."""

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

pytest.importorskip("sinabs")
import sinabs.from_torch
from sinabs import layers as sl
from sinabs.activation import MaxSpike, MembraneReset, MembraneSubtract, MultiSpike, SingleSpike

WIDTH, STEPS = 30, 12


def _each(low: float, high: float, seed: int) -> Tensor:
    return values(WIDTH, low=low, high=high, seed=seed)


def _some(**more: Any) -> dict[str, Any]:
    given = {"spike_fn": SingleSpike, "spike_threshold": torch.tensor(0.4), **more}
    return {name: torch.tensor(value) if isinstance(value, float) else value for name, value in given.items()}


LAYERS: dict[str, Callable[[], Any]] = {
    "IAF": lambda: sl.IAF(**_some()),
    "IAF, hard": lambda: sl.IAF(**_some(reset_fn=MembraneReset(), spike_threshold=0.9)),
    "IAF, subtracts another": lambda: sl.IAF(
        **_some(reset_fn=MembraneSubtract(0.7), spike_threshold=_each(0.3, 0.9, 1))
    ),
    "IAF, one spike at most": lambda: sl.IAF(**_some(spike_fn=MaxSpike(1))),
    "IAF, synapse": lambda: sl.IAF(**_some(tau_syn=3.1, spike_threshold=2.0)),
    "LIF": lambda: sl.LIF(tau_mem=4.0, **_some(spike_threshold=0.2)),
    "LIF, hard": lambda: sl.LIF(tau_mem=4.0, **_some(reset_fn=MembraneReset(), spike_threshold=0.2)),
    "LIF, input whole": lambda: sl.LIF(tau_mem=4.0, **_some(norm_input=False, spike_threshold=0.9)),
    "LIF, synapse": lambda: sl.LIF(tau_mem=4.0, **_some(tau_syn=2.5, spike_threshold=0.3)),
    "LIF, synapse, input whole": lambda: sl.LIF(tau_mem=4.0, **_some(tau_syn=2.5, norm_input=False)),
    "LIF, each its own": lambda: sl.LIF(
        tau_mem=_each(0.7, 9, 1), **_some(tau_syn=_each(0.5, 5, 2), spike_threshold=_each(0.1, 0.3, 3))
    ),
    "LIF, alphas": lambda: sl.LIF(tau_mem=4.0, **_some(tau_syn=2.5, train_alphas=True, spike_threshold=0.3)),
}


class Repeated(nn.Module):
    """[batch, time, ...] through layers that take [batch, ...]."""

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.lif0 = nn.Linear(20, WIDTH), make()
        self.second, self.lif1 = sl.Repeat(nn.Linear(WIDTH, WIDTH, bias=False)), make()
        with torch.no_grad():
            self.second.module.weight.mul_(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.lif1(self.second(self.lif0(self.first(x))))


@pytest.mark.parametrize("name", LAYERS)
def test_layers_spike_for_spike(name: str) -> None:
    assert assert_same(Repeated(LAYERS[name]), (20,), STEPS).time == "second"


SQUEEZED: dict[str, Callable[[], Any]] = {
    "IAF": lambda: sl.IAFSqueeze(batch_size=1, min_v_mem=None, **_some()),
    "LIF": lambda: sl.LIFSqueeze(batch_size=7, tau_mem=4.0, min_v_mem=None, **_some(tau_syn=2.5, spike_threshold=0.3)),
    "LIF, by steps": lambda: sl.LIFSqueeze(num_timesteps=3, tau_mem=4.0, **_some(norm_input=False)),
}


@pytest.mark.parametrize("name", SQUEEZED)
def test_squeezed_layers_spike_for_spike(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3),
        SQUEEZED[name](),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(54, 10),
        sl.ExpLeakSqueeze(batch_size=1, tau_mem=5.0),
    )
    sizes = [(part.batch_size, part.num_timesteps) for part in net if isinstance(part, sl.SqueezeMixin)]
    made = assert_same(net, (2, 8, 8), STEPS)
    assert (made.time, list(made.readouts)) == ("joined", ["5"])
    assert sizes == [(part.batch_size, part.num_timesteps) for part in net if isinstance(part, sl.SqueezeMixin)]


@pytest.mark.parametrize("whole", [False, True])
def test_an_ann_that_sinabs_turned_into_spikes(whole: bool) -> None:
    torch.manual_seed(0)
    ann = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(54, 10))
    network = sinabs.from_torch.from_model(
        ann,
        (1, 8, 8),
        batch_size=1,
        add_spiking_output=True,
        spike_fn=SingleSpike,
        min_v_mem=None,
        spike_threshold=torch.tensor(0.3),
    )
    made = assert_same(network if whole else network.spiking_model, (1, 8, 8), STEPS)
    assert list(made.populations) == [("spiking_model." if whole else "") + name for name in ("1", "spike_output")]


def test_recurrent_layers_spike_for_spike() -> None:
    torch.manual_seed(0)
    inner = nn.Linear(WIDTH, WIDTH, bias=False)
    lif = sl.LIFRecurrent(tau_mem=4.0, rec_connect=inner, **_some(tau_syn=2.0, spike_threshold=0.3))
    made = assert_same(nn.Sequential(nn.Linear(20, WIDTH), lif), (20,), STEPS)
    assert "1.rec_connect" in made.graph.nodes
    conv = sl.IAFRecurrent(rec_connect=nn.Conv2d(3, 3, 3, padding=1, bias=False), **_some())
    assert_same(nn.Sequential(sl.Repeat(nn.Conv2d(1, 3, 3)), conv), (1, 6, 6), STEPS)


def test_a_potential_that_reaches_the_threshold_exactly_fires() -> None:
    from inflor.converter.simulate.execute import run

    net = nn.Sequential(nn.Linear(1, 1, bias=False), sl.IAF(**_some(spike_threshold=0.75)))
    with torch.no_grad():
        net[0].weight.fill_(0.25)
    (spikes,) = run(to_graph(net, (1,), 6).graph, torch.ones(6, 1, 1), 6).spikes.values()
    assert spikes.flatten().tolist() == [False, False, True, False, False, True]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sl.IAF(**_some(spike_fn=MultiSpike)), "MultiSpike fires several times.*SingleSpike"),
        (lambda: sl.IAF(**_some(spike_fn=MaxSpike(2))), "MaxSpike fires several times.*SingleSpike"),
        (lambda: sl.IAF(**_some(min_v_mem=-1.0)), "min_v_mem=None"),
        (lambda: sl.IAF(**_some(reset_fn=MembraneReset(0.1))), r"MembraneReset\(0.0\)"),
        (lambda: sl.IAFRecurrent(rec_connect=nn.Linear(4, 4), **_some()), "bias=False"),
        (lambda: sl.ALIF(tau_mem=4.0, tau_adapt=4.0, spike_fn=SingleSpike), "ALIF.*adapts"),
    ],
)
def test_what_has_no_form_is_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=f"(?s)1.*{message}"):
        to_graph(nn.Sequential(nn.Linear(4, 4), make()), (4,), 4)
