"""The tables of docs/nir.md say what the code does."""

from __future__ import annotations

import nir_tables
import peers
import pytest


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return dict(nir_tables.sections(nir_tables.DOCUMENT.read_text()))


def test_the_table_of_primitives_is_fresh(written):
    assert nir_tables.primitives() + "\n" == written["primitives"], "python tests/support/nir_tables.py"


def test_the_table_of_definitions_is_fresh(written):
    assert nir_tables.definitions() + "\n" == written["definitions"], "python tests/support/nir_tables.py"


def test_the_table_of_frameworks_is_fresh(written):
    if reasons := [reason for name in peers.NAMES if (reason := peers.missing(name))]:
        pytest.skip(reasons[0])
    assert nir_tables.frameworks() + "\n" == written["frameworks"], "python tests/support/nir_tables.py"


def test_every_cell_that_says_no_says_why(written):
    for table in (written["primitives"], written["frameworks"]):
        assert "no (" in table or "not: " in table
        assert "FAULT" not in table
        assert "fires other spikes" not in table
