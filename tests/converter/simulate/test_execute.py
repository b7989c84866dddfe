"""The float executor against the torch networks, spike by spike, and against loops written out here."""

from __future__ import annotations

import math

import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph, reset_of
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.simulate.execute import run
from inflor.converter.train.architecture import SpikingNetwork
from inflor.converter.train.export import to_nir
from inflor.converter.train.networks import build
from inflor.converter.train.neurons import NeuronConfig
from inflor.converter.train.tdbn import TDBatchNorm

NETWORKS = {
    "mlp": ((1, 8, 8), 32),
    "convnet": ((1, 16, 16), 4),
    "resnet8": ((3, 16, 16), 4),
    "resnet18": ((3, 16, 16), 4),
    "resnet19": ((3, 16, 16), 4),
    "resnet20": ((3, 16, 16), 4),
    "resnet34": ((3, 16, 16), 4),
    "vgg11": ((3, 32, 32), 4),
    "vgg16": ((3, 32, 32), 4),
}
TIMESTEPS = 4
SAMPLES = 3


def exact_network(name: str, neuron: NeuronConfig) -> tuple[SpikingNetwork, torch.Tensor]:
    """A network whose sums are exact in float32, in any order: each number is a small multiple of a power of two.

    Weights are multiples of 2^-6, tdBN's factor gamma alpha theta / sqrt(var + eps) is a power of two, chosen per layer
    such that about a quarter of the neurons fire.
    """
    shape, channels = NETWORKS[name]
    draw = torch.Generator().manual_seed(len(name))
    network = SpikingNetwork(build(name, shape, 10, channels), neuron, TIMESTEPS).eval()

    def multiples(like: torch.Tensor, step: float, limit: int) -> torch.Tensor:
        return step * torch.randint(-limit, limit + 1, like.shape, generator=draw)

    def settle(norm: TDBatchNorm, args: tuple[torch.Tensor]) -> None:
        scale = 2.0 ** round(math.log2(0.6 / args[0].std().item()))
        sign = 1.0 - 2.0 * torch.randint(0, 2, norm.weight.shape, generator=draw)
        norm.weight.copy_(sign * scale * math.sqrt(0.25) / (norm.alpha * norm.threshold))

    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.weight.copy_(multiples(layer.weight, 2**-6, 40))
                if layer.bias is not None:
                    layer.bias.copy_(multiples(layer.bias, 2**-6, 40))
            if isinstance(layer, TDBatchNorm):
                layer.eps, layer.alpha = 0.0, 1.0 if layer.alpha == 1 else 0.5
                layer.running_var.fill_(0.25)
                layer.running_mean.copy_(multiples(layer.bias, 2**-4, 4))
                layer.bias.copy_(multiples(layer.bias, 2**-4, 3))
                layer.register_forward_pre_hook(settle)
        x = 2**-4 * torch.randint(-32, 33, (SAMPLES, *shape), generator=draw)
        network(x)
    for layer in network.modules():
        layer._forward_pre_hooks.clear()
    return network, x


def assert_lively(spikes: dict[str, torch.Tensor]) -> None:
    """Neither silence nor constant fire, in any population: else equal spikes would prove nothing."""
    rates = {name: s.float().mean().item() for name, s in spikes.items()}
    assert all(0.01 < rate < 0.6 for rate in rates.values()), rates
    total = sum(int(s.sum()) for s in spikes.values()) / sum(s.numel() for s in spikes.values())
    assert 0.02 < total < 0.6


@pytest.mark.parametrize("kind", ["srif", "if", "lif"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_spike_is_the_torch_networks(name, kind):
    network, x = exact_network(name, NeuronConfig.preset(kind))
    expected = network.record(x)
    potentials = expected.pop(network.architecture.readout)
    graph, _ = to_nir(network, ModelInfo())
    for dtype in (torch.float32, torch.float64):  # equal only if float32 did not round once
        result = run(graph, x, TIMESTEPS, dtype=dtype)
        assert list(result.spikes) == list(expected)
        for population, spikes in expected.items():
            assert torch.equal(result.spikes[population], spikes), population
        assert torch.equal(result.potentials[network.architecture.readout].float(), potentials)
        assert torch.equal(result.logits["output"].float(), network(x))
    assert_lively(expected)


def test_the_written_threshold_matters():
    """A strict reader given theta itself loses the spikes whose potential is exactly theta, so ties do occur above."""
    network, x = exact_network("convnet", NeuronConfig())
    graph, _ = to_nir(network, ModelInfo())
    for name in ("neuron1", "neuron2", "neuron3"):
        graph.nodes[name].v_threshold = np.full(graph.output_shapes[name], 0.5, np.float32)
    spikes, expected = run(graph, x, TIMESTEPS).spikes["neuron1"], network.record(x)["neuron1"]
    assert not torch.equal(spikes, expected)


def random_network(name: str, seed: int = 0) -> tuple[SpikingNetwork, torch.Tensor]:
    """Weights, norms and inputs of any float value; the norms' statistics are the batch's, as after training."""
    shape, channels = NETWORKS[name]
    torch.manual_seed(seed)
    network = SpikingNetwork(build(name, shape, 10, channels), NeuronConfig(), TIMESTEPS)
    for layer in network.modules():
        if isinstance(layer, TDBatchNorm):
            layer.momentum = 1.0
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
    x = torch.randn(SAMPLES, *shape)
    with torch.no_grad():
        network.train()(x)
    return network.eval(), x


def first_divergence(graph: Graph, x: torch.Tensor, expected: dict[str, torch.Tensor]) -> list[tuple[str, float]]:
    """(population, |v - threshold|) of every neuron's first differing spike, in the first population that has any."""
    names = [name for name in graph.order if isinstance(graph.nodes[name], nir.IF)]
    result = run(graph, x, TIMESTEPS, currents=names)
    for name in names:
        if torch.equal(result.spikes[name], expected[name]):
            continue
        threshold = torch.from_numpy(graph.nodes[name].v_threshold).double()
        v = torch.zeros_like(result.currents[name][0], dtype=torch.float64)
        parted = torch.zeros_like(v, dtype=torch.bool)
        found = []
        for current, ours, theirs in zip(result.currents[name], result.spikes[name], expected[name], strict=True):
            v += current
            new = (ours != theirs) & ~parted
            found += [(name, distance) for distance in (v - threshold).abs()[new].tolist()]
            parted |= new
            v -= ours.double()
        return found
    return []


@pytest.mark.parametrize("name", NETWORKS)
def test_random_weights_part_only_at_the_threshold(name):
    network, x = random_network(name)
    expected = network.record(x)
    expected.pop(network.architecture.readout)
    assert_lively(expected)
    graph, _ = to_nir(network, ModelInfo())
    divergence = first_divergence(graph, x, expected)
    print(f"{name}: {len(divergence)} neurons part first in {divergence[:1]}")
    assert all(distance < 1e-5 for _, distance in divergence)
    assert len(divergence) <= 3


def test_first_divergence_finds_a_wrong_weight():
    network, x = random_network("convnet")
    expected = network.record(x)
    graph, _ = to_nir(network, ModelInfo())
    graph.nodes["conv2"].bias[:] += 0.01
    divergence = first_divergence(graph, x, expected)
    assert divergence
    assert divergence[0][0] == "neuron2"
    assert max(distance for _, distance in divergence) > 1e-3


# --- foreign graphs, against loops ---


def graph_of(*nodes: nir.NIRNode, dt: float = 1.0, edges: list[tuple[str, str]] | None = None) -> Graph:
    """A chain n0 -> n1 -> ... with an Input before and an Output behind it."""
    named = {"input": nir.Input(np.array(nodes[0].input_type["input"]))} if not edges else {}
    named |= {f"n{i}": node for i, node in enumerate(nodes)}
    if not edges:
        named["output"] = nir.Output(None)
        edges = list(zip(list(named), list(named)[1:], strict=False))
    graph = object.__new__(nir.NIRGraph)
    graph.nodes, graph.edges, graph.metadata = named, edges, {METADATA_KEY: ModelInfo(dt=dt).to_json()}
    return validate(graph, "test.nir")


def step_by_step(node: nir.NIRNode, current: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """One neuron at a time, one step at a time: spikes and potentials [T, B, N]."""
    kind, value = reset_of(node) if isinstance(node, nir.IF | nir.LIF) else (None, None)
    spikes, potentials = np.zeros(current.shape, bool), np.zeros(current.shape)
    for b in range(current.shape[1]):
        for i in range(current.shape[2]):
            v = 0.0
            for t in range(current.shape[0]):
                drive = float(node.r[i]) * current[t, b, i]
                if isinstance(node, nir.LIF | nir.LI):
                    v += dt / float(node.tau[i]) * (float(node.v_leak[i]) - v + drive)
                else:
                    v += dt * drive
                potentials[t, b, i] = v
                if kind and v > node.v_threshold[i]:
                    spikes[t, b, i] = True
                    v = v - float(np.broadcast_to(value, 3)[i]) if kind == "subtract" else float(node.v_reset[i])
    return spikes, potentials


three = st.lists(st.integers(-16, 16), min_size=3, max_size=3).map(lambda v: np.array(v) / 8)


@settings(max_examples=60)
@given(
    kind=st.sampled_from([nir.IF, nir.LIF, nir.I, nir.LI]),
    values=st.fixed_dictionaries({"v_leak": three, "v_threshold": three, "v_reset": three, "reset_value": three}),
    gain=st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0]), min_size=3, max_size=3),
    tau=st.lists(st.sampled_from([1.0, 2.0, 4.0]), min_size=3, max_size=3),
    soft=st.booleans(),
    dt=st.sampled_from([0.5, 1.0]),
    static=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_neurons_are_nirs_equations(kind, values, gain, tau, soft, dt, static, seed):
    arrays = {"r": np.array(gain), "tau": np.array(tau), **values}
    fields = {"r", "tau", "v_leak", "v_threshold", "v_reset"} & set(kind.__dataclass_fields__)
    metadata = {"reset": "subtract", "reset_value": values["reset_value"]} if soft else {}
    node = kind(**{field: arrays[field] for field in fields}, metadata=metadata)
    rng = np.random.default_rng(seed)
    x = rng.integers(-16, 17, (1 if static else 5, 2, 3)) / 8
    graph = graph_of(node, dt=dt)
    result = run(graph, x[0] if static else x, 5, dtype=torch.float64)
    spikes, potentials = step_by_step(graph.nodes["n0"], np.broadcast_to(x, (5, 2, 3)), dt)
    if kind in (nir.IF, nir.LIF):
        assert np.array_equal(result.spikes["n0"], spikes)
        assert np.array_equal(result.outputs["output"], spikes)
        assert np.allclose(result.logits["output"], spikes.mean(0))
    else:
        assert np.array_equal(result.potentials["n0"], potentials)
        assert np.allclose(result.logits["output"], potentials[-1] / 5)


@st.composite
def convolutions(draw):
    groups, kernel = draw(st.integers(1, 2)), draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    channels = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    padding = draw(st.one_of(st.sampled_from(["same", "valid"]), st.tuples(st.integers(0, 2), st.integers(0, 2))))
    stride = (1, 1) if padding == "same" else draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    size = draw(st.tuples(st.integers(5, 7), st.integers(5, 7)))
    return channels, groups, kernel, padding, stride, dilation, size, draw(st.integers(0, 1000))


@settings(max_examples=60)
@given(convolutions())
def test_convolution_is_a_sum_over_windows(drawn):
    (inputs, outputs), groups, kernel, padding, stride, dilation, size, seed = drawn
    rng = np.random.default_rng(seed)
    weight, bias = rng.integers(-4, 5, (outputs, inputs // groups, *kernel)), rng.integers(-4, 5, outputs)
    x = rng.integers(-4, 5, (2, inputs, *size))
    node = object.__new__(nir.Conv2d)
    node.input_shape, node.weight, node.bias, node.stride = None, weight, bias, stride
    node.padding, node.dilation, node.groups, node.metadata = padding, dilation, groups, {}
    node.input_type = {"input": np.array([inputs, *size])}
    graph = graph_of(node)
    extra = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
    pads = [(e // 2, e - e // 2) for e in extra] if isinstance(padding, str) else [(p, p) for p in padding]
    padded = np.pad(x, [(0, 0), (0, 0), *pads])
    shape = graph.output_shapes["n0"]
    expected = np.zeros((2, *shape))
    for _, o, i, j in np.ndindex(1, *shape):
        first = o // (outputs // groups) * (inputs // groups)
        rows, columns = (
            i * stride[0] + dilation[0] * np.arange(kernel[0]),
            j * stride[1] + dilation[1] * np.arange(kernel[1]),
        )
        window = padded[:, first : first + inputs // groups][:, :, rows][:, :, :, columns]
        expected[:, o, i, j] = (window * weight[o]).sum((1, 2, 3)) + bias[o]
    assert np.array_equal(run(graph, x, 2).outputs["output"], np.stack([expected] * 2))


@settings(max_examples=40)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    seed=st.integers(0, 1000),
)
def test_pools_count_their_padding(kernel, stride, padding, seed):
    x = np.random.default_rng(seed).integers(-4, 5, (1, 2, 5, 4))
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    for kind in (nir.SumPool2d, nir.AvgPool2d):
        node = kind(np.array(kernel), np.array(stride), np.array(padding))
        node.input_type = {"input": np.array([2, 5, 4])}
        graph = graph_of(node)
        _, height, width = graph.output_shapes["n0"]
        result = run(graph, x, 1, dtype=torch.float64).outputs["output"][0]
        assert result.shape == (1, 2, height, width)
        for i, j in np.ndindex(height, width):
            top, left = i * stride[0], j * stride[1]
            total = padded[:, :, top : top + kernel[0], left : left + kernel[1]].sum((2, 3))
            expected = total / math.prod(kernel) if kind is nir.AvgPool2d else total
            assert np.allclose(result[:, :, i, j], expected, atol=1e-12)


def test_every_other_primitive_in_one_chain():
    rng = np.random.default_rng(0)
    kernel, scale = rng.integers(-3, 4, (2, 1, 3)), rng.integers(-3, 4, (2, 4))
    matrix = rng.integers(-3, 4, (3, 8))
    x = rng.integers(-3, 4, (5, 1, 6))
    graph = graph_of(
        nir.Conv1d(6, kernel, 1, 0, 1, 1, np.array([1, -1])),
        nir.Scale(scale),
        nir.Flatten({"input": np.array([2, 4])}, 0, -1),
        nir.Linear(matrix),
        nir.Threshold(np.array([0, 1, -2])),
        nir.Affine(np.eye(3), np.array([1.0, 2.0, 3.0])),
    )
    convolved = np.stack([np.stack([np.correlate(image[0], k[0]) for k in kernel]) for image in x])
    summed = ((convolved + np.array([[1], [-1]])) * scale).reshape(5, 8) @ matrix.T
    expected = (summed > np.array([0, 1, -2])) + np.array([1.0, 2.0, 3.0])
    assert np.array_equal(run(graph, x, 3).outputs["output"], np.stack([expected] * 3))


def test_edges_into_one_node_are_summed_and_inputs_are_kept():
    edges = [("n0", "n2"), ("n1", "n2"), ("n2", "n3"), ("n0", "n3"), ("n3", "n4"), ("n2", "n5")]
    graph = graph_of(
        nir.Input(np.array([2])),
        nir.Input(np.array([2])),
        nir.IF(np.ones(2), np.full(2, 0.5)),
        nir.I(np.ones(2)),
        nir.Output(np.array([2])),
        nir.Output(np.array([2])),
        edges=edges,
    )
    still, moving = torch.tensor([[1.0, 0.0]]), torch.tensor([[[0.0, 0.0]], [[-2.0, 1.0]]])
    result = run(graph, {"n0": still, "n1": moving}, 2, keep=[], currents=["n2"], keep_inputs=["n3", "n0"])
    assert result.spikes == {}
    assert result.currents["n2"].tolist() == [[[1.0, 0.0]], [[-1.0, 1.0]]]
    assert result.outputs["n5"].tolist() == [[[1.0, 0.0]], [[0.0, 1.0]]]
    assert result.inputs["n3"].tolist() == [[[2.0, 0.0]], [[1.0, 1.0]]]
    assert result.inputs["n0"].tolist() == [[[1.0, 0.0]]] * 2
    assert result.potentials["n3"].tolist() == [[[2.0, 0.0]], [[3.0, 1.0]]]
    assert result.logits["n4"].tolist() == [[1.5, 0.5]]
    assert result.logits["n5"].tolist() == [[0.5, 0.5]]
    assert run(graph, {"n0": still, "n1": moving}, 2, keep=["n2"]).spikes["n2"].dtype == torch.bool
    with pytest.raises(InputError, match=r"test\.nir: has the inputs n0, n1"):
        run(graph, still, 2)
    with pytest.raises(InputError, match=r"test\.nir: no values for its input 'n1'"):
        run(graph, {"n0": still}, 2)


def test_run_refuses_what_it_cannot_do():
    graph = graph_of(nir.IF(np.ones(3), np.ones(3)))
    x = np.zeros((2, 3), np.float32)
    for values, timesteps, options, message in [
        (np.zeros((2, 4)), 4, {}, r"test\.nir: input 'input' takes \(batch, 3\).*\(2, 4\)"),
        (np.zeros((5, 2, 3)), 4, {}, r"'input' has 5 steps, but 4"),
        (x, 0, {}, "timesteps is 0"),
        (x, 4, {"keep": ["n7"]}, "no node 'n7'"),
        (x, 4, {"currents": ["n8"]}, "no node 'n8'"),
    ]:
        with pytest.raises(InputError, match=message):
            run(graph, values, timesteps, **options)


def test_a_time_constant_shorter_than_the_step_is_refused():
    """A file in seconds (tau = 0.02) run at one step per unit: Euler's rule would overshoot."""
    one = np.ones(2)
    nodes = {
        "input": nir.Input(np.array([2])),
        "lif": nir.LIF(tau=one * 0.02, r=one, v_leak=one * 0, v_threshold=one, v_reset=one * 0),
        "output": nir.Output(np.array([2])),
    }
    graph = validate(nir.NIRGraph(nodes, [("input", "lif"), ("lif", "output")], type_check=False), "seconds.nir")
    with pytest.raises(
        InputError, match=r"seconds\.nir: node 'lif' \(LIF\): tau is 0\.02, shorter than the step dt = 1"
    ):
        run(graph, np.ones((1, 2), np.float32), 4)
