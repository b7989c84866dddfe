"""The teaching target of examples/toy_target, put on the path as an installer would put it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from inflor.targets import registry

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "toy_target"


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[ModuleType, ModuleType]:
    """The modules of the target, which is registered until the test ends. folder: where its metadata are written."""
    write_metadata(folder, "toy-target", "toy = toy_target:TARGET")
    for path in (folder, FOLDER):
        monkeypatch.syspath_prepend(path)
    for name in ("toy_target", "toy_target.machine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    registry._found.cache_clear()
    return importlib.import_module("toy_target"), importlib.import_module("toy_target.machine")


def write_metadata(folder: Path, distribution: str, entry: str) -> None:
    """What an installer leaves of a distribution that registers a target."""
    info = folder / f"{distribution.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[inflor.targets]\n{entry}\n")


def forget() -> None:
    """After the test: the registry looks again."""
    registry._found.cache_clear()
