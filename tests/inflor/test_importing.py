"""inflor import and inflor.from_torch: a torch module in a file, its weights, the comparison and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import invoke, run_process
from torch import nn
from torch_modules import Over, lively, neuron

import inflor
from inflor.api import importing
from inflor.api.module_file import load_module
from inflor.converter.modules import compare as comparing
from inflor.converter.nir import file as nir_file

NET = '''
"""A network of somebody's."""
import torch
from torch import nn
from inflor.converter.train.neurons import NeuronConfig, SpikingNeuron

print("said by the file")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.n = nn.Linear(64, 10), SpikingNeuron(NeuronConfig.preset("srif"))

    def forward(self, x):
        print("said by forward")
        return self.n(self.a(x.flatten(1)).expand(5, -1, -1)).mean(0)


def make():
    torch.manual_seed(3)
    return Net()


ready = make()
number = 3


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        raise ValueError("no GPU\\nhere")
'''


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(NET)
    return path


def arguments(net: Path, name: str = "make") -> list[object]:
    return [f"{net}:{name}", "--example", "1,8,8", "--out", net.parent / "model.nir"]


@pytest.mark.parametrize("name", ["Net", "make", "ready"])
def test_an_instance_a_class_and_a_function(net, name):
    result = invoke("import", *arguments(net, name), "--dataset", "digits", "--samples", 20)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert "driven by the module's own spikes, on digits, test split:" in lines
    assert any(line.startswith("  n: equal, ") and line.endswith(" spikes in 5 steps x 20 samples") for line in lines)
    assert "predictions of the whole: 20 of 20 the same" in lines
    assert "said by" not in result.stdout
    graph = nir_file.read(net.parent / "model.nir")
    assert list(graph.nodes) == ["input", "flatten", "a", "n", "output"]
    assert (graph.info.timesteps, graph.info.dataset, graph.info.encoding) == (5, "digits", "direct")
    assert len(graph.info.class_names) == 10


def test_json_is_one_object(net):
    result = run_process("import", *arguments(net), "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["timesteps"] == 5
    assert found["comparison"]["equal"]
    assert found["comparison"]["populations"][0]["name"] == "n"
    assert "said by the file" in result.stderr


def test_what_is_imported_goes_through_the_other_commands(net):
    assert invoke("import", *arguments(net)).exit_code == 0
    model, integers = net.parent / "model.nir", net.parent / "model.int.nir"
    assert invoke("quantize", model, "--calibrate", "digits", "--samples", 64, "--out", integers).exit_code == 0
    checked = invoke("check", integers, "--targets", "cpu", "spinnaker", "--dataset", "digits", "--samples", 4)
    assert checked.exit_code == 0, checked.stderr


def test_weights(net, tmp_path):
    network = load_module(f"{net}:make")
    torch.manual_seed(9)
    nn.init.normal_(network.a.weight, 0.1, 0.3)
    torch.save(network.state_dict(), tmp_path / "plain.pt")
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, tmp_path / "in.pt"
    )
    for name in ("plain.pt", "in.pt"):
        found = load_module(f"{net}:make", tmp_path / name)
        assert torch.equal(found.a.weight, network.a.weight)
    assert invoke("import", *arguments(net), "--weights", tmp_path / "plain.pt").exit_code == 0
    graph = nir_file.read(tmp_path / "model.nir")
    assert np.array_equal(graph.nodes["a"].weight, network.a.weight.detach().numpy())


def test_weights_that_are_not_its_own(net, tmp_path):
    state = load_module(f"{net}:make").state_dict()
    wrong = {"a.weight": state["a.weight"][:, :60], "b.weight": state["a.weight"]}
    torch.save(wrong, tmp_path / "wrong.pt")
    result = invoke("import", *arguments(net), "--weights", tmp_path / "wrong.pt")
    assert result.exit_code == 2
    for part in (
        "lacks a.bias",
        "has b.weight, which the network has not",
        "a.weight is [10, 60], the network's [10, 64]",
    ):
        assert part in result.stderr
    torch.save(state["a.weight"], tmp_path / "tensor.pt")
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pt")
    for name, message in (("tensor.pt", "holds no state dict"), ("whole.pt", "torch.save(network.state_dict(), FILE)")):
        result = invoke("import", *arguments(net), "--weights", tmp_path / name)
        assert (result.exit_code, message in result.stderr) == (2, True), result.stderr
        assert "\x1b" not in result.stderr


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Broken", None, "net.py, line 32: ValueError: no GPU"),
        ("Nothing", None, "net.py: has no 'Nothing'; it has Net, ready, Broken"),
        ("number", None, "net.py: number is a int, not a torch module or what makes one"),
        ("make", "import nothing_there\n", "net.py, line 1: ModuleNotFoundError: No module named 'nothing_there'"),
        ("make", "x = 1\ndef f(:\n", "net.py, line 2: SyntaxError"),
        ("make", "import sys\nsys.exit('usage')\n", "net.py, line 2: SystemExit: usage"),
        ("make", "def make():\n    return 3\n", "net.py: make makes a int, not a torch module"),
    ],
)
def test_errors_of_the_file_are_one_message(net, name, text, message):
    if text is not None:
        net.write_text(text)
    result = invoke("import", *arguments(net, name))
    assert result.exit_code == 2
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in result.stderr


def test_where_it_is_and_is_not(net, tmp_path):
    for place in ("net.py", f"{tmp_path}/none.py:Net", f"{net}:a b"):
        result = invoke("import", place, "--example", "1,8,8", "--out", tmp_path / "o.nir")
        assert result.exit_code == 2, place
    same = invoke("import", f"{net}:make", "--example", "1,8,8", "--out", net)
    assert (same.exit_code, "is the input itself" in same.stderr) == (2, True)
    assert net.read_text() == NET


def test_help_says_that_the_file_is_executed():
    text = " ".join(invoke("import", "--help").stdout.split())
    assert "FILE.py is executed" in text
    assert "No other command executes a file" in text


def test_steps_and_shapes_that_do_not_fit(net):
    result = invoke("import", *arguments(net), "--timesteps", 4)
    assert (result.exit_code, "its loop has 5 steps, and --timesteps says 4" in result.stderr) == (2, True)
    result = invoke("import", f"{net}:make", "--example", "1,8,9", "--out", net.parent / "o.nir")
    assert (result.exit_code, f"{net.name}:17" in result.stderr) == (2, True), result.stderr


def test_a_difference_ends_in_exit_code_1(net, monkeypatch):
    def other(module, made, x, data):
        with torch.no_grad():
            module.a.bias[4] += 3
        return comparing.compare(module, made, x, data)

    monkeypatch.setattr(importing, "compare", other)
    result = invoke("import", *arguments(net), "--dataset", "digits")
    assert result.exit_code == 1
    assert "not written: what was made is not the module" in result.stdout
    assert not (net.parent / "o.nir").exists()
    assert "neurons DIFFER" in result.stdout
    assert "first: sample " in result.stdout
    assert "neuron 4: potential" in result.stdout


def test_from_torch_takes_arrays_tensors_and_data_sets(tmp_path):
    network = lively(Over(lambda net, x: net.n(net.a(x)), a=nn.Linear(12, 5), n=neuron()), mean=0.05)
    frames = np.random.default_rng(0).random((30, 6, 12), np.float32)
    out = tmp_path / "model.nir"
    imported = inflor.from_torch(network, (12,), 6, data=frames, samples=20, out=out, input_mean=[0.1], input_std=[0.5])
    assert imported.comparison.equal
    assert (imported.comparison.samples, imported.comparison.timesteps) == (20, 6)
    with torch.no_grad():
        spikes = network((torch.from_numpy(frames[:20]).transpose(0, 1) - 0.1) / 0.5)
    assert imported.comparison.populations[0].spikes == int(spikes.sum())
    assert nir_file.read(out).info.input_std == (0.5,)
    repeated = inflor.from_torch(network, torch.zeros(12), 6, data=torch.rand(8, 12))
    assert repeated.comparison.equal
    assert inflor.from_torch(network, [12], 6, seed=4).comparison.data == importing.RANDOM


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"example": (1, 0)}, "give one sample's shape"),
        ({"example": (12,), "time": "last"}, "`time` is 'last'"),
        ({"example": (12,), "samples": 0}, "compare at least 1"),
        ({"example": (12,), "data": np.zeros((4, 5, 12), np.float32)}, "over 6 steps, and those of the data are"),
        ({"example": (12,), "data": np.zeros((4, 13), np.float32)}, r"the network takes samples of \[12\]"),
    ],
)
def test_arguments_that_are_refused(arguments, message):
    network = lively(Over(lambda net, x: net.n(net.a(x)), a=nn.Linear(12, 5), n=neuron()))
    with pytest.raises(inflor.InputError, match=message):
        inflor.from_torch(network, timesteps=6, **arguments)


def test_something_else_than_a_module_is_refused():
    with pytest.raises(inflor.InputError, match=r"str is no torch\.nn\.Module"):
        inflor.from_torch("net.pt", (1, 8, 8), 4)  # type: ignore[arg-type]


def test_lazy_layers_are_asked_to_run_once(tmp_path):
    """They ended in a defect report."""
    path, out = tmp_path / "lazy.py", tmp_path / "o.nir"
    path.write_text(
        "from torch import nn\nfrom inflor.converter.train.neurons import NeuronConfig, SpikingNeuron\n"
        "net = nn.Sequential(nn.LazyLinear(4), SpikingNeuron(NeuronConfig.preset('srif')))\n"
    )
    weights = tmp_path / "w.pt"
    torch.save({"0.weight": torch.zeros(4, 6), "0.bias": torch.zeros(4)}, weights)
    for more in ((), ("--weights", weights)):
        result = invoke("import", f"{path}:net", "--example", "6", "--timesteps", 3, "--out", out, *more)
        assert result.exit_code == 2, result.stderr
        assert "0.weight has no shape yet" in result.stderr


def test_an_output_that_never_fires_predicts_nothing(tmp_path):
    network = lively(Over(lambda net, x: net.n(net.a(x)), a=nn.Linear(6, 3), n=neuron(threshold=1e6, mpr=False)))
    made = inflor.from_torch(network, (6,), 4, data=torch.rand(9, 4, 6))
    assert (made.comparison.undecided, made.comparison.equal) == (9, False)
    x, y = np.random.default_rng(0).random((9, 4, 6), np.float32), np.arange(9) % 3
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    for graph in (made.graph, inflor.quantize(made.graph, calibrate=tmp_path / "d.npz").network):
        notes = inflor.run(graph, dataset=tmp_path / "d.npz").run["notes"]
        assert any(
            note.startswith("population 'n' never fires, so that every prediction is the first class") for note in notes
        )


def test_what_quantize_would_refuse_is_said_on_importing(tmp_path: Path) -> None:
    """Two convolutions that pad, one behind the other, are no one convolution."""

    def forward(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return net.n(net.b(net.a(x.flatten(0, 1))).unflatten(0, x.shape[:2]))

    parts = {"a": nn.Conv2d(2, 3, 3, padding=1), "b": nn.Conv2d(3, 3, 3, padding=1), "n": neuron()}
    found = inflor.from_torch(lively(Over(forward, **parts), mean=0.0), (2, 6, 6), 4, out=tmp_path / "n.nir")
    assert found.comparison.equal
    (note,) = (note for note in found.notes if "will refuse" in note)
    assert "two weighted nodes without a neuron between them cannot be fused" in note
    x = np.zeros((1080, 4, 2, 6, 6), np.float32)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(1080) % 108)
    with pytest.raises(inflor.InputError, match="two weighted nodes without a neuron between them cannot be fused"):
        inflor.quantize(found.graph, calibrate=tmp_path / "x.npz")
