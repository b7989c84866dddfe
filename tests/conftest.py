"""How property tests draw, a small network that was trained once, and data sets of any shape.

The property tests draw the same on every clone, however slow; `make draw` draws anew, ever again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import SMALL, Files, invoke
from hypothesis import HealthCheck, settings

# A machine that other work shares may take any time for an example; that says nothing of the code.
LASTING = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("same", derandomize=True, **LASTING)
settings.register_profile("anew", print_blob=True, **LASTING)
settings.load_profile("same")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("small")
    found = Files(folder, folder / "model.pt", folder / "model.nir", folder / "model.int.nir")
    for arguments in (
        ["train", *SMALL, "--out", folder],
        ["convert", found.model],
        ["quantize", found.graph, "--calibrate", "digits", "--samples", 64],
    ):
        result = invoke(*arguments)
        assert result.exit_code == 0, result.stderr
    return found


@pytest.fixture
def make_npz(tmp_path: Path) -> Callable[..., Path]:
    """Writes a data set file: samples of a shape with labels 0 to classes - 1 in turn."""

    def make(shape: tuple[int, ...], classes: int, samples: int = 60, name: str = "data.npz", **more: Any) -> Path:
        rng = np.random.default_rng(0)
        x = rng.integers(0, 256, (samples, *shape), np.uint8)
        y = np.arange(samples) % classes
        np.savez(tmp_path / name, **({"x": x, "y": y} | more))
        return tmp_path / name

    return make
