"""Networks of plain torch layers and our neurons, all steps at once: every spike is the module's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_modules import Over, assert_same, imported, lively, neuron, readout

from inflor.converter.errors import InputError
from inflor.converter.modules.importing import to_graph


def over_images(x: Tensor, layer: Callable[[Tensor], Tensor]) -> Tensor:
    """A layer for [N, ...] over [T, B, ...]."""
    return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def residual(net: Any, x: Tensor) -> Tensor:
    a = net.n1(over_images(x, lambda y: net.norm1(net.conv1(y))))
    b = net.n2(over_images(a, lambda y: net.norm2(net.conv2(y))) + a)
    return net.fc(over_images(b, net.pool).flatten(2)).mean(0)


def convolutional() -> Over:
    return Over(
        residual,
        conv1=nn.Conv2d(1, 4, 3, padding=1),
        norm1=nn.BatchNorm2d(4),
        n1=neuron(),
        conv2=nn.Conv2d(4, 4, 3, padding=1, bias=False),
        norm2=nn.BatchNorm2d(4, affine=False),
        n2=neuron(kind="lif", threshold=0.7),
        pool=nn.MaxPool2d(2),
        fc=nn.Linear(64, 5),
    )


def test_a_residual_network_with_norms_and_a_pool_of_spikes():
    made = assert_same(lively(convolutional()), (1, 8, 8), 5)
    assert (made.time, made.kind) == ("first", "mean")
    assert list(made.graph.nodes)[:6] == ["input", "conv1", "n1", "conv2", "n2", "pool.sum"]
    assert ("n1", "n2") in made.graph.edges
    assert made.graph.nodes["n1"].metadata["reset"] == "subtract"
    assert any("2 normalizations" in note for note in made.notes)


def dense(rule: Callable[[Any, Tensor], Any], **more: nn.Module) -> nn.Module:
    parts = {"a": nn.Linear(12, 20), "n1": neuron(), "b": nn.Linear(20, 5), "n2": neuron(), **more}
    return lively(Over(rule, **parts), mean=0.05)


RULES: dict[str, tuple[Callable[[Any, Tensor], Any], str, int | None]] = {
    "time first": (lambda net, x: net.n2(net.b(net.n1(net.a(x)))), "first", 6),
    "batch first": (lambda net, x: net.n2(net.b(net.n1(net.a(x.transpose(0, 1))))).permute(1, 0, 2), "second", 6),
    "one image repeated": (lambda net, x: net.n2(net.b(net.n1(net.a(x).unsqueeze(0).repeat(6, 1, 1)))), "inside", None),
    "one image expanded": (lambda net, x: net.b(net.n1(net.a(x).expand(6, -1, -1))).mean(0), "inside", 6),
    "one image stacked": (lambda net, x: net.n2(net.b(net.n1(torch.stack([net.a(x)] * 6)))).sum(0), "inside", 6),
    "a mean before the last layer": (lambda net, x: net.b(net.n1(net.a(x)).mean(0)), "first", 6),
    "a parameter added": (lambda net, x: net.n2(net.b(net.n1(net.a(x))) + torch.linspace(-0.1, 0.3, 5)), "first", 6),
    "steps in a loop": (lambda net, x: net.n2(torch.stack([net.b(s) for s in net.n1(net.a(x))])), "first", 6),
    "functions": (lambda net, x: net.n2(functional.linear(net.n1(x @ net.a.weight.T), net.b.weight)), "first", 6),
    "in place": (lambda net, x: net.n2(net.b(net.n1(net.a(x))).mul_(0.8)), "first", 6),
}


@pytest.mark.parametrize("name", RULES)
def test_ways_to_write_it(name):
    rule, time, steps = RULES[name]
    assert assert_same(dense(rule), (12,), steps).time == time


def test_a_spike_that_is_added_to_itself():
    def rule(net: Any, x: Tensor) -> Tensor:
        spikes = net.n1(net.a(x))
        return net.n2(0.5 * net.b(spikes + spikes))

    made = assert_same(dense(rule), (12,), 6)
    assert any(name.startswith("n1.times2") for name in made.graph.nodes)


def test_weights_at_two_places_are_two_nodes():
    def rule(net: Any, x: Tensor) -> Tensor:
        return net.n3(net.b(net.n2(net.f(net.n1(net.f(net.a(x)))))))

    made = assert_same(dense(rule, f=nn.Linear(20, 20), n3=neuron()), (12,), 6)
    assert {"f", "f_2"} <= set(made.graph.nodes)


def test_a_readout_is_the_potential():
    made = assert_same(dense(lambda net, x: net.out(net.b(net.n1(net.a(x)))), out=readout()), (12,), 6)
    assert type(made.graph.nodes["out"]).__name__ == "I"


POOLS = [
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 2, "ceil_mode": True},
    {"kernel_size": 2, "dilation": 2},
    {"kernel_size": (3, 2), "stride": 2, "ceil_mode": True, "padding": 1, "dilation": (1, 2)},
    {"kernel_size": 3, "stride": 3, "ceil_mode": True},
]


@pytest.mark.parametrize("options", POOLS, ids=str)
def test_a_pool_of_spikes(options):
    size = functional.max_pool2d(torch.zeros(1, 3, 5, 6), **options).numel()

    def rule(net: Any, x: Tensor) -> Tensor:
        spikes = net.n1(over_images(x, net.conv))
        return net.n2(net.fc(over_images(spikes, lambda y: functional.max_pool2d(y, **options)).flatten(2)))

    parts = {
        "conv": nn.Conv2d(1, 3, 3),
        "n1": neuron(threshold=0.9, mpr=False),
        "fc": nn.Linear(size, 5),
        "n2": neuron(),
    }
    assert_same(lively(Over(rule, **parts), mean=0.0), (1, 7, 8), 6)


@pytest.mark.parametrize("sides", [(1, 1, 1, 1), (1, 2, 0, 3), (2, 0, 1, 0)])
@pytest.mark.parametrize("before", [True, False])
def test_padding_with_zeros(sides, before):
    def rule(net: Any, x: Tensor) -> Tensor:
        pad = lambda y: functional.pad(y, sides)  # noqa: E731
        spikes = net.n1(over_images(x, lambda y: net.conv(pad(y)) if before else net.conv(y)))
        return net.n2(net.fc(over_images(spikes, lambda y: y if before else pad(y)).flatten(2)))

    height, width = 6 + sides[2] + sides[3], 6 + sides[0] + sides[1]
    parts = {"conv": nn.Conv2d(1, 3, 3), "n1": neuron(), "fc": nn.Linear(3 * height * width, 5), "n2": neuron()}
    assert_same(lively(Over(rule, **parts), mean=0.04), (1, 8, 8), 6)


@pytest.mark.parametrize("where", ["input", "spikes", "shared"])
def test_a_norm_that_has_no_layer_of_its_own(where):
    def rule(net: Any, x: Tensor) -> Tensor:
        if where == "input":
            return net.n2(net.fc(net.n1(over_images(x, lambda y: net.conv(net.norm(y)))).flatten(2)))
        current = over_images(x, net.conv)
        if where == "shared":
            return net.n2(net.fc(net.n1(current + over_images(current, net.norm)).flatten(2)))
        return net.n2(net.fc(over_images(net.n1(current), net.norm).flatten(2)))

    norm = nn.BatchNorm2d(1 if where == "input" else 3)
    parts = {"conv": nn.Conv2d(1, 3, 3), "norm": norm, "n1": neuron(), "fc": nn.Linear(108, 5), "n2": neuron()}
    assert_same(lively(Over(rule, **parts), mean=0.04), (1, 8, 8), 6)


def test_a_mean_over_an_image_and_adaptive_pools():
    def rule(net: Any, x: Tensor) -> Tensor:
        spikes = net.n1(over_images(x, net.conv))
        pooled = over_images(spikes, lambda y: functional.adaptive_avg_pool2d(functional.adaptive_max_pool2d(y, 4), 2))
        return net.n2(net.fc(pooled.mean((-2, -1))))

    parts = {"conv": nn.Conv2d(1, 3, 3, padding="same"), "n1": neuron(), "fc": nn.Linear(3, 5), "n2": neuron()}
    assert_same(lively(Over(rule, **parts)), (1, 8, 8), 6)


def test_an_input_that_is_viewed_first_is_taken_in_that_shape():
    def rule(net: Any, x: Tensor) -> Tensor:
        return net.n2(net.fc(net.conv(x.view(-1, 1, 8, 8)).flatten(1)).view(x.shape[0], x.shape[1], -1))

    parts = {"conv": nn.Conv2d(1, 2, 3), "fc": nn.Linear(72, 5), "n2": neuron()}
    made = assert_same(lively(Over(rule, **parts), mean=0.0), (64,), 6)
    assert made.graph.output_shapes["input"] == (1, 8, 8)


def test_what_changes_its_weights_in_forward_has_them_back():
    def rule(net: Any, x: Tensor) -> Tensor:
        net.b.weight.data.clamp_(-0.2, 0.2)
        return net.n2(net.b(net.n1(net.a(x))))

    net = dense(rule)
    before = net.b.weight.clone()
    assert before.abs().max() > 0.2
    made = assert_same(net, (12,), 6)
    assert torch.equal(net.b.weight, before)
    assert np.abs(made.graph.nodes["b"].weight).max() <= np.float32(0.2)


def test_one_minus_a_spike():
    assert_same(dense(lambda net, x: net.n2(net.b(1 - net.n1(net.a(x))))), (12,), 6)


def test_weights_and_module_stay_apart():
    net = dense(RULES["time first"][0])
    made = to_graph(net, (12,), 6)
    with torch.no_grad():
        net.a.weight.zero_()
    assert made.graph.nodes["a"].weight.any()


def lower(layer: nn.Module, x: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return layer(x)


def swapped_norm(over: Any, x: Tensor) -> Tensor:
    """torch's own takes gamma before the mean, torch.nn.functional's the mean before gamma."""
    one, zero = torch.ones(20), torch.zeros(20)
    return over(x, lambda y: torch.batch_norm(y, one, zero, zero, one, False, 0.1, 1e-5, False))


REFUSED: dict[str, tuple[Callable[[Any, Tensor], Any], str]] = {
    "relu": (
        lambda net, x: net.n2(net.b(functional.relu(net.a(x)))),
        "Over: (calls )?relu: between layers without a neuron",
    ),
    "branch": (
        lambda net, x: net.n1(net.a(x)) if x.sum() > 3 else net.n1(x[..., :5]),
        "looks at the values of a tensor",
    ),
    "item": (lambda net, x: net.n1(net.a(x) * x.max().item()), "looks at the values of a tensor|calls max"),
    "numpy": (lambda net, x: net.n1(torch.from_numpy(net.a(x).numpy())), r"looks at the values of a tensor \(numpy\)"),
    "product": (lambda net, x: net.n1(net.a(x) * net.a(x)), "multiplies two tensors that both come from the input"),
    "dropout": (lambda net, x: net.n1(functional.dropout(net.a(x))), "drops values at inference too"),
    "noise": (lambda net, x: net.n1(net.a(x) + torch.randn_like(net.a(x))), "a constant differs from sample to sample"),
    "batch": (lambda net, x: net.n1(net.a(x) - net.a(x).mean(1, keepdim=True)), r"adds up \[time, batch, value\]"),
    "bias of a sum": (lambda net, x: net.b(net.n1(net.a(x)).sum(0)), "b: its bias is added once to a sum over time"),
    "last step": (lambda net, x: net.n1(net.a(x))[-1], "the module gives the spikes of n1 of step 5 alone"),
    "mixed": (lambda net, x: net.n1(net.a(x).transpose(0, 1).reshape(x.shape[0], -1, 20)), "mix with values"),
    "reversed": (lambda net, x: net.n2(net.b(net.n1(net.a(x)).flip(0))), "calls flip"),
    "by hand": (lambda net, x: net.n2(net.b((net.n1(net.a(x)) > 0.5).float())), "a neuron written by hand"),
    "autocast": (lambda net, x: net.n1(lower(net.a, x)), "linear computes in torch.bfloat16"),
    "torch.batch_norm": (lambda net, x: net.n1(swapped_norm(over_images, net.a(x))), r"calls torch\.batch_norm"),
    "alias": (
        lambda net, x: (lambda y: (y.view(-1).mul_(2), net.n1(y))[1])(net.a(x)),
        "changed in place through another",
    ),
    "no neuron": (lambda net, x: net.a(x), "has no neuron of a known framework"),
    "twice": (lambda net, x: net.n1(net.c(net.n1(net.a(x)))), r"n1 \(SpikingNeuron\): .*(12 times in 6 steps|anew)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name):
    rule, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        to_graph(dense(rule, c=nn.Linear(20, 20)), (12,), 6)


class Hidden(torch.autograd.Function):
    """A function of its own, of which no rule is known."""

    @staticmethod
    def forward(ctx, x):
        return x.clone().abs_()


def test_what_cannot_be_followed_is_never_a_constant():
    compiled = torch.jit.trace(nn.Linear(20, 20), torch.rand(3, 20))
    for rule in (lambda net, x: net.n1(Hidden.apply(net.a(x))), lambda net, x: net.n1(net.c(net.a(x)))):
        with pytest.raises(InputError):
            to_graph(dense(rule, c=compiled), (12,), 6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_numbers_than_float32_are_refused(dtype):
    with pytest.raises(InputError, match=r"call module.float\(\) first"):
        to_graph(dense(RULES["time first"][0]).to(dtype), (12,), 6)


def test_layers_refused_by_class():
    for layer, message in ((nn.LayerNorm(20), "LayerNorm"), (nn.GELU(), "GELU"), (nn.Softmax(-1), "Softmax")):
        with pytest.raises(InputError, match=rf"c \({message}\): has no form here"):
            to_graph(dense(lambda net, x: net.n2(net.b(net.c(net.n1(net.a(x))))), c=layer), (12,), 6)


def test_a_norm_by_the_batch_is_refused():
    norm = nn.BatchNorm1d(20, track_running_stats=False)
    rule = lambda net, x: net.n1(over_images(net.a(x), net.c))  # noqa: E731
    with pytest.raises(InputError, match=r"c \(BatchNorm1d\): batch_norm: normalizes by the batch at hand"):
        to_graph(dense(rule, c=norm), (12,), 6)


def test_numbers_of_steps():
    with pytest.raises(InputError, match="give `timesteps`"):
        to_graph(dense(RULES["time first"][0]), (12,), None)
    with pytest.raises(InputError, match="its loop has 6 steps, and `timesteps` says 5"):
        to_graph(dense(RULES["one image repeated"][0]), (12,), 5)
    made, _ = imported(dense(RULES["one image repeated"][0]), (12,), None)
    assert (made.graph.info.timesteps, made.graph.info.encoding) == (6, "direct")
    assert np.array_equal(made.graph.nodes["n1"].v_threshold, np.full(20, np.nextafter(np.float32(0.5), np.float32(0))))
