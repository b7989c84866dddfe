"""The trainer: the same weights whether interrupted or not, what it refuses, and that it learns."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.load import load
from inflor.converter.errors import InputError
from inflor.converter.train.augment import augment
from inflor.converter.train.checkpoint import load_checkpoint, load_model
from inflor.converter.train.config import TrainConfig, default_config
from inflor.converter.train.loop import evaluate, train
from inflor.converter.train.neurons import NeuronConfig

SMALL = TrainConfig(network="convnet", channels=2, timesteps=2, epochs=3, batch_size=32, augment="shift", device="cpu")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


@pytest.fixture(scope="module")
def few(digits) -> Dataset:
    """A hundred training digits: three batches of 32 and one of 4."""
    return replace(digits, x_train=digits.x_train[:100], y_train=digits.y_train[:100])


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_model(path)[0].state_dict()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Interrupt:
    """A progress callback that behaves as Ctrl-C in the middle of an epoch."""

    def __init__(self, epoch: int, batch: int) -> None:
        self.at = (epoch, batch)

    def __call__(self, now):
        if (now["epoch"], now["batch"]) == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_resumed_training_ends_at_the_same_weights(tmp_path, few, optimizer):
    config = replace(SMALL, optimizer=optimizer, weight_decay=1e-3, learning_rate=0.01, label_smoothing=0.1)
    whole = train(few, config, tmp_path / "whole")
    for epoch, batch in ((2, 2), (3, 4)):  # interrupted twice
        with pytest.raises(KeyboardInterrupt):
            train(few, config, tmp_path / "parts", resume=epoch > 2, progress=Interrupt(epoch, batch))
        _, _, state = load_checkpoint(tmp_path / "parts" / "checkpoint.pt")
        assert len(state["history"]) == epoch - 1
        assert not (tmp_path / "parts" / "model.pt").exists()
        assert sorted(p.name for p in (tmp_path / "parts").iterdir()) == ["checkpoint.pt", "metrics.json"]
    parts = train(few, config, tmp_path / "parts", resume=True)
    assert equal(weights(whole.model_path), weights(parts.model_path))
    assert whole.model_path.read_bytes() == parts.model_path.read_bytes()
    for one, other in zip(whole.metrics["epochs"], parts.metrics["epochs"], strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}
    assert whole.metrics["test_accuracy"] == parts.metrics["test_accuracy"]


def test_resuming_a_finished_training_changes_nothing(tmp_path, few):
    first = train(few, SMALL, tmp_path)
    before = first.model_path.read_bytes()
    again = train(few, SMALL, tmp_path, resume=True)
    assert again.model_path.read_bytes() == before
    assert again.metrics == first.metrics


def test_the_seed_decides_the_weights_and_the_test_split_does_not(tmp_path, few):
    one = weights(train(few, SMALL, tmp_path / "1").model_path)
    torch.manual_seed(77)  # the caller's random state has no part in it
    state = torch.random.get_rng_state()
    blind = replace(few, x_test=np.zeros_like(few.x_test[:1]), y_test=few.y_test[:1])
    assert equal(one, weights(train(blind, SMALL, tmp_path / "2").model_path))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not equal(one, weights(train(few, replace(SMALL, seed=1), tmp_path / "3").model_path))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"network": "mlp", "augment": "none"}, "augment"),
        ({"channels": 3}, "channels 2, not 3"),
        ({"timesteps": 3}, "timesteps 2, not 3"),
        ({"neuron": NeuronConfig(surrogate="arctan")}, "neuron.surrogate 'straight_through', not 'arctan'"),
        ({"epochs": 5}, "epochs 3, not 5"),
        ({"batch_size": 16}, "batch_size"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"learning_rate": 0.1}, "learning_rate"),
        ({"momentum": 0.5}, "momentum"),
        ({"weight_decay": 0.1}, "weight_decay"),
        ({"label_smoothing": 0.1}, "label_smoothing"),
        ({"seed": 1}, "seed 0, not 1"),
    ],
)
def test_resume_with_another_option_names_it(stopped, few, change, name):
    with pytest.raises(InputError, match=f"checkpoint.pt: was trained with .*{name}"):
        train(few, replace(SMALL, **change), stopped, resume=True)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, few) -> Path:
    """The folder of a training interrupted in its second epoch."""
    out = tmp_path_factory.mktemp("stopped")
    with pytest.raises(KeyboardInterrupt):
        train(few, SMALL, out, progress=Interrupt(2, 1))
    return out


def test_resume_needs_something_to_resume(tmp_path, few):
    with pytest.raises(InputError, match=r"checkpoint\.pt: there is nothing to resume"):
        train(few, SMALL, tmp_path, resume=True)


def test_resume_with_other_data_is_refused(stopped, few, digits):
    with pytest.raises(InputError, match="other data"):
        train(digits, SMALL, stopped, resume=True)
    with pytest.raises(InputError, match="other data"):
        train(replace(few, y_train=np.roll(few.y_train, 1)), SMALL, stopped, resume=True)


def copied(stopped: Path, tmp_path: Path, edit) -> Path:
    content = torch.load(stopped / "checkpoint.pt", weights_only=True)
    edit(content)
    torch.save(content, tmp_path / "checkpoint.pt")
    return tmp_path


def test_a_model_is_no_checkpoint(stopped, tmp_path, few):
    out = copied(stopped, tmp_path, lambda content: content.pop("training"))
    with pytest.raises(InputError, match="no checkpoint to resume"):
        train(few, SMALL, out, resume=True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimizer", {}),
        ("optimizer", None),
        ("history", 3),
        ("history", [{"loss": "low"}]),
        ("history", [{}] * 4),
    ],
)
def test_a_damaged_training_state_is_refused(stopped, tmp_path, few, key, value):
    out = copied(stopped, tmp_path, lambda content: content["training"].update({key: value}))
    with pytest.raises(InputError, match=r"checkpoint\.pt: its training state is damaged"):
        train(few, SMALL, out, resume=True)


@pytest.mark.parametrize("wrong", [torch.zeros(3, 3), torch.full((4, 2, 3, 3), math.nan)])
def test_damaged_optimizer_moments_are_refused(stopped, tmp_path, few, wrong):
    def edit(content):
        content["training"]["optimizer"]["state"][1]["exp_avg"] = wrong

    with pytest.raises(InputError, match="exp_avg"):
        train(few, SMALL, copied(stopped, tmp_path, edit), resume=True)


def test_a_loss_that_is_not_finite_stops_at_once(tmp_path, few):
    config = replace(SMALL, optimizer="sgd", learning_rate=1e38)
    with pytest.raises(InputError, match=r"epoch 1\b.*nothing was saved.*smaller learning rate"):
        train(few, config, tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(stopped, tmp_path, few):
    def overflow(content):
        content["state_dict"]["layers.fc.weight"] *= 1e38

    out = copied(stopped, tmp_path, overflow)
    before = (out / "checkpoint.pt").read_bytes()
    with pytest.raises(
        InputError, match=r"loss is (nan|inf) in epoch 2, batch 1 of 4; the checkpoint of epoch 1 is kept"
    ):
        train(few, SMALL, out, resume=True)
    assert (out / "checkpoint.pt").read_bytes() == before
    assert not (out / "model.pt").exists()


def test_metrics_say_what_was_done(tmp_path, few):
    seen = []
    config = replace(SMALL, optimizer="sgd", learning_rate=0.2)
    result = train(few, config, tmp_path, progress=lambda now: seen.append(dict(now)))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics == result.metrics
    assert metrics["config"] == config.as_dict()
    assert metrics["finished"]
    assert metrics["device"] == "cpu"
    assert metrics["versions"]["torch"] == torch.__version__
    assert metrics["dataset"] == {"name": "digits", "train": 100, "test": 360}
    # Cosine over 12 steps; what is reported is the epoch's last step.
    rates = [0.1 * (1 + math.cos(math.pi * step / 12)) for step in (3, 7, 11)]
    assert [epoch["learning_rate"] for epoch in metrics["epochs"]] == pytest.approx(rates)
    assert [(now["epoch"], now["batch"]) for now in seen] == list(itertools.product((1, 2, 3), (1, 2, 3, 4)))
    assert all(now["batches"] == 4 and now["epochs"] == 3 for now in seen)
    last = {key: value for key, value in seen[-1].items() if key in metrics["epochs"][-1]}
    assert last == metrics["epochs"][-1]
    network, info = load_model(result.model_path)
    with torch.no_grad():
        right = network(torch.from_numpy(info.normalize(few.x_test))).argmax(1).numpy() == few.y_test
    assert metrics["test_accuracy"] == right.mean() == evaluate(network, info, few.x_test, few.y_test)
    assert info.dataset == "digits"
    assert info.input_mean == few.mean
    assert info.architecture == "convnet"
    assert metrics["parameters"] == sum(parameter.numel() for parameter in network.parameters())


def test_it_learns_digits(tmp_path, digits):
    config = default_config("digits", "convnet", channels=8, epochs=6, learning_rate=0.01, augment="none", device="cpu")
    assert train(digits, config, tmp_path).metrics["test_accuracy"] > 0.9


@pytest.mark.parametrize("kind", ["if", "lif"])
def test_it_learns_with_other_neurons(tmp_path, digits, kind):
    neuron = NeuronConfig.preset(kind, surrogate="arctan")
    config = default_config("digits", "mlp", channels=64, epochs=5, augment="none", neuron=neuron, device="cpu")
    assert train(digits, config, tmp_path).metrics["test_accuracy"] > 0.85


def test_the_label_of_a_vector_data_set(tmp_path):
    x = np.random.default_rng(0).normal(size=(65, 3)).astype(np.float32)  # the last batch of one is left out
    y = (x[:, 0] > 0).astype(np.int64)
    data = Dataset(
        name="sign",
        x_train=x,
        y_train=y,
        x_test=x,
        y_test=y,
        class_names=("minus", "plus"),
        mean=(0.0,),
        std=(1.0,),
    )
    config = TrainConfig(network="mlp", channels=16, epochs=30, batch_size=64, learning_rate=0.02, device="cpu")
    assert train(data, config, tmp_path).metrics["test_accuracy"] > 0.9
    with pytest.raises(InputError, match="`augment` shift needs images"):
        train(data, replace(config, augment="shift"), tmp_path)
    with pytest.raises(InputError, match="layer conv1"):
        train(data, replace(config, network="convnet"), tmp_path)
    with pytest.raises(InputError, match="1 training sample"):
        train(replace(data, x_train=x[:1], y_train=y[:1]), config, tmp_path)


def test_a_folder_that_cannot_be_made_is_told_before_training(few):
    batches = []
    with pytest.raises(InputError, match="cannot be written"):
        train(few, SMALL, Path("/proc/nowhere"), progress=batches.append)
    assert not batches


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_not_there(tmp_path, few):
    with pytest.raises(InputError, match="`device` cuda"):
        train(few, replace(SMALL, device="cuda"), tmp_path)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_trains_and_resumes_to_the_same_weights(tmp_path, few):
    config = replace(SMALL, device="cuda", network="resnet8")
    whole = train(few, config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(few, config, tmp_path / "parts", progress=Interrupt(2, 2))
    parts = train(few, config, tmp_path / "parts", resume=True)
    assert equal(weights(whole.model_path), weights(parts.model_path))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"network": "alexnet"}, "network"),
        ({"optimizer": "lion"}, "optimizer"),
        ({"augment": "mixup"}, "augment"),
        ({"device": "tpu"}, "device"),
        ({"timesteps": 0}, "timesteps"),
        ({"epochs": 0}, "epochs"),
        ({"epochs": 1.5}, "epochs"),
        ({"batch_size": 1}, "batch_size"),
        ({"channels": 0}, "channels"),
        ({"seed": -1}, "seed"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"momentum": 1.0}, "momentum"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"label_smoothing": 1}, "label_smoothing"),
    ],
)
def test_settings_out_of_range_are_refused(change, name):
    with pytest.raises(InputError, match=name):
        default_config("digits", **({"network": "mlp"} | change))


def test_defaults_can_be_overridden():
    assert default_config("digits", "convnet").timesteps == 4
    assert default_config("digits", "convnet", epochs=7).epochs == 7
    assert default_config("cifar10", "resnet19").optimizer == "sgd"
    assert default_config("mine", "mlp").network == "mlp"


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    out = np.zeros_like(image)
    height, width = image.shape[1:]
    for y, x in itertools.product(range(height), range(width)):
        if 0 <= y - down < height and 0 <= x - right < width:
            out[:, y, x] = image[:, y - down, x - right]
    return out


@pytest.mark.parametrize(("kind", "most", "flips"), [("shift", 1, (False,)), ("crop_flip", 4, (False, True))])
def test_augmentation_shifts_and_flips(kind, most, flips):
    image = np.random.default_rng(0).random((2, 5, 6)).astype(np.float32) + 1
    moves = range(-most, most + 1)
    allowed = {}
    for down, right, flip in itertools.product(moves, moves, flips):
        moved = shifted(image, down, right)
        allowed[(moved[:, :, ::-1] if flip else moved).tobytes()] = (down, right, flip)
    batch = torch.from_numpy(image).expand(3000, -1, -1, -1)
    got = augment(batch, kind, torch.Generator().manual_seed(0)).numpy()
    seen = {allowed[np.ascontiguousarray(one).tobytes()] for one in got}
    assert len(seen) == len(allowed)  # all of them occur, and nothing else
    again = augment(batch, kind, torch.Generator().manual_seed(0)).numpy()
    assert np.array_equal(got, again)


def test_no_augmentation_is_the_image_itself():
    x = torch.rand(3, 1, 4, 4)
    assert augment(x, "none", torch.Generator()) is x
