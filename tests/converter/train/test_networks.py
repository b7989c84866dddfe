"""The network families: their shapes, their published sizes, and the multi-step forward against a loop over steps."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from inflor.converter.errors import InputError
from inflor.converter.train.architecture import Architecture, SpikingNetwork
from inflor.converter.train.layer import Layer
from inflor.converter.train.networks import NETWORKS, build
from inflor.converter.train.neurons import NeuronConfig

RESNETS = ("resnet8", "resnet18", "resnet19", "resnet20", "resnet34")
CONVOLUTIONAL = ("convnet", *RESNETS, "vgg11", "vgg16")


def make(name="convnet", shape=(1, 8, 8), classes=10, channels=4, timesteps=3, **neuron):
    torch.manual_seed(0)
    network = SpikingNetwork(build(name, shape, classes, channels), NeuronConfig.preset("srif", **neuron), timesteps)
    for layer in network.layers.values():
        if hasattr(layer, "running_var"):  # untrained statistics would silence the deeper layers
            nn.init.constant_(layer.running_var, 0.05)
    return network.eval()


def step_by_step(network: SpikingNetwork, x: torch.Tensor) -> dict[str, list[torch.Tensor]]:
    """Every layer of every step by the design's equations, one step after the other, each with its own state."""
    potentials: dict[str, torch.Tensor] = {}
    outputs: dict[str, list[torch.Tensor]] = {}
    for _ in range(network.timesteps):
        values = {"input": x}
        for layer in network.architecture.layers:
            module = network.layers[layer.name]
            current = sum(values[source] for source in layer.inputs)
            if layer.op == "neuron":
                h = potentials.get(layer.name, 0) + current
                values[layer.name] = (h >= 0.5).to(x.dtype)
                potentials[layer.name] = h - values[layer.name]
            elif layer.op == "readout":
                potentials[layer.name] = values[layer.name] = potentials.get(layer.name, 0) + current
            elif layer.op == "norm":
                shape = (1, -1, *[1] * (current.dim() - 2))
                gain = module.weight * layer.options["alpha"] * 0.5 / (module.running_var + module.eps).sqrt()
                mean, bias = module.running_mean.reshape(shape), module.bias.reshape(shape)
                values[layer.name] = gain.reshape(shape) * (current - mean) + bias
            else:
                values[layer.name] = module(current)
            outputs.setdefault(layer.name, []).append(values[layer.name])
    return outputs


@pytest.mark.parametrize("name", NETWORKS)
def test_all_steps_at_once_are_the_steps_one_by_one(name):
    # In float64, where the order of a convolution's sums does not decide a spike.
    size = 32 if name.startswith("vgg") else 16
    network = make(name, (3, size, size)).double()
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        expected, logits, record = step_by_step(network, x), network(x), network.record(x)
    assert set(record) == {n.name for n in network.architecture.layers if n.op in ("neuron", "readout")}
    for layer, got in record.items():
        theirs = torch.stack(expected[layer])
        if layer == "readout":
            torch.testing.assert_close(got, theirs)
            torch.testing.assert_close(logits, theirs[-1] / 3)
        else:
            assert got.dtype == torch.bool
            assert torch.equal(got.double(), theirs), layer
            assert 0 < theirs.mean() < 1


@pytest.mark.parametrize("name", NETWORKS)
def test_a_static_image_is_the_same_image_at_every_step(name):
    network = make(name, (3, 32, 32)).double()
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(x), network(x.expand(3, 2, 3, 32, 32)))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_gets_a_gradient(name):
    network = make(name, (3, 32, 32)).train()
    network(torch.randn(2, 3, 32, 32)).square().sum().backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all()


def weight_layers(architecture: Architecture) -> int:
    """Convolutions and fully connected layers, shortcuts aside: the number in a network's name."""
    return sum(n.op in ("conv", "linear") and "shortcut" not in n.name for n in architecture.layers)


@pytest.mark.parametrize("name", [*RESNETS, "vgg11"])
def test_the_number_in_a_name_is_the_number_of_weight_layers(name):
    expected = int("".join(filter(str.isdigit, name)))
    # One fully connected layer in place of the three of VGG, as usual for small images.
    assert weight_layers(build(name, (3, 32, 32), 10)) == expected - 2 * name.startswith("vgg")


def test_resnet18_and_34_have_the_published_number_of_weights():
    # torchvision's resnet18 and resnet34 have 11,689,512 and 21,797,672 parameters with 1000 classes.
    for name, expected in (("resnet18", 11_689_512), ("resnet34", 21_797_672)):
        with torch.device("meta"):
            network = SpikingNetwork(build(name, (3, 224, 224), 1000), NeuronConfig(), 1)
        assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_resnet19_has_the_widths_and_sizes_of_the_paper():
    shapes = build("resnet19", (3, 32, 32), 10).shapes()
    assert shapes["neuron1_3_2"] == (128, 32, 32)
    assert shapes["neuron2_3_2"] == (256, 16, 16)
    assert shapes["neuron3_2_2"] == (512, 8, 8)
    assert shapes["neuron_hidden"] == (256,)
    assert shapes["readout"] == (10,)


def test_resnet20_has_the_widths_and_sizes_of_the_experiments():
    architecture = build("resnet20", (3, 32, 32), 10)
    shapes = architecture.shapes()
    sizes = [shapes[f"neuron{stage}_2_2"] for stage in (1, 2, 3, 4)]
    assert sizes == [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]
    pools = [layer.name for layer in architecture.layers if layer.op == "avgpool"]
    assert pools == ["pool", "pool2_1", "pool3_1", "pool4_1", "global_pool"]


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_large_images_get_the_large_stem(name):
    large, small = build(name, (3, 224, 224), 1000), build(name, (3, 32, 32), 10)
    assert large.layers[0].options["kernel"] == (7, 7)
    assert large.shapes()["pool"] == (64, 56, 56)
    assert large.shapes()["neuron4_2_2"] == (512, 7, 7)
    assert small.layers[0].options["kernel"] == (3, 3)
    assert small.shapes()["neuron4_2_2"] == (512, 4, 4)


@pytest.mark.parametrize("name", RESNETS)
def test_branches_that_meet_have_alpha(name):
    layers = {layer.name: layer for layer in build(name, (3, 32, 32), 10, 4).layers}
    adds = [layer for layer in layers.values() if len(layer.inputs) == 2]
    assert adds
    meeting = {source for layer in adds for source in layer.inputs}
    for layer in layers.values():
        if layer.op == "norm":  # an identity shortcut is an edge from spikes, which have none
            assert layer.options["alpha"] == (pytest.approx(1 / math.sqrt(2)) if layer.name in meeting else 1.0)


@given(st.sampled_from(CONVOLUTIONAL), st.integers(1, 3), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=25)
def test_the_shapes_are_those_that_torch_makes_or_the_error_names_a_layer(name, channels, height, width):
    if min(height, width) < {"vgg11": 32, "vgg16": 32, "convnet": 7, "resnet20": 2}.get(name, 1):
        with pytest.raises(InputError, match=r"layer pool\d?: .* shape \(\d+, \d+, \d+\) would be empty"):
            build(name, (channels, height, width), 3, 2)
        return
    architecture = build(name, (channels, height, width), 3, 2)
    network = SpikingNetwork(architecture, NeuronConfig(), 1).eval()
    values = {"input": torch.zeros(1, 1, channels, height, width)}
    shapes = architecture.shapes()
    with torch.no_grad():
        for layer, value in network._evaluate(values["input"]):
            assert tuple(value.shape[2:]) == shapes[layer]


def test_an_empty_layer_names_the_layer_and_the_shape():
    with pytest.raises(InputError, match=r"layer pool4: .*\(16, 1, 1\).*empty"):
        build("vgg11", (1, 8, 8), 10, 2)


def test_mlp_takes_images_and_vectors():
    assert build("mlp", (1, 8, 8), 10).shapes()["fc1"] == (128,)
    assert build("mlp", (5,), 2, 7).layers[0].op == "linear"


def test_networks_can_be_copied():
    network = make()
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(copy.deepcopy(network)(x), network(x))


def test_the_readout_alone_needs_no_neuron():
    layers = (Layer("fc", "linear", ("input",), {"out_features": 2}), Layer("readout", "readout", ("fc",)))
    network = SpikingNetwork(Architecture("linear", (3,), 2, layers), NeuronConfig(), 4)
    x = torch.randn(5, 3)
    assert network.record(x)["readout"].shape == (4, 5, 2)
    torch.testing.assert_close(network(x), network.layers["fc"](x))


def test_wrong_inputs_and_options_are_refused():
    network = make()
    with pytest.raises(InputError, match=r"\(2, 1, 9, 8\)"):
        network(torch.zeros(2, 1, 9, 8))
    with pytest.raises(InputError, match="2 timesteps"):
        network(torch.zeros(2, 5, 1, 8, 8))
    with pytest.raises(InputError, match="unknown network"):
        build("alexnet", (1, 8, 8), 10)
    with pytest.raises(InputError, match="channels"):
        build("convnet", (1, 8, 8), 10, 0)
    with pytest.raises(InputError, match="input shape"):
        build("convnet", (8, 8), 10)
    with pytest.raises(InputError, match="classes"):
        build("convnet", (1, 8, 8), 0)
    for timesteps in (0, -1, 2.0, True):
        with pytest.raises(InputError, match="timesteps"):
            SpikingNetwork(network.architecture, NeuronConfig(), timesteps)


FC = Layer("fc", "linear", ("input",), {"out_features": 2})


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([FC], "must be a readout"),
        ([Layer("readout", "readout", ("input",)), Layer("more", "readout", ("readout",))], "must be a readout"),
        ([FC, FC, Layer("readout", "readout", ("fc",))], "twice"),
        ([Layer("fc", "linear", ("later",), {"out_features": 2}), Layer("readout", "readout", ("fc",))], "later"),
        ([FC, Layer("side", "linear", ("input",), {"out_features": 2}), Layer("readout", "readout", ("fc",))], "side"),
        ([Layer("norm", "norm", ("input",)), Layer("readout", "readout", ("norm",))], "norm follows"),
        ([FC, Layer("norm", "norm", ("fc",)), Layer("readout", "readout", ("norm", "fc"))], "norm follows"),
        ([Layer("readout", "readout", ("input",))], "2 classes"),
        ([FC, Layer("readout", "readout", ("fc", "input"))], "different shapes"),
        (
            [Layer("keys", "linear", ("input",), {"out_features": 2}), Layer("readout", "readout", ("keys",))],
            "reserves",
        ),
    ],
)
def test_a_badly_wired_network_is_refused(layers, message):
    with pytest.raises(InputError, match=message):
        Architecture("bad", (3,), 2, tuple(layers))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Conv", "flatten", ("input",)), "lower case"),
        (("input", "flatten", ("input",)), "lower case"),
        (("a", "maxpool", ("input",)), "unknown kind"),
        (("a", "flatten", ()), "takes one input"),
        (("a", "flatten", ("x", "y")), "takes one input"),
        (("a", "conv", ("x",), {"kernel": 3}), "needs the option 'out_channels'"),
        (("a", "conv", ("x",), {"kernel": 3, "out_channels": 2, "dilated": 1}), "no option 'dilated'"),
        (("a", "conv", ("x",), {"kernel": 0, "out_channels": 2}), "kernel cannot be 0"),
        (("a", "conv", ("x",), {"kernel": (3, 3, 3), "out_channels": 2}), "kernel"),
        (("a", "conv", ("x",), {"kernel": 3, "out_channels": 2, "padding": -1}), "padding"),
        (("a", "linear", ("x",), {"out_features": 2**40}), "out_features"),
        (("a", "linear", ("x",), {"out_features": 2, "bias": 1}), "bias"),
        (("a", "norm", ("x",), {"alpha": 0.0}), "alpha"),
    ],
)
def test_a_wrong_layer_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Layer(*arguments)


def test_groups_must_divide_the_channels():
    layer = Layer("a", "conv", ("input",), {"kernel": 1, "out_channels": 4, "groups": 2})
    assert layer.output_shape((2, 5, 5)) == (4, 5, 5)
    with pytest.raises(InputError, match="layer a: 2 groups"):
        layer.output_shape((3, 5, 5))
