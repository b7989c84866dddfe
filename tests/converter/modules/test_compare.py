"""The comparison finds what differs, where it differs first, and what is only a tie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch_modules import Over, imported, lively, neuron

from inflor.converter.modules.compare import compare
from inflor.converter.modules.importing import Import, to_graph
from inflor.converter.primitives.fields import changed


@pytest.fixture(scope="module")
def net() -> nn.Module:
    parts = {"a": nn.Linear(12, 20), "n1": neuron(), "b": nn.Linear(20, 5), "n2": neuron()}
    return lively(Over(lambda net, x: net.n2(net.b(net.n1(net.a(x)))), **parts), mean=0.05)


def with_node(made: Import, name: str, **values: object) -> Import:
    graph = made.graph
    return replace(made, graph=graph.with_nodes({name: changed(graph.nodes[name], values)}))


def samples() -> torch.Tensor:
    return 1.5 * torch.rand(6, 8, 12, generator=torch.Generator().manual_seed(1))


def test_a_weight_that_differs_is_found_in_its_population_only(net):
    made = to_graph(net, (12,), 6)
    weight = made.graph.nodes["a"].weight.copy()
    weight[7] *= 1.3
    found = compare(net, with_node(made, "a", weight=weight), samples(), "random")
    first, second = found.populations
    assert found.differs
    assert not found.equal
    assert first.differing
    assert first.first.neuron == (7,)
    assert second.equal  # it heard the module's own spikes
    plain = found.as_dict()
    assert plain["populations"][0]["first"]["neuron"] == (7,)


def test_the_first_difference_is_the_earliest_and_shows_potentials(net):
    made = to_graph(net, (12,), 6)
    threshold = np.array(made.graph.nodes["n1"].v_threshold)
    threshold[3] = 1e6
    node = made.graph.nodes["n1"]
    silent = replace(made, graph=made.graph.with_nodes({"n1": changed(node, {"v_threshold": threshold})}))
    x = samples()
    found = compare(net, silent, x, "random").populations[0]
    with torch.no_grad():
        spikes = net.n1(net.a(x))
    steps = torch.nonzero(spikes[..., 3])
    assert found.first.step == int(steps[:, 0].min())
    assert found.first.fired
    assert found.first.threshold == 1e6
    assert found.differing == int(spikes[..., 3].any(0).sum())  # a neuron of a sample counts once


def test_a_potential_at_the_threshold_is_a_tie():
    class Just(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.n = nn.Linear(1, 1, bias=False), neuron()
            nn.init.ones_(self.a.weight)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.n(self.a(x))

    net = Just()
    made = to_graph(net, (1,), 2)
    x = torch.tensor([[[0.5]], [[0.1]]])  # on the threshold: the module fires
    above = np.nextafter(np.float32(0.5), np.float32(1))
    node = made.graph.nodes["n"]
    strict = changed(node, {"v_threshold": np.full(1, above)})
    found = compare(net, replace(made, graph=made.graph.with_nodes({"n": strict})), x, "by hand")
    assert (found.populations[0].ties, found.populations[0].differing) == (1, 0)
    assert not found.differs
    assert found.populations[0].first.ours == 0.5
    far = changed(node, {"v_threshold": np.full(1, np.float32(0.5001))})
    found = compare(net, replace(made, graph=made.graph.with_nodes({"n": far})), x, "by hand")
    assert (found.populations[0].ties, found.populations[0].differing) == (0, 1)


def test_a_population_that_never_or_always_fires_is_not_called_equal():
    parts = {"a": nn.Linear(12, 5), "n": neuron()}
    net = Over(lambda net, x: net.n(net.a(x)), **parts)
    for bias, never in ((-50.0, True), (50.0, False)):
        nn.init.constant_(net.a.bias, bias)
        _, found = imported(net, (12,), 6)
        (population,) = found.populations
        assert (population.never, population.always, population.equal) == (never, not never, False)
        assert not found.differs
        assert not found.equal


def test_a_prediction_that_no_tie_explains(net):
    made = to_graph(net, (12,), 6)
    order = replace(made, graph=made.graph)
    x = samples()
    record = compare(net, order, x, "random")
    assert (record.predictions, record.unexplained) == (8, 0)

    class Reversed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return -self.net(x)  # the spikes are the same, the prediction is not

    flipped = Reversed()
    names = {"net.n1": "n1", "net.n2": "n2"}
    found = compare(flipped, replace(made, populations=names), x, "random")
    assert found.predictions < 8
    assert found.unexplained == 8 - found.predictions
    assert found.differs


def test_the_same_potential_and_another_spike_is_no_tie() -> None:
    """`>` for `>=` shows at the threshold only: where both potentials are 1, no rounding explains it."""
    snn = pytest.importorskip("snntorch")
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8, bias=False), snn.Leaky(beta=0.5, init_hidden=True, output=True))
    module[0].weight.data = torch.randint(-4, 9, (8, 6)) / 4
    made = to_graph(module, (6,), 5)
    x = torch.randint(0, 3, (40, 6)) / 2
    assert compare(module, made, x, "quarters").equal
    module[1].spike_grad = lambda distance: (distance >= 0).float()
    found = compare(module, made, x, "quarters")
    assert found.differs
    assert not found.equal
    assert found.populations[0].first.theirs == found.populations[0].first.ours == 1


def test_a_potential_after_its_reset_is_not_shown_as_what_fired() -> None:
    neurons = pytest.importorskip("spikingjelly.activation_based.neuron")
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8), neurons.IFNode())
    made = to_graph(module, (6,), 5)
    x = 3 * torch.rand(40, 6)
    assert compare(module, made, x, "random").equal
    silent = with_node(made, "1", v_threshold=np.full(8, 100.0))
    first = compare(module, silent, x, "random").populations[0].first
    assert first.fired
    assert first.theirs is None
    assert first.ours > 1
    eager = with_node(made, "1", v_threshold=np.full(8, 0.25))
    first = compare(module, eager, x, "random").populations[0].first
    assert not first.fired
    assert first.theirs == pytest.approx(first.ours)
