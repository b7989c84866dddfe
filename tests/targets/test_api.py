"""The contract of a target: options are checked before it sees them, and nothing is imported before it is needed."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import environment
from hypothesis import given
from hypothesis import strategies as st

from inflor.converter.errors import InputError, with_flags
from inflor.targets import registry
from inflor.targets.api import NoOptions, UnplaceableError, Violation, choose, deferred, option, options_of
from inflor.targets.cpu import TARGET as CPU


@dataclass(frozen=True, kw_only=True)
class Options:
    """One option of each kind."""

    level: int = option(3, "a level", kind="whole", least=1, most=9)
    count: int | None = option(None, "a count", kind="whole")
    gain: float = option(0.5, "a gain", kind="number")
    patience: float | None = option(None, "a time", kind="seconds")
    room: int = option(1024, "a size", kind="bytes")
    exact: bool = option(False, "be exact", kind="flag")
    mode: str = option("slow", "how", choices=("slow", "fast"))
    label: str = option("", "a text")
    parts: str | Path | None = option(None, "a file", kind="file")


TARGET = replace(CPU, name="other", options=Options)
TAKEN: dict[str, list[Any]] = {
    "level": [1, 9],
    "count": [0, 10**9],
    "gain": [-2.5, 0, 1e300],
    "patience": [0.001, 3],
    "room": [1, 2**50],
    "exact": [True, False],
    "mode": ["slow", "fast"],
    "label": ["", "some text"],
    "parts": ["dead.json", Path("dead.json")],
}
REFUSED: dict[str, list[tuple[Any, str]]] = {
    "level": [(n, "`level` {}: give a whole number from 1 to 9") for n in (0, 10, -1, 2.0, "3", True)],
    "count": [(n, "`count` {}: give a whole number of at least 0") for n in (-1, 0.5, "1", False)],
    "gain": [(n, "`gain` {}: give a number") for n in (math.nan, math.inf, "1", True)],
    "patience": [(n, "`patience` {}: give a positive number") for n in (0, -1, math.inf, math.nan, "1", True)],
    "room": [(n, "`room` {}: give a whole number of at least 1") for n in (0, -5, 1.5, "2G", True)],
    "exact": [(n, "`exact` {}: give True or False") for n in (0, 1, "yes")],
    "mode": [(n, "`mode` {}: choose one of slow, fast") for n in ("quick", "", 1, ["slow"])],
}


def test_what_is_left_out_or_none_is_the_default() -> None:
    assert choose(TARGET, {}) == Options()
    assert choose(TARGET, dict.fromkeys(TAKEN)) == Options()
    assert choose(TARGET, {"level": 7, "mode": None}) == Options(level=7)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in TAKEN.items() for value in values])
def test_what_an_option_takes(name: str, value: object) -> None:
    assert getattr(choose(TARGET, {name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value", "says"), [(name, value, says) for name, cases in REFUSED.items() for value, says in cases]
)
def test_what_an_option_does_not_take(name: str, value: object, says: str) -> None:
    with pytest.raises(InputError) as caught:
        choose(TARGET, {name: value})
    assert str(caught.value) == says.format(value)
    assert caught.value.option == name


@given(st.integers())
def test_the_bounds_of_a_whole_number_are_taken(value: int) -> None:
    if 1 <= value <= 9:
        assert choose(TARGET, {"level": value}).level == value
    else:
        with pytest.raises(InputError, match="from 1 to 9"):
            choose(TARGET, {"level": value})


def test_an_unknown_option_is_named_with_those_that_there_are() -> None:
    with pytest.raises(InputError) as caught:
        choose(TARGET, {"speed": None, "level": 3, "depth": 1})
    assert str(caught.value) == (
        "target 'other' has no option `depth`, `speed`; it has `level`, `count`, `gain`, `patience`, `room`, `exact`, "
        "`mode`, `label`, `parts`"
    )
    with pytest.raises(InputError, match=r"'bare' has no option `level`; it has none$"):
        choose(replace(TARGET, name="bare", options=NoOptions), {"level": 3})


def test_a_message_shows_arguments_as_options_of_the_command_line() -> None:
    def flag(name: str, value: str) -> str:
        return f"--{name} {value}".strip()

    with pytest.raises(InputError) as caught:
        choose(TARGET, {"mode": "quick"})
    assert with_flags(str(caught.value), flag) == "--mode quick: choose one of slow, fast"


@pytest.mark.parametrize("name", ["cpu", "float", "loihi", "spinnaker"])
def test_the_options_of_our_targets(name: str) -> None:
    """Every field is an option with a line of help and one of documentation, and takes its own default."""
    target = registry.find(name)
    specs, standard = options_of(target), target.options()
    assert list(specs) == [f.name for f in dataclasses.fields(target.options)]
    assert choose(target, {key: getattr(standard, key) for key in specs}) == standard
    for key, spec in specs.items():
        assert spec.help
        assert "\n" not in spec.help
        assert key in (target.options.__doc__ or "")
        if spec.kind == "choice":
            assert getattr(standard, key) in (*spec.choices, None)


def test_the_limit_that_is_broken_is_said_and_kept() -> None:
    broken = Violation("n1", "neurons", 300, 256, "use fewer `neurons_per_core`")
    error = UnplaceableError("a.int.nir", "toy1", [broken])
    assert str(error) == (
        "a.int.nir: cannot be lowered to toy1: population 'n1': neurons 300, allowed is 256; "
        "use fewer `neurons_per_core`"
    )
    assert error.violations == (broken,)
    assert error.exit_code == 2


def test_a_deferred_function_is_imported_when_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_module.py").write_text("def work(*given, **named):\n    return given, named\n")
    monkeypatch.syspath_prepend(tmp_path)
    function = deferred("late_module:work")
    missing = deferred("no_such_module:work")
    assert "late_module" not in sys.modules
    assert function(1, 2, three=3) == ((1, 2), {"three": 3})
    assert "late_module" in sys.modules
    monkeypatch.delitem(sys.modules, "late_module")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        missing()


def test_targets_and_their_options_import_nothing_heavy() -> None:
    """The command line makes all of them at every start."""
    program = (
        "import json, sys\n"
        "from inflor.targets import registry\n"
        "from inflor.targets.api import choose, options_of\n"
        "found = {name: [*options_of(target)] for name, target in registry.targets().items()}\n"
        "made = [choose(target, {}) for target in registry.targets().values()]\n"
        "names = ('torch', 'numpy', 'scipy', 'h5py', 'nir', 'yaml', 'lava', 'click')\n"
        "print(json.dumps([found, [name for name in names if name in sys.modules]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), check=True
    )
    found, heavy = json.loads(done.stdout)
    assert heavy == []
    assert {"cpu", "float", "loihi", "spinnaker"} <= set(found)
    assert "soft_reset" in found["loihi"]


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    chosen = choose(CPU, {"state_bits": np.int64(32)})
    assert (chosen.state_bits, type(chosen.state_bits)) == (32, int)
