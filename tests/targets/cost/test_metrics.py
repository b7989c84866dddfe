"""NeuroBench's metrics: by hand, and against the neurobench package on a torch model where it is installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from counting import emulate
from small_networks import network, population
from torch import nn

from inflor.quant.ir.network import Projection
from inflor.quant.operators import Conv, Flatten, Linear, SumPool
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.counts import count
from inflor.targets.cost.metrics import metrics
from inflor.targets.cost.result import Metrics
from inflor.targets.cost.updates import count_updates

THRESHOLDS = (900, 160)


def made(seed: int = 0, timesteps: int = 5):
    """Two convolutions, one behind a pool, and a linear readout; some weights are zero. Reset to zero."""
    rng = np.random.default_rng(seed)
    first = rng.integers(-9, 10, (4, 2, 3, 3)) * rng.integers(0, 2, (4, 2, 3, 3))
    second = rng.integers(-40, 60, (5, 4, 3, 3)) * (rng.random((5, 4, 3, 3)) < 0.8)
    last = rng.integers(-9, 10, (3, 5 * 2 * 2))
    ones = (1, 1)
    populations = (
        population("input", (2, 9, 9), "input"),
        population("n1", (4, 9, 9), threshold=THRESHOLDS[0], reset="zero", bias=[[[40]], [[0]], [[9]], [[0]]]),
        population("n2", (5, 2, 2), threshold=THRESHOLDS[1], reset="zero"),
        population("out", (3,), "readout"),
    )
    projections = (
        Projection("input", "n1", (Conv("c1", first, ones, ((1, 1), (1, 1)), ones, 1),)),
        Projection(
            "n1",
            "n2",
            (SumPool("p", (2, 2), (2, 2), (0, 0)), Conv("c2", second, (2, 2), ((1, 1), (1, 1)), ones, 1)),
        ),
        Projection("n2", "out", (Flatten("f", 0, 2), Linear("l", last))),
    )
    x = rng.integers(-128, 128, (6, timesteps, 2, 9, 9)) * (rng.random((6, timesteps, 2, 9, 9)) < 0.7)
    return network(populations, projections, timesteps), x.astype(np.int8)


def measured(net, x: np.ndarray) -> tuple[Metrics, Activity]:
    activity = Activity(net, emulate(net, x), x)
    updates = count_updates(activity)
    assert updates.unlike == ()
    return metrics(activity, count(activity, updates), sum(updates.changed.values())), activity


def test_by_hand() -> None:
    """One weight of three is zero; the one neuron fires in the second step of two."""
    weights = np.array([[5, 0, 7]])
    net = network(
        (
            population("input", (3,), "input"),
            population("n", (1,), threshold=10, reset_value=10),
            population("out", (2,), "readout"),
        ),
        (
            Projection("input", "n", (Linear("a", weights),)),
            Projection("n", "out", (Linear("b", np.array([[3], [0]])),)),
        ),
        timesteps=2,
    )
    found, _ = measured(net, np.array([[1, 4, 0]], np.int8))  # 5, then 10, which is not above 10
    assert found.effective_acs == 0
    found, _ = measured(net, np.array([[2, 4, 0]], np.int8))  # 10, then 20: fires
    assert found.effective_macs == 2  # one input that is not zero meets a weight, twice
    assert found.effective_acs == 1
    assert found.dense_operations == 2 * (3 + 2)
    assert found.connection_sparsity == 2 / 5
    assert found.activation_sparsity == 1 / 2
    assert found.membrane_updates == 3 + 0 + 1  # all three at first; then n goes 10 -> 20 -> 10, and one readout moves
    # weights of 8 bits; a state that may reach 2 * 128 * 12 needs 13 and those of the readout 4; 10 and 10 need 5 each
    assert found.footprint_bytes == (5 * 8 + (13 + 2 * 4) + (5 + 5)) / 8


class Model(nn.Module):
    """The same network in snnTorch, with the integers as float32."""

    def __init__(self, net):
        import snntorch

        super().__init__()
        c1, c2, linear = (
            next(op for op in q.operators if hasattr(op, "weight")).weight.astype(np.float32) for q in net.projections
        )
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 5, 3, stride=2, padding=1, bias=False)
        self.pool = nn.AvgPool2d(2, divisor_override=1)
        self.linear = nn.Linear(20, 3, bias=False)
        with torch.no_grad():
            self.conv1.weight.copy_(torch.from_numpy(c1))
            self.conv1.bias.copy_(torch.from_numpy(net.by_name["n1"].rule.bias.reshape(-1).astype(np.float32)))
            self.conv2.weight.copy_(torch.from_numpy(c2))
            self.linear.weight.copy_(torch.from_numpy(linear))

        def neurons(threshold, reset):
            return snntorch.Leaky(
                beta=1.0, threshold=threshold, reset_mechanism=reset, reset_delay=False, init_hidden=True
            )

        self.n1, self.n2 = (neurons(t, "zero") for t in THRESHOLDS)
        self.out = neurons(1e12, "none")

    def forward(self, x):
        spikes = self.n2(self.conv2(self.pool(self.n1(self.conv1(x)))))
        return self.out(self.linear(spikes.flatten(1))), None


@pytest.mark.skipif(
    importlib.util.find_spec("neurobench") is None or importlib.util.find_spec("snntorch") is None,
    reason="neurobench is not installed: pip install --no-deps neurobench==2.3.0 snntorch tqdm",
)
@pytest.mark.parametrize("seed", range(3))
def test_equal_the_package_on_a_torch_model(seed: int) -> None:
    from neurobench.metrics.static import ConnectionSparsity, ParameterCount
    from neurobench.metrics.workload import ActivationSparsity, MembraneUpdates, SynapticOperations
    from neurobench.models import SNNTorchModel

    net, x = made(seed)
    found, activity = measured(net, x)
    model = SNNTorchModel(Model(net))
    model.register_hooks()
    data = (torch.from_numpy(x.astype(np.float32)), torch.zeros(len(x)))
    with torch.no_grad():
        predictions = model(data[0])
    fired = [sum(int(step.sum()) for step in hook.activation_outputs) for hook in model.activation_hooks[:2]]
    assert fired == [int(activity.totals[name].sum()) for name in ("n1", "n2")]
    assert min(fired) > 0
    operations = SynapticOperations()(model, predictions, data)
    assert found.effective_macs == pytest.approx(operations["Effective_MACs"], rel=1e-6)
    assert found.effective_acs == pytest.approx(operations["Effective_ACs"], rel=1e-6)
    assert found.dense_operations == pytest.approx(operations["Dense"], rel=1e-6)
    assert found.membrane_updates == pytest.approx(MembraneUpdates()(model, predictions, data), rel=1e-6)
    assert found.connection_sparsity == pytest.approx(ConnectionSparsity()(model), abs=5e-5)  # it rounds to four places
    del model.activation_hooks[2:]  # the readout never fires and is no activation here
    assert found.activation_sparsity == pytest.approx(ActivationSparsity()(model, predictions, data), rel=1e-6)
    biases = 4
    weights = sum(p.memory.weights for p in count(activity, count_updates(activity)).populations) // 8
    assert weights == ParameterCount()(model) - biases
