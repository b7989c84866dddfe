"""Every file, record and plan of the golden networks is still what it was: no digest of theirs has changed."""

from __future__ import annotations

from pathlib import Path

import golden
import pytest
from golden_networks import NETWORKS


def test_every_network_has_digests() -> None:
    assert list(golden.load()) == list(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_has_changed(name: str, tmp_path: Path) -> None:
    difference = golden.first_difference(name, golden.load()[name], golden.artifacts(name, tmp_path))
    assert difference is None, difference
