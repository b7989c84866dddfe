"""Tests that run Lava are skipped where it is not installed."""

from __future__ import annotations

import importlib.util

import pytest


@pytest.fixture(scope="session")
def lava():
    if importlib.util.find_spec("lava") is None:
        pytest.skip("lava-nc is not installed (make lava)")
    pytest.importorskip("scipy")
