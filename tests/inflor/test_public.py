"""The public names: one table, and what is made from it."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import public_names
import pytest

import inflor
from inflor._public import COMMANDS, PUBLIC, VERBS


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_where_the_table_says(name: str) -> None:
    found = getattr(inflor, name)
    assert found is getattr(importlib.import_module(PUBLIC[name]), name)
    assert found.__doc__


def test_all_and_dir_name_them() -> None:
    assert set(inflor.__all__) == set(PUBLIC) <= set(dir(inflor))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = inflor.nothing  # type: ignore[attr-defined]


def test_the_stub_and_the_page_are_fresh() -> None:
    assert public_names.STUB.read_text("utf-8") == public_names.stub()
    assert public_names.document() in public_names.PAGE.read_text("utf-8")


def test_every_command_has_a_function_and_a_module() -> None:
    assert set(COMMANDS) - set(VERBS) == {"targets", "import"}  # list_targets and from_torch are their functions
    folder = Path(str(importlib.import_module("inflor.commands").__file__)).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(COMMANDS)


def test_no_subpackage_hides_a_name() -> None:
    for name in PUBLIC:
        assert importlib.util.find_spec(f"inflor.{name}") is None
