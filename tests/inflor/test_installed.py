"""The tests are about the package as it is installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import inflor
from inflor import converter, quant, targets

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(os.environ.get("INFLOR_EDITABLE") == "1", reason="INFLOR_EDITABLE=1: the source tree is meant")
@pytest.mark.parametrize("package", [converter, inflor, quant, targets], ids=lambda package: package.__name__)
def test_the_source_tree_is_not_what_is_tested(package: object) -> None:
    where = Path(str(package.__file__)).resolve()  # type: ignore[attr-defined]
    assert ROOT / ".venv" in where.parents or ROOT not in where.parents, (
        "install the package (make test), or set INFLOR_EDITABLE=1"
    )


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(str(inflor.__file__)).parent / "py.typed").is_file()
