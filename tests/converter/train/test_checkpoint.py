"""model.pt: what is written is read back, and nothing hostile or damaged gets through, or runs."""

import copy
import io
import os
import pickle
import resource
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inflor.converter.errors import InputError
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.train.architecture import SpikingNetwork
from inflor.converter.train.checkpoint import load_checkpoint, load_model, save_model
from inflor.converter.train.networks import NETWORKS, build
from inflor.converter.train.neurons import NeuronConfig

INFO = ModelInfo(timesteps=3, input_mean=(0.25,), input_std=(0.5,), class_names=("a", "b"), dataset="digits")


def network(name="resnet8", shape=(1, 8, 8), neuron=NeuronConfig()):  # noqa: B008
    torch.manual_seed(0)
    return SpikingNetwork(build(name, shape, 2, 4), neuron, 3)


@pytest.fixture
def saved(tmp_path) -> Path:
    path = tmp_path / "model.pt"
    save_model(path, network(), INFO)
    return path


@pytest.fixture
def content(saved) -> dict:
    return torch.load(saved, weights_only=True)


def refused(path: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def rewritten(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_comes_back(tmp_path, name):
    before = network(name, (3, 32, 32), NeuronConfig.preset("lif", tau=3.0, surrogate="arctan"))
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before.train()(x)
    save_model(tmp_path / "model.pt", before, INFO)
    after, info = load_model(tmp_path / "model.pt")
    assert info == INFO
    assert after.architecture == before.architecture
    assert after.neuron == before.neuron
    assert not after.training
    assert all(parameter.requires_grad for parameter in after.parameters())
    with torch.no_grad():
        assert torch.equal(after(x), before.eval()(x))


def test_the_same_model_is_the_same_bytes(tmp_path):
    save_model(tmp_path / "one.pt", network(), INFO)
    save_model(tmp_path / "two.pt", network(), INFO)
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()


def test_a_checkpoint_is_a_model_with_more(tmp_path):
    training = {"epoch": 3, "rates": [0.1, 0.2]}
    save_model(tmp_path / "checkpoint.pt", network(), INFO, training=training)
    assert load_checkpoint(tmp_path / "checkpoint.pt")[2] == training
    assert load_model(tmp_path / "checkpoint.pt")[1] == INFO


def test_timesteps_must_agree(tmp_path):
    with pytest.raises(InputError, match="4 timesteps, the network runs 3"):
        save_model(tmp_path / "model.pt", network(), replace(INFO, timesteps=4))
    assert not (tmp_path / "model.pt").exists()


@pytest.mark.parametrize("mode", ["write to a missing disk", "write to a folder"])
def test_a_place_that_cannot_be_written(tmp_path, mode):
    path = Path("/proc/nowhere/model.pt") if "disk" in mode else tmp_path
    with pytest.raises(InputError, match=str(path)):
        save_model(path, network(), INFO)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_in_the_middle_leaves_the_old_file(saved):
    before = saved.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))  # the kernel's own "no more room"
    try:
        with pytest.raises(InputError, match=r"model\.pt: cannot be written \(File too large\)"):
            save_model(saved, network(), replace(INFO, dataset="another"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


class Payload:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (os.system, (f"touch {self.target}",))


def test_a_pickle_payload_never_runs(tmp_path, content):
    target = tmp_path / "executed"
    hostile = [
        ("bare.pt", pickle.dumps(Payload(target))),
        ("legacy.pt", legacy(content | {"config": Payload(target)})),
        ("inside.pt", archive(content | {"config": Payload(target)})),
        ("weights.pt", archive(content | {"state_dict": {"layers.conv1.weight": Payload(target)}})),
    ]
    for name, data in hostile:
        path = tmp_path / name
        path.write_bytes(data)
        refused(path, "damaged or holds more|no torch archive")
    assert not target.exists()
    pickle.loads(hostile[0][1])
    assert target.exists()  # the payload is a real one


def legacy(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def archive(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_damaged_files(tmp_path, saved):
    data = saved.read_bytes()
    cases = {
        "empty.pt": (b"", "is empty"),
        "text.pt": (b"epoch 1 loss 0.3\n", "no torch archive"),
        "half.pt": (data[: len(data) // 2], "no torch archive"),
        "short.pt": (data[:-1], "no torch archive|damaged"),
        "other.zip": (zipped({"readme.txt": b"hello"}), "damaged"),
    }
    for name, (damaged, match) in cases.items():
        path = tmp_path / name
        path.write_bytes(damaged)
        refused(path, match)
    refused(tmp_path / "missing.pt", "No such file")
    refused(tmp_path, "is a folder; name a .pt file")


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return buffer.getvalue()


def test_compressed_entries_are_refused(tmp_path, saved):
    with zipfile.ZipFile(saved) as stored:
        members = {name: stored.read(name) for name in stored.namelist()}
    path = tmp_path / "bomb.pt"
    path.write_bytes(zipped(members, zipfile.ZIP_DEFLATED))
    refused(path, "compressed")


def test_every_flipped_byte_is_refused_or_harmless(tmp_path, saved):
    data = saved.read_bytes()
    path = tmp_path / "flipped.pt"
    for position in range(7, len(data), len(data) // 30):
        flipped = bytearray(data)
        flipped[position] ^= 0xFF
        path.write_bytes(flipped)
        try:
            load_model(path)
        except InputError as error:
            message = str(error)
            assert str(path) in message


def change(content: dict, *keys: object, value: object) -> dict:
    changed = copy.deepcopy(content)
    inner = changed
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return changed


STATE = ("state_dict", "layers.conv1.weight")
NODE = ("config", "architecture", "nodes", 0)


@pytest.mark.parametrize(
    ("keys", "value", "match"),
    [
        (("format",), "other-model", "format 'other-model'"),
        (("schema",), 2, "schema 2"),
        (("more",), 1, "unknown entry 'more'"),
        (("training",), [1], "training part"),
        (("config",), [1], "config: is not a dictionary"),
        (("config", "more"), 1, "unknown entry 'more'"),
        (("config", "info"), {}, "schema"),
        (("config", "info", "timesteps"), 0, "timesteps"),
        (("config", "info", "timesteps"), "3", "timesteps"),
        (("config", "neuron", "threshold"), float("nan"), "threshold"),
        (("config", "neuron", "threshold"), "high", "threshold"),
        (("config", "neuron", "kind"), "magic", "kind"),
        (("config", "neuron", "extra"), 1, "unknown entry 'extra'"),
        (("config", "architecture", "classes"), 3, "3 classes"),
        (("config", "architecture", "input_shape"), [1, 8], "input shape"),
        (("config", "architecture", "input_shape"), [2, 8, 8], "layers.conv1.weight has shape"),
        (("config", "architecture", "nodes"), [], "last layer"),
        (("config", "architecture", "nodes"), [3], "layer 0"),
        ((*NODE, "op"), "exec", "unknown kind"),
        ((*NODE, "inputs"), [["input"]], "does not stand before"),
        ((*NODE, "options", "out_channels"), 2**30, "different shapes"),
        ((*NODE, "options", "kernel"), [2**30, 2**30], "would be empty"),
        ((*NODE, "options", "kernel"), "3", "kernel"),
        (("state_dict",), [], "state_dict is not"),
        (("state_dict", "layers.extra"), torch.zeros(1), "weights 'layers.extra'"),
        (STATE, torch.zeros(4, 1, 3, 4), r"layers.conv1.weight has shape \(4, 1, 3, 4\)"),
        (STATE, torch.zeros(4, 1, 3, 3, dtype=torch.float64), "dtype"),
        (STATE, torch.zeros(1).expand(4, 1, 3, 3), "contiguous"),
        (STATE, torch.full((4, 1, 3, 3), float("nan")), "layers.conv1.weight has values that are not finite"),
        (STATE, torch.full((4, 1, 3, 3), float("inf")), "not finite"),
        (STATE, [0.0] * 36, "not a dense tensor"),
        (STATE, torch.zeros(4, 1, 3, 3).to_sparse(), "dense|damaged"),
        (("state_dict", "layers.norm1.running_var"), -torch.ones(4), "negative variances"),
    ],
)
def test_content_that_does_not_fit_is_refused(tmp_path, content, keys, value, match):
    refused(rewritten(tmp_path / "changed.pt", change(content, *keys, value=value)), match)


@pytest.mark.parametrize("keys", [("format",), ("schema",), ("config",), ("config", "neuron"), STATE])
def test_missing_entries_are_named(tmp_path, content, keys):
    changed = copy.deepcopy(content)
    inner = changed
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    refused(rewritten(tmp_path / "changed.pt", changed), f"lacks .*{keys[-1]}")


def test_a_bare_state_dict_is_refused(tmp_path, content):
    refused(rewritten(tmp_path / "state.pt", content["state_dict"]), "lacks 'format'")
    refused(rewritten(tmp_path / "tensor.pt", torch.zeros(3)), "is not a dictionary")


def test_a_network_too_large_for_memory_is_refused_by_its_weights(tmp_path, content):
    changed = change(content, "config", "architecture", "input_shape", value=[2**31 - 1, 8, 8])
    refused(rewritten(tmp_path / "huge.pt", changed), r"needs \(4, 2147483647, 3, 3\)")
