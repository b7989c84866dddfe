"""The help fits a screen, says what there is, and costs nothing."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from command_line import environment, invoke

from inflor.commands import COMMANDS
from inflor.commands import train as train_command
from inflor.converter.datasets.registry import names
from inflor.converter.train.augment import Augment
from inflor.converter.train.config import Device, Optimizer
from inflor.converter.train.networks import NETWORKS
from inflor.converter.train.neurons import NeuronKind, Surrogate
from inflor.quant.run.kernel import Overflow
from inflor.targets import loihi
from inflor.targets.loihi.plan import BalanceBy, FirstLayer, Guard, SoftReset


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_screen_and_ends_with_an_example(name: str) -> None:
    text = invoke(name, "--help").stdout
    lines = text.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert lines[-1].startswith(f"    inflor {name}")


def test_every_module_of_a_command_is_listed() -> None:
    import inflor.commands

    folder = Path(inflor.commands.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(COMMANDS)


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
    text = invoke("run", "--help").stdout
    assert [rule for rule in get_args(Overflow) if rule not in text] == []


def test_every_option_of_loihi_is_one_of_the_command_line() -> None:
    """But for rates, which come from the record."""
    parameters = {p.name: p for p in importlib.import_module("inflor.commands.run").command.params}
    assert set(loihi.OPTIONS) - {"rates"} <= set(parameters)
    for name, choices in {
        "soft_reset": SoftReset,
        "guard": Guard,
        "balance": BalanceBy,
        "first_layer": FirstLayer,
    }.items():
        assert tuple(parameters[name].type.choices) == get_args(choices)


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["run", "--help"], ["--version"]])
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
