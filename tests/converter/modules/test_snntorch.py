"""snnTorch's neurons, a step a call and with loops in forward: every spike is the module's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_modules import assert_same, imported, lively

from inflor.converter.errors import InputError
from inflor.converter.modules.importing import to_graph

snn = pytest.importorskip("snntorch", reason="snntorch is not installed (make peers)")
RESETS = ("subtract", "zero", "none")


def hidden(*layers: nn.Module, mean: float = 0.1) -> nn.Module:
    return lively(nn.Sequential(*layers), mean=mean)


def neurons(kind: str, size: int, reset: str, **more: Any) -> nn.Module:
    torch.manual_seed(size)
    shared = {"init_hidden": True, "reset_mechanism": reset, "threshold": 0.6 + torch.rand(size), **more}
    if kind == "Lapicque":
        return snn.Lapicque(R=3.0, C=2.0, **{**shared, "threshold": 0.3})
    if kind in ("Synaptic", "RSynaptic"):
        shared["alpha"] = torch.rand(size)
    if kind in ("RLeaky", "RSynaptic"):
        shared |= {"linear_features": size} if size > 5 else {"all_to_all": False, "V": 0.5 * torch.rand(size)}
    return getattr(snn, kind)(beta=0.3 + 0.6 * torch.rand(size), **shared)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("kind", ["Leaky", "Lapicque", "Synaptic", "RLeaky", "RSynaptic"])
def test_neurons_a_step_a_call(kind, reset):
    net = hidden(nn.Linear(12, 20), neurons(kind, 20, reset), nn.Linear(20, 5), neurons(kind, 5, reset))
    assert assert_same(net, (12,), 25).time == "step"


def test_resets_without_delay():
    zero = [neurons("Leaky", size, "zero", reset_delay=False) for size in (20, 5)]
    assert_same(hidden(nn.Linear(12, 20), zero[0], nn.Linear(20, 5), zero[1]), (12,), 25)
    with pytest.raises(InputError, match=r"1 \(Leaky\): reset_delay=False with 'subtract' raises the threshold"):
        to_graph(hidden(nn.Linear(12, 20), neurons("Leaky", 20, "subtract", reset_delay=False)), (12,), 5)


@pytest.mark.parametrize("beta", [0.0, 1.0, 1.7, torch.tensor([0.0, 0.5, 1.0, 1.0, 0.9])], ids=str)
def test_leaks_at_the_ends(beta):
    reset = "zero" if np.any(np.asarray(beta) == 0) else "subtract"
    net = hidden(nn.Linear(12, 5), snn.Leaky(beta=beta, init_hidden=True, learn_beta=True, reset_mechanism=reset))
    assert_same(net, (12,), 12)


def test_a_leak_of_everything_has_no_late_subtraction():
    with pytest.raises(InputError, match=r"1 \(Leaky\): beta is 0"):
        to_graph(hidden(nn.Linear(12, 5), snn.Leaky(beta=0.0, init_hidden=True)), (12,), 12)


def test_recurrent_convolution():
    recurrent = snn.RLeaky(beta=0.5, conv2d_channels=4, kernel_size=3, init_hidden=True, threshold=2.0)
    last = snn.Leaky(beta=0.9, init_hidden=True, threshold=3.0, output=True)
    made = assert_same(hidden(nn.Conv2d(1, 4, 3), recurrent, nn.Flatten(), nn.Linear(144, 5), last), (1, 8, 8), 7)
    assert "1.recurrent" in made.graph.nodes
    assert any("gives 2 tensors" in note for note in made.notes)


def test_a_convolutional_network_with_a_pool_of_spikes():
    leaky = [snn.Leaky(beta=0.5, init_hidden=True, threshold=thr) for thr in (0.5, 0.5, 1.0)]
    layers = (
        nn.Conv2d(1, 4, 5),
        leaky[0],
        nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3),
        leaky[1],
        nn.MaxPool2d(2),
        nn.Flatten(),
    )
    assert_same(hidden(*layers, nn.Linear(8, 10), leaky[2], mean=0.02), (1, 14, 14), 9)


class Loop(nn.Module):
    """Tutorial 5's network: the loop over time in forward, with explicit states.

    end: (spikes, potentials, their sum) -> what forward gives. step: (self, x, state, t), for the usual step.
    """

    def __init__(self, end: Callable[..., Any] | None = None, step: Any = None, steps: int = 9, **last: Any) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(12, 20), snn.Leaky(beta=0.9)
        self.fc2, self.lif2 = nn.Linear(20, 5), snn.Leaky(beta=0.8, **{"threshold": 0.5, **last})
        self.end = end or (lambda spikes, potentials, total: (torch.stack(spikes), torch.stack(potentials)))
        self.step, self.steps = step or usual, steps

    def forward(self, x: Tensor) -> Any:
        state: dict[str, Any] = {"m1": self.lif1.init_leaky(), "m2": self.lif2.init_leaky(), "spk": [], "mem": []}
        total = torch.zeros(x.size(0), 5)
        for t in range(self.steps):
            self.step(self, x, state, t)
            total = total + state["spk"][-1]
        return self.end(state["spk"], state["mem"], total)


def usual(net: Any, x: Tensor, state: dict[str, Any], t: int, between: Any = None) -> None:
    s1, state["m1"] = net.lif1(net.fc1(x), state["m1"])
    s1 = s1 if between is None else between(net, s1, state, t)
    s2, state["m2"] = net.lif2(net.fc2(s1), state["m2"])
    state["spk"].append(s2)
    state["mem"].append(state["m2"])


ENDS = {
    "steps": lambda s, m, total: (torch.stack(s, dim=0), torch.stack(m, dim=0)),
    "second axis": lambda s, m, total: torch.stack(s, 1),
    "sum": lambda s, m, total: torch.stack(s).sum(dim=0),
    "python's sum": lambda s, m, total: sum(s),
    "mean": lambda s, m, total: torch.stack(s).mean(0),
    "added up": lambda s, m, total: total,
    "rate": lambda s, m, total: total / 9,
    "mapping": lambda s, m, total: {"spikes": torch.stack(s), "mem": m},
}


@pytest.mark.parametrize("end", ENDS)
def test_a_loop_in_forward(end):
    made = assert_same(lively(Loop(ENDS[end])), (12,), None)
    assert (made.time, made.graph.info.timesteps, made.graph.info.encoding) == ("inside", 9, "direct")
    assert list(made.graph.nodes) == ["input", "fc1", "lif1", "fc2", "lif2", "output"]


@pytest.mark.parametrize("last", [{"reset_mechanism": "none"}, {"threshold": 1e10}], ids=str)
@pytest.mark.parametrize("end", ["stack", "last"])
def test_the_potential_of_a_neuron_that_never_resets_is_a_readout(last, end):
    ends = {"stack": lambda s, m, total: torch.stack(m), "last": lambda s, m, total: m[-1]}
    made, found = imported(lively(Loop(ends[end], **last)), (12,), 9)
    assert found.equal, found.as_dict()
    assert found.predictions == found.samples
    assert type(made.graph.nodes["lif2"]).__name__ == "LI"


@pytest.mark.parametrize("kind", ["Leaky", "Synaptic"])
def test_a_readout_that_keeps_all_in_some_neurons(kind):
    class Readout(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            beta = torch.tensor([1.0, 0.5, 0.2, 1.0, 0.9])
            alpha = {"alpha": 1.0} if kind == "Synaptic" else {}
            self.neuron = getattr(snn, kind)(beta=beta, reset_mechanism="none", **alpha)

        def forward(self, x: Tensor) -> Tensor:
            return self.neuron(x)[-1]

    net = hidden(nn.Linear(12, 20), neurons("Leaky", 20, "subtract"), nn.Linear(20, 5), Readout())
    _, found = imported(net, (12,), 9)
    assert found.equal, found.as_dict()
    assert [population.kind for population in found.populations] == ["spikes", "potentials"]


def index_second(net: Any, x: Tensor, state: dict[str, Any], t: int) -> None:
    usual(net, x[:, t], state, t)


class Frames(Loop):
    def forward(self, x: Tensor) -> Any:
        states = [self.lif1.init_leaky(), self.lif2.init_leaky()]
        record = torch.zeros(x.shape[0], x.shape[1], 5)
        for t in range(x.size(0)):
            s1, states[0] = self.lif1(self.fc1(x[t]), states[0])
            record[t], states[1] = self.lif2(self.fc2(s1), states[1])
        return record


def test_frames_in_a_loop():
    assert assert_same(lively(Frames(threshold=2.0)), (12,), 9).time == "first"
    assert assert_same(lively(Loop(step=index_second, threshold=2.0)), (12,), 9).time == "second"


class Own(nn.Module):
    """A recurrent loop of one's own, over `lag` steps, and feedback from the second layer to the first."""

    def __init__(self, lag: int = 1, bias: bool = True, feedback: bool = False, skip: bool = False) -> None:
        super().__init__()
        self.a, self.r, self.f = nn.Linear(12, 20), nn.Linear(20, 20, bias=bias), nn.Linear(5, 20)
        self.o, self.q = nn.Linear(20, 5), nn.Linear(20, 5)
        self.l1, self.l2 = snn.Leaky(beta=0.9, threshold=2.0), snn.Leaky(beta=0.8, threshold=2.0)
        self.lag, self.feedback, self.skip = lag, feedback, skip

    def forward(self, x: Tensor) -> Tensor:
        m1, m2, past, out = self.l1.init_leaky(), self.l2.init_leaky(), [x.new_zeros(x.shape[1], 20)] * self.lag, []
        s2 = torch.zeros(x.shape[1], 5)
        for t, frame in enumerate(x):
            current = self.a(frame)
            if not (self.skip and t < self.lag):
                current = current + self.r(past[-self.lag])
            if self.feedback:
                current = current + self.f(s2)
            s1, m1 = self.l1(current, m1)
            s2, m2 = self.l2(self.o(s1) + self.q(past[-1]), m2)
            past.append(s1)
            out.append(s2)
        return torch.stack(out)


@pytest.mark.parametrize("lag", [1, 2, 4])
@pytest.mark.parametrize("feedback", [False, True])
def test_a_recurrent_loop_of_ones_own(lag, feedback):
    made = assert_same(lively(Own(lag, feedback=feedback), mean=0.05), (12,), 12)
    assert made.graph.recurrent
    delays = {
        name: set(node.delay.ravel()) for name, node in made.graph.nodes.items() if type(node).__name__ == "Delay"
    }
    assert (lag - 1 in set().union(*delays.values())) == (lag > 1)


def test_a_loop_that_begins_late_is_the_same_only_without_a_bias():
    assert_same(lively(Own(bias=False, skip=True), mean=0.05), (12,), 12)
    with pytest.raises(InputError, match=r"l1 \(Leaky\): in step 0 it takes .* where the rule of step 11"):
        to_graph(lively(Own(bias=True, skip=True)), (12,), 12)


def between(rule: Callable[..., Tensor]) -> Callable[..., None]:
    return lambda net, x, state, t: usual(net, x, state, t, rule)


def spike_as_state(net: Any, x: Tensor, state: dict[str, Any], t: int) -> None:
    usual(net, x, state, t)
    state["m2"] = state["spk"][-1]


def forgotten(net: Any, x: Tensor, state: dict[str, Any], t: int) -> None:
    s1, _ = net.lif1(net.fc1(x), state["m1"])
    s2, state["m2"] = net.lif2(net.fc2(s1), state["m2"])
    state["spk"].append(s2)
    state["mem"].append(state["m2"])


REFUSED = {
    "a state of another": (
        spike_as_state,
        r"lif2 \(Leaky\): in step 1 takes a state that is not what its own last call gave",
    ),
    "no state": (forgotten, r"lif1 \(Leaky\): starts anew after 1 steps within one sample"),
    "more each step": (
        lambda net, x, state, t: usual(net, x * (1 + t), state, t),
        r"lif1 \(Leaky\): in step 0 it takes",
    ),
    "potential": (between(lambda net, s, state, t: state["m1"]), r"lif1 \(Leaky\): a state of it is passed on"),
    "attribute": (between(lambda net, s, state, t: net.lif1.mem * 0.1), r"lif1 \(Leaky\): a state of it is passed on"),
    "another layer each step": (
        between(lambda net, s, state, t: net.norms[t](s)),
        r"lif2 \(Leaky\): in step 0 it takes norms.0 of .* step 8 is norms.8 of",
    ),
    "another state added": (
        lambda net, x, state, t: (state.update(m1=state["m1"] * 0.5) if t == 4 else None, usual(net, x, state, t)),
        r"lif1 \(Leaky\): in step 4 takes a state that is not",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_loop_that_is_refused(name):
    step, message = REFUSED[name]
    net = lively(Loop(step=step))
    net.norms = nn.ModuleList([nn.BatchNorm1d(20) for _ in range(9)]).eval()
    with pytest.raises(InputError, match=message):
        to_graph(net, (12,), None)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: snn.Leaky(beta=0.9, inhibition=True, init_hidden=True), "inhibition"),
        (lambda: snn.Leaky(beta=0.9, graded_spikes_factor=2.0, init_hidden=True), "graded_spikes_factor"),
        (lambda: snn.Leaky(beta=0.9, state_quant=lambda v: v, init_hidden=True), "state_quant"),
        (lambda: snn.Leaky(beta=0.9, spike_grad=torch.sigmoid, init_hidden=True), "spike_grad"),
        (lambda: snn.Alpha(alpha=0.9, beta=0.8, init_hidden=True), r"Alpha\): has no form here"),
        (lambda: snn.SLSTM(5, 5, init_hidden=True), r"SLSTM\): has no form here"),
        (lambda: snn.Lapicque(R=1.0, C=0.5, init_hidden=True), "changes sign"),
    ],
)
def test_options_that_are_refused(layer, message):
    with pytest.raises(InputError, match=message):
        to_graph(hidden(nn.Linear(12, 5), layer()), (12,), 6)


def test_a_reset_inside_forward_ends_a_sample():
    class Resetting(nn.Module):
        def __init__(self, loop: int) -> None:
            super().__init__()
            self.fc, self.lif, self.loop = nn.Linear(12, 5), snn.Leaky(beta=0.9, init_hidden=True), loop

        def forward(self, x: Tensor) -> Any:
            self.lif.reset_mem()
            return torch.stack([self.lif(self.fc(x)) for _ in range(self.loop)])

    assert assert_same(lively(Resetting(7)), (12,), None).graph.info.timesteps == 7
    with pytest.raises(InputError, match="its loop has 1 steps, and `timesteps` says 4"):
        to_graph(lively(Resetting(1)), (12,), 4)


def test_states_hooks_mode_and_gradients_stay_as_they_were():
    net = hidden(nn.Linear(12, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), snn.Leaky(beta=0.9, init_hidden=True))
    net.train()
    handle = net[0].register_forward_hook(lambda *_: None)
    net(torch.rand(4, 12)).sum().backward()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    memory, rng = net[3].mem, torch.get_rng_state()
    to_graph(net, (12,), 6)
    assert net.training
    assert net[2].training
    assert net[3].mem is memory
    assert torch.equal(torch.get_rng_state(), rng)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert net[0].weight.grad is not None
    assert len(net[0]._forward_hooks) == 1
    handle.remove()
    assert len(net[0]._forward_hooks) == 0
    assert "patched" not in nn.Module.__call__.__qualname__
    assert nn.Module.__call__.__module__ == "torch.nn.modules.module"


def test_spikes_that_a_hook_scales_are_no_spikes():
    net = lively(Loop())
    net.lif1.register_forward_hook(lambda module, given, output: (2 * output[0], output[1]))
    with pytest.raises(InputError, match="lif1: gives other values than 0 and 1"):
        imported(net, (12,), None)


def test_a_recurrent_layer_that_pads_otherwise_is_refused():
    """Its weights were taken, and zeros for what it pads with."""
    module = hidden(
        nn.Conv2d(1, 3, 3, padding=1),
        snn.RLeaky(beta=0.5, conv2d_channels=3, kernel_size=3, init_hidden=True, output=True),
    )
    module[1].recurrent.padding_mode = "circular"
    with pytest.raises(InputError, match="pads with circular; pad with zeros"):
        to_graph(module, (1, 6, 6), 4)
