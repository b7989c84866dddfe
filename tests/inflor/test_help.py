"""The help fits a screen, says what there is, and costs nothing."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from command_line import environment, invoke

from inflor._public import COMMANDS
from inflor.commands import train as train_command
from inflor.converter.datasets.registry import names
from inflor.converter.train.augment import Augment
from inflor.converter.train.config import Device, Optimizer
from inflor.converter.train.networks import NETWORKS
from inflor.converter.train.neurons import NeuronKind, Surrogate
from inflor.quant.run.kernel import Overflow
from inflor.targets import registry
from inflor.targets.api import Option, options_of
from inflor.targets.loihi.options import BalanceBy, FirstLayer, Guard, SoftReset

ARGUMENTS = {
    "run": ["model.nir", "--dataset", "digits"],
    "check": ["model.nir", "--dataset", "digits", "--targets", "cpu", "loihi"],
    "place": ["model.nir"],
}
"""What the commands that take targets' options need beside them."""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_screen_and_ends_with_an_example(name: str) -> None:
    text = invoke(name, "--help").stdout
    lines = text.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert lines[-1].startswith(f"    inflor {name}")


def test_the_help_of_train_names_what_can_be_trained() -> None:
    text = " ".join(invoke("train", "--help").stdout.split())
    assert [name for name in NETWORKS if name not in text] == []
    assert [choice for choice in train_command.SURROGATES if choice not in text] == []
    assert [name for name in names() if name not in text] == []


def test_the_choices_written_out_are_those_of_the_stages() -> None:
    assert set(train_command.OPTIMIZERS) == set(get_args(Optimizer))
    assert set(train_command.NEURONS) == set(get_args(NeuronKind))
    assert set(train_command.SURROGATES) == set(get_args(Surrogate))
    assert set(train_command.AUGMENTS) == set(get_args(Augment))
    assert set(train_command.DEVICES) == set(get_args(Device))
    written = {
        name: spec.choices for target in ("cpu", "loihi") for name, spec in options_of(registry.find(target)).items()
    }
    assert written["overflow"] == get_args(Overflow)
    assert written["soft_reset"] == get_args(SoftReset)
    assert written["guard"] == get_args(Guard)
    assert written["balance"] == get_args(BalanceBy)
    assert written["first_layer"] == get_args(FirstLayer)


def example_of(spec: Option) -> tuple[list[str], object]:
    """A value of an option as it is typed, and as it is meant."""
    typed: dict[str, tuple[list[str], object]] = {
        "whole": ([str(max(spec.least, 1))], max(spec.least, 1)),
        "number": (["2.5"], 2.5),
        "seconds": (["1.5"], 1.5),
        "bytes": (["2K"], 2048),
        "flag": ([], True),
        "choice": (list(spec.choices[-1:]), next(reversed(spec.choices), None)),
        "text": (["some text"], "some text"),
        "file": (["dead.json"], Path("dead.json")),
    }
    return typed[spec.kind]


OPTIONS = [(target, name) for target, found in registry.targets().items() for name in options_of(found)]


@pytest.mark.parametrize("verb", ARGUMENTS)
@pytest.mark.parametrize(("target", "name"), OPTIONS)
def test_every_option_of_every_target_is_taken(
    verb: str, target: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name, and by its target's and its name; and reaches the function as it is meant."""
    flag = name.replace("_", "-")
    typed, meant = example_of(options_of(registry.find(target))[name])
    command = importlib.import_module(f"inflor.commands.{verb}").command
    given: dict[str, object] = {}
    monkeypatch.setattr(command, "callback", lambda **found: given.update(found))
    for option, key in ((f"--{flag}", name), (f"--{target}.{flag}", f"{target}.{name}")):
        command.main([*ARGUMENTS[verb], option, *typed], standalone_mode=False)
        assert given["target_options"] == {key: meant}


@pytest.mark.parametrize("verb", ARGUMENTS)
def test_the_help_says_where_the_options_of_targets_are(verb: str) -> None:
    text = " ".join(invoke(verb, "--help").stdout.split())
    assert "inflor targets NAME lists them" in text
    hidden = [name for _, name in OPTIONS if name not in ("chip", "dead") and f"--{name.replace('_', '-')} " in text]
    assert hidden == []


@pytest.mark.parametrize("target", registry.targets())
def test_the_options_of_a_target_are_listed_with_their_choices(target: str) -> None:
    lines = invoke("targets", target).stdout.splitlines()
    for name, spec in options_of(registry.find(target)).items():
        (line,) = (one for one in lines if one.startswith(f"--{name.replace('_', '-')} "))
        assert spec.help in line
        assert all(choice in line for choice in spec.choices)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["run", "--help"], ["targets", "cpu"], ["--version"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys, inflor\n"
        "from inflor.cli import cli\n"
        "try:\n"
        f"    cli.main({arguments!r})\n"
        "finally:\n"
        "    heavy = {'torch', 'numpy', 'h5py', 'nir', 'sklearn', 'scipy', 'rich'} & set(sys.modules)\n"
        "    print(sorted(heavy), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment())
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"


def test_no_command_shows_the_help_and_an_unknown_one_is_an_error() -> None:
    alone, unknown = invoke(), invoke("trian")
    assert alone.exit_code == 2
    assert "Commands:" in alone.output
    assert unknown.exit_code == 2
    assert unknown.stderr.startswith("error: No such command 'trian'.")


def test_version() -> None:
    import inflor

    assert invoke("--version").stdout == f"inflor {inflor.__version__}\n"
