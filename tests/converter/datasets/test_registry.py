"""The registry: what is built in, what other distributions add, and those of them that are broken."""

import sys
from pathlib import Path

import numpy as np
import pytest
from data_files import refused

from inflor.converter.datasets import registry, sources
from inflor.converter.datasets.load import is_at_hand, load
from inflor.converter.errors import InputError
from inflor.converter.train.config import TrainConfig, default_config

BUILT_IN = tuple(sorted(path.stem for path in Path(sources.__file__).parent.glob("[a-z]*.py")))

PLUGIN = """
import numpy as np
from inflor.converter.datasets.dataset import RawData
from inflor.converter.datasets.registry import Source

def read(path):
    x = np.arange(24.0).reshape(6, 4)
    return RawData(source=str(path), train=(x, np.arange(6) % 2), test=(x[:2], np.arange(2)))

SOURCE = Source(name="gestures", read=read, training={"epochs": 7}, training_of={"mlp": {"channels": 9}})
TABLE = Source(name=".tsv", read=read)
OTHER = 3
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a distribution with entry points, and the module that they name, where Python finds them."""

    def make(distribution: str, entries: str, content: str = PLUGIN) -> None:
        place = tmp_path / distribution
        about = place / f"{distribution}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[inflor.datasets]\n{entries}\n")
        (place / f"{distribution}_data.py").write_text(content)
        monkeypatch.syspath_prepend(place)
        monkeypatch.delitem(sys.modules, f"{distribution}_data", raising=False)

    return make


def test_the_built_in_ones_are_those_of_the_folder():
    assert registry.names() == BUILT_IN
    assert {"cifar10", "cifar100", "digits", "fashion_mnist", "kmnist", "mnist"} <= set(BUILT_IN)
    assert registry.suffixes() == (".npz",)
    for name in BUILT_IN:
        assert registry.named(name).name == name
    assert registry.of_suffix(".NPZ").name == ".npz"
    assert registry.named("npz") is None
    assert registry.named(".npz") is None
    assert registry.of_suffix("") is None


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("mnsit", f"did you mean mnist? give one of {', '.join(BUILT_IN)} or the path of a file (.npz)"),
        ("fashion-mnist", "did you mean fashion_mnist? "),
        (
            "nothing/like.it",
            "; give one of ",
        ),
    ],
)
def test_an_unknown_name_suggests_the_one_that_is_most_like_it(name, mend):
    assert mend in refused("no such data set or file", name)


def test_a_file_of_another_kind_names_the_kinds_that_are_read(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("1,2\n")
    assert refused("of the kind .npz", path).startswith(f"{path}: ")


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name != "digits"])
def test_what_does_not_come_with_the_package_needs_a_folder(name, tmp_path):
    refused(f"{name} does not come with the package; name the folder that holds its files with `data_dir`", name)
    refused("no such folder", name, tmp_path / "nowhere")
    assert not is_at_hand(name, None)
    assert is_at_hand(name, tmp_path)
    assert is_at_hand("digits", None)
    assert not is_at_hand("unheard of", tmp_path)


@pytest.mark.parametrize(
    ("dataset", "network", "expected"),
    [
        (
            "digits",
            "convnet",
            {"channels": 32, "epochs": 30, "batch_size": 64, "learning_rate": 1e-2, "augment": "shift"},
        ),
        ("digits", "resnet8", {"epochs": 20, "batch_size": 64, "learning_rate": 4e-3, "augment": "shift"}),
        ("digits", "mlp", {"epochs": 40, "batch_size": 64, "learning_rate": 4e-3, "augment": "shift"}),
        ("mnist", "convnet", {"epochs": 5, "learning_rate": 2e-2, "augment": "shift"}),
        ("kmnist", "mlp", {"epochs": 20, "learning_rate": 2e-2, "augment": "shift"}),
        ("fashion_mnist", "mlp", {"epochs": 20, "learning_rate": 2e-2, "augment": "shift"}),
        *(
            (
                name,
                "resnet19",
                {
                    "epochs": 200,
                    "optimizer": "sgd",
                    "learning_rate": 0.1,
                    "weight_decay": 5e-4,
                    "augment": "crop_flip",
                },
            )
            for name in ("cifar10", "cifar100")
        ),
        ("mine", "mlp", {}),
    ],
)
def test_a_data_set_says_how_it_is_trained(dataset, network, expected):
    assert default_config(dataset, network) == TrainConfig(network=network, **expected)
    assert default_config(dataset, network, epochs=3).epochs == 3


def test_another_distribution_adds_a_data_set_and_a_kind_of_file(install, tmp_path):
    install("waving", "gestures = waving_data:SOURCE\n.tsv = waving_data:TABLE")
    assert registry.names() == tuple(sorted([*BUILT_IN, "gestures"]))
    assert registry.suffixes() == (".npz", ".tsv")
    data = load("gestures")
    assert (data.name, data.shape, data.classes) == ("gestures", (4,), 2)
    assert np.array_equal(data.x_train, np.arange(24).reshape(6, 4))
    path = tmp_path / "mine.tsv"
    path.write_text("anything")
    assert load(path).name == "mine"
    assert default_config("gestures", "mlp") == TrainConfig(network="mlp", epochs=7, channels=9)


@pytest.mark.parametrize(
    ("entry", "content", "reason"),
    [
        ("gestures = waving_data:SOURCE", "raise RuntimeError('half installed')", "RuntimeError: half installed"),
        ("gestures = waving_data:SOURCE", "", "AttributeError"),
        ("gestures = not_there:SOURCE", "", "ModuleNotFoundError"),
        ("gestures = waving_data:OTHER", PLUGIN, "is no Source of that name: waving_data:OTHER"),
        ("gestures = waving_data:TABLE", PLUGIN, "is no Source of that name: waving_data:TABLE"),
    ],
)
def test_one_that_is_broken_is_told_by_its_name_and_stops_no_other(install, entry, content, reason):
    install("waving", entry, content)
    message = refused("data set 'gestures' of waving", "gestures")
    assert reason in message
    assert "gestures" in registry.names()
    assert load("digits").name == "digits"
    refused("no such data set", "minst")
    assert default_config("gestures", "mlp") == TrainConfig(network="mlp")  # of a user's gestures.npz


def test_nobody_replaces_a_built_in_one_or_another_s(install, caplog):
    install("first", "digits = first_data:SOURCE\ngestures = first_data:SOURCE")
    install("second", "gestures = second_data:SOURCE")
    assert load("digits").shape == (1, 8, 8)
    assert "data set 'digits' of first is not used: a built-in one has the name" in caplog.text
    refused("data set 'gestures' is offered by (first and second|second and first); uninstall", "gestures")


def test_names_are_listed_without_importing_anything(install):
    install("waving", "gestures = waving_data:SOURCE")
    assert "gestures" in registry.names()
    assert "waving_data" not in sys.modules


def test_an_unknown_source_is_an_input_error():
    with pytest.raises(InputError) as caught:
        load("mnsit")
    assert (caught.value.option, caught.value.exit_code) == ("dataset", 2)
