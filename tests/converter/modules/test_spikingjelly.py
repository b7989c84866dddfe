"""Live modules of SpikingJelly, imported: every spike of every neuron against SpikingJelly's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from drawn_values import values
from torch import Tensor, nn
from torch_modules import assert_same, lively

from inflor.converter.errors import InputError
from inflor.converter.modules.importing import to_graph

pytest.importorskip("spikingjelly")
from spikingjelly.activation_based import functional, layer, neuron, surrogate

WIDTH, STEPS = 30, 12
NEURONS: dict[str, Callable[[], Any]] = {
    "IF": lambda: neuron.IFNode(v_threshold=0.8),
    "IF, soft": lambda: neuron.IFNode(v_threshold=0.8, v_reset=None),
    "IF, to -0.3": lambda: neuron.IFNode(v_threshold=0.8, v_reset=-0.3),
    "LIF": lambda: neuron.LIFNode(tau=2.0, v_threshold=0.25),
    "LIF, soft": lambda: neuron.LIFNode(tau=3.7, v_threshold=0.15, v_reset=None),
    "LIF, to 0.1": lambda: neuron.LIFNode(tau=2.6, v_threshold=0.3, v_reset=0.1),
    "LIF, input whole": lambda: neuron.LIFNode(tau=2.6, v_threshold=0.7, decay_input=False),
    "LIF, input whole, to -0.2": lambda: neuron.LIFNode(tau=2.6, v_threshold=0.7, v_reset=-0.2, decay_input=False),
    "LIF, input whole, soft": lambda: neuron.LIFNode(tau=4.0, v_threshold=0.9, v_reset=None, decay_input=False),
    "PLIF": lambda: neuron.ParametricLIFNode(init_tau=2.3, v_threshold=0.25),
    "PLIF, input whole, soft": lambda: neuron.ParametricLIFNode(2.3, False, v_threshold=0.8, v_reset=None),
    "CUBALIF": lambda: neuron.CUBALIFNode(c_decay=0.4, v_decay=0.7, v_threshold=1.1),
    "CUBALIF, soft": lambda: neuron.CUBALIFNode(c_decay=0.4, v_decay=0.7, v_threshold=1.1, v_reset=None),
    "CUBALIF, to 0.2": lambda: neuron.CUBALIFNode(c_decay=0.6, v_decay=0.9, v_threshold=1.3, v_reset=0.2),
    "simple IF, to 0.2": lambda: neuron.SimpleIFNode(v_threshold=0.8, v_reset=0.2),
    "simple LIF, to 0.2": lambda: neuron.SimpleLIFNode(tau=2.5, decay_input=True, v_threshold=0.3, v_reset=0.2),
    "a threshold each": lambda: _threshold_each(neuron.SimpleIFNode(v_reset=None)),
}


def _threshold_each(node: Any) -> Any:
    node.v_threshold = values(WIDTH, low=0.5, high=1.5, seed=3)
    return node


def _net(make: Callable[[], Any], mode: str) -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(
        layer.Linear(20, WIDTH), make(), layer.Dropout(0.5), layer.Linear(WIDTH, WIDTH, bias=False), make()
    )
    with torch.no_grad():
        net[3].weight.mul_(3)
    functional.set_step_mode(net, mode)
    return net.eval()


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("name", NEURONS)
def test_neurons_spike_for_spike(name: str, mode: str) -> None:
    made = assert_same(_net(NEURONS[name], mode), (20,), STEPS)
    assert made.time == {"s": "step", "m": "first"}[mode]


@pytest.mark.parametrize("mode", ["s", "m"])
def test_a_potential_that_reaches_the_threshold_exactly_fires(mode: str) -> None:
    net = nn.Sequential(layer.Linear(1, 2, bias=False), neuron.IFNode(v_threshold=0.75, v_reset=None))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[0.25], [0.125]]))
    functional.set_step_mode(net, mode)
    made = to_graph(net, (1,), 6)
    assert _fired(made.graph, torch.ones(6, 1, 1)) == [[0, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 1]]


def _fired(graph: Any, x: Tensor) -> list[list[int]]:
    from inflor.converter.simulate.execute import run

    (spikes,) = run(graph, x, len(x)).spikes.values()
    return [[int(v) for v in row] for row in spikes[:, 0].T]


class Residual(nn.Module):
    """Batch norm, max pooling of spikes, a residual sum and containers, as its models have them."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.stem = layer.SeqToANNContainer(nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
        self.first = neuron.IFNode(v_threshold=0.6)
        self.pool = layer.MaxPool2d(2, 2)
        self.conv = layer.Conv2d(6, 6, 3, padding=1)
        self.norm = layer.BatchNorm2d(6)
        self.second = neuron.LIFNode(tau=2.0, v_threshold=0.4, v_reset=None)
        self.head = nn.Sequential(
            layer.AvgPool2d(2), layer.Flatten(), layer.Linear(24, 10), neuron.IFNode(v_threshold=0.5)
        )
        functional.set_step_mode(self, mode)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.uniform_(-0.2, 0.2)
                part.running_var.uniform_(0.3, 1.5)
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.uniform_(part.bias, 0.0, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.first(self.stem(x)))
        return self.head(x + self.second(self.norm(self.conv(x)))).mean(0)


def test_containers_norms_pools_and_residual_sums() -> None:
    torch.manual_seed(0)
    net = Residual("m")
    functional.set_step_mode(net.stem, "s")
    assert_same(net.eval(), (2, 8, 8), STEPS)


class Loop(nn.Module):
    """A loop over single steps, with the potential of a neuron that never fires as the output."""

    def __init__(self) -> None:
        super().__init__()
        self.body = layer.MultiStepContainer(nn.Linear(20, WIDTH), neuron.IFNode())
        self.out = nn.Linear(WIDTH, 10)
        self.read = neuron.LIFNode(tau=3.0, v_threshold=1e9)

    def forward(self, x: Tensor) -> Tensor:
        for spikes in self.body(x.unsqueeze(0).repeat(STEPS, 1, 1)):
            self.read(self.out(spikes))
        return self.read.v


def test_a_neuron_that_never_fires_is_read() -> None:
    torch.manual_seed(0)
    made = assert_same(Loop(), (20,), STEPS)
    assert (made.kind, list(made.readouts)) == ("last", ["read"])


class AtOnce(nn.Module):
    """Resets itself, takes all steps, and gives the potentials that its last neuron stores."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(layer.Linear(20, WIDTH), neuron.LIFNode(v_threshold=0.2), layer.Linear(WIDTH, 5))
        self.read = neuron.LIFNode(v_threshold=1e9, store_v_seq=True)
        functional.set_step_mode(self, "m")

    def forward(self, x: Tensor) -> Tensor:
        functional.reset_net(self)
        self.read(self.net(x))
        return self.read.v_seq


def test_stored_potentials_are_read() -> None:
    torch.manual_seed(0)
    made = assert_same(AtOnce(), (20,), STEPS)
    assert (made.time, made.kind, list(made.readouts)) == ("first", "steps", ["read"])


@pytest.mark.parametrize("mode", ["s", "m"])
def test_containers_by_step_mode(mode: str) -> None:
    torch.manual_seed(0)
    net = layer.StepModeContainer(True, mode, nn.Linear(20, WIDTH), neuron.LIFNode(v_threshold=0.2))
    assert assert_same(net, (20,), STEPS).time == {"s": "step", "m": "first"}[mode]


def _with_surrogate(function: Any) -> Any:
    return neuron.IFNode(surrogate_function=function)


class _Own(neuron.IFNode):
    def single_step_functional_forward(self, inputs: Any, states: Any, **kwargs: Any) -> Any:
        return super().single_step_functional_forward((2 * inputs[0],), states)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: neuron.QIFNode(), "QIFNode.*linear equation"),
        (lambda: neuron.EIFNode(), "EIFNode.*linear equation"),
        (lambda: neuron.IzhikevichNode(), "IzhikevichNode.*linear equation"),
        (lambda: neuron.KLIFNode(), "KLIFNode.*linear equation"),
        (lambda: neuron.ILIFNode(), "ILIFNode.*other values than 0 and 1"),
        (lambda: neuron.GatedLIFNode(4), "GatedLIFNode.*no form"),
        (lambda: neuron.SlidingPSN(k=2), "SlidingPSN.*several"),
        (lambda: _with_surrogate(surrogate.ATan(spiking=False)), "set_spiking_mode"),
        (lambda: _with_surrogate(surrogate.MultiLevelSpikeCount(3)), "MultiLevelSpikeCount.*other values"),
        (lambda: neuron.IFNode(v_threshold=float("inf"), v_reset=None), "NaN"),
        (lambda: neuron.CUBALIFNode(c_decay=1.5), "keeps 1.5 of its current"),
        (lambda: _Own(), "_Own writes single_step_functional_forward"),
    ],
)
def test_what_has_no_form_is_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=f"(?s)1.*{message}"):
        to_graph(nn.Sequential(nn.Linear(4, 4), make()), (4,), 4)


@pytest.mark.parametrize("mode", ["s", "m"])
def test_a_vote_of_neurons_for_each_class(mode: str) -> None:
    """Behind a Flatten: that a loop inside is tried first, and refused for the Linear, does not end the search."""
    torch.manual_seed(0)
    net = nn.Sequential(
        layer.Flatten(),
        layer.Linear(20, 30),
        neuron.IFNode(),
        layer.Linear(30, 12),
        neuron.IFNode(),
        layer.VotingLayer(4),
    )
    functional.set_step_mode(net, mode)
    made = assert_same(lively(net, mean=0.05), (1, 4, 5), 6)
    assert made.graph.output_shapes[made.graph.outputs()[0]] == (3,)
    assert [type(node).__name__ for node in made.graph.nodes.values()][-2:] == ["Linear", "Output"]
