from __future__ import annotations

import nir
import numpy as np
import pytest
import torch

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.train.architecture import Architecture, SpikingNetwork
from inflor.converter.train.export import strict_threshold, to_nir
from inflor.converter.train.layer import Layer
from inflor.converter.train.networks import NETWORKS, build
from inflor.converter.train.neurons import NeuronConfig, mpr


def network(name="resnet8", kind="srif", **overrides) -> SpikingNetwork:
    torch.manual_seed(0)
    return SpikingNetwork(build(name, (3, 16, 16), 10, 4), NeuronConfig.preset(kind, **overrides), 6).eval()


def test_nodes_edges_and_names_of_a_residual_network():
    graph, _ = to_nir(network(), ModelInfo())
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert kinds["input"] == "Input"
    assert kinds["output"] == "Output"
    assert kinds["conv1"] == "Conv2d"
    assert kinds["neuron1"] == "IF"
    assert kinds["fc"] == "Affine"
    assert kinds["readout"] == "I"
    assert kinds["global_pool"] == "AvgPool2d"
    assert kinds["flatten"] == "Flatten"
    assert not any("norm" in name for name in graph.nodes)
    # An identity is an edge from spikes to neuron, a changed shape a 1x1 convolution.
    assert graph.predecessors("neuron1_1_2") == ["conv1_1_2", "neuron1"]
    assert graph.predecessors("neuron2_1_2") == ["conv2_1_2", "conv2_1_shortcut"]
    assert graph.predecessors("conv2_1_shortcut") == ["neuron1_1_2"]
    assert graph.successors("readout") == ["output"]
    assert list(graph.order) == [name for name in graph.nodes if name in graph.order]


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_are_the_architectures(name):
    net = SpikingNetwork(build(name, (3, 32, 32), 10, 4), NeuronConfig(), 6)
    graph, _ = to_nir(net, ModelInfo())
    expected = net.architecture.shapes()
    for node, shape in graph.output_shapes.items():
        assert shape == expected["readout" if node == "output" else node]


def test_soft_reset_is_in_the_metadata():
    graph, notes = to_nir(network(reset_value=0.75), ModelInfo())
    node = graph.nodes["neuron1"]
    assert node.metadata == {"reset": "subtract", "reset_value": 0.75, "threshold": 0.5}
    assert node.v_reset.shape == node.r.shape == (4, 16, 16)
    assert (node.v_reset == 0).all()
    assert (node.r == 1).all()
    assert any("Soft reset: a spike takes 0.75" in note and "other spikes" in note for note in notes)
    assert any("rectifier is dropped" in note for note in notes)


def test_hard_reset_is_nirs_own():
    graph, notes = to_nir(network(kind="if", v_reset=-0.25, threshold=0.75), ModelInfo())
    node = graph.nodes["neuron1"]
    assert node.metadata == {"threshold": 0.75}
    assert (node.v_reset == np.float32(-0.25)).all()
    assert (node.v_threshold == np.nextafter(np.float32(0.75), np.float32(0))).all()
    assert not any("Soft reset" in note or "rectifier" in note for note in notes)


def test_lif_leaks_to_its_reset():
    graph, _ = to_nir(network(kind="lif", v_reset=0.125, tau=4.0), ModelInfo())
    node = graph.nodes["neuron1"]
    assert isinstance(node, nir.LIF)
    assert {float(getattr(node, field).max()) for field in ("v_leak", "v_reset")} == {0.125}
    assert (node.tau == 4).all()
    assert (node.r == 1).all()


@pytest.mark.parametrize("theta", [0.5, 0.1, 0.7, 1.0, 3.3])
def test_strictly_above_the_written_threshold_is_at_least_theta(theta):
    """Over the float32 neighbours of theta, as torch compares them, with and without a long tail of the vector."""
    bits = np.float32(theta).view(np.int32) + np.arange(-1000, 1001, dtype=np.int32)
    v = torch.from_numpy(bits.view(np.float32).copy())
    written = strict_threshold(theta)
    assert torch.equal(v > float(written), v >= theta)
    assert (v >= theta).sum() == 1001
    if theta == 0.5:
        assert torch.equal(v > float(written), mpr(v) >= theta)


def test_info_tells_time_and_architecture():
    info = ModelInfo(timesteps=2, dt=0.5, class_names=("a",), input_mean=(0.1, 0.2, 0.3), provenance={"made_from": "m"})
    graph, _ = to_nir(network(), info)
    assert (graph.info.timesteps, graph.info.dt, graph.info.stage) == (6, 1.0, "float")
    assert graph.info.architecture == "resnet8"
    assert graph.info.class_names == ("a",)
    assert graph.info.input_mean == (0.1, 0.2, 0.3)
    assert graph.info.provenance == {"made_from": "m"}


def test_later_training_does_not_change_the_graph():
    net = network("mlp")
    graph, _ = to_nir(net, ModelInfo())
    before = {name: graph.nodes[name].weight.copy() for name in ("fc1", "fc")}
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1)
    assert all(np.array_equal(graph.nodes[name].weight, weight) for name, weight in before.items())


def test_layers_without_norm_or_bias():
    nodes = (
        Layer("conv", "conv", ("input",), {"out_channels": 2, "kernel": (3, 2), "dilation": 2, "groups": 2}),
        Layer("spikes", "neuron", ("conv",)),
        Layer("pool", "avgpool", ("spikes",), {"kernel": 2, "padding": 1}),
        Layer("flat", "flatten", ("pool",)),
        Layer("out", "linear", ("flat",), {"out_features": 3}),
        Layer("sum", "readout", ("out",)),
    )
    net = SpikingNetwork(Architecture("bare", (2, 8, 8), 3, nodes), NeuronConfig(), 2)
    graph, notes = to_nir(net, ModelInfo())
    assert (graph.nodes["conv"].bias == 0).all()
    assert graph.nodes["conv"].groups == 2
    assert isinstance(graph.nodes["out"], nir.Linear)
    assert any("Padded average pools" in note for note in notes)
    assert not any("folded" in note for note in notes)


def test_weights_that_are_not_finite_are_refused():
    net = network("convnet")
    with torch.no_grad():
        net.layers["fc"].weight[0, 0] = float("nan")
    with pytest.raises(InputError, match=r"convnet: node 'fc' \(Affine\): field 'weight' holds .* not finite"):
        to_nir(net, ModelInfo())
    net = network("convnet")
    net.layers["norm2"].running_var[1] = -1.0
    with pytest.raises(InputError, match=r"convnet: node 'conv2': the normalization has a variance of -1\.0"):
        to_nir(net, ModelInfo())


def test_a_node_called_output_is_refused():
    nodes = (Layer("fc", "linear", ("input",), {"out_features": 3}), Layer("output", "readout", ("fc",)))
    with pytest.raises(InputError, match="node 'output'"):
        to_nir(SpikingNetwork(Architecture("x", (4,), 3, nodes), NeuronConfig(), 2), ModelInfo())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_stock_reader_opens_every_network(name, tmp_path):
    net = SpikingNetwork(build(name, (3, 32, 32), 10, 4), NeuronConfig(), 6)
    graph, _ = to_nir(net, ModelInfo())
    nir_file.write(tmp_path / "model.nir", graph.nodes, graph.edges, graph.info)
    peer = nir.read(tmp_path / "model.nir")  # checks types along every edge
    assert list(peer.nodes) == list(graph.nodes)
    assert peer.edges == list(graph.edges)
    for node, ours in graph.nodes.items():
        theirs = peer.nodes[node]
        assert type(theirs) is type(ours)
        assert tuple(theirs.output_type["output"]) == graph.output_shapes[node]
        for field in ("weight", "bias", "v_threshold", "r", "v_reset"):
            if hasattr(ours, field):
                assert np.array_equal(getattr(theirs, field), getattr(ours, field))
    assert peer.nodes["neuron1" if "neuron1" in peer.nodes else "neuron1_1"].metadata["reset"] == "subtract"
