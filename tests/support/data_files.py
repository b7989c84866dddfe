"""Small data sets as files, and what loading a bad one says."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from inflor.converter.datasets.load import load
from inflor.converter.errors import InputError

X8 = np.random.default_rng(0).integers(0, 256, (12, 5, 4), dtype=np.uint8)
Y = np.arange(12) % 3


def npz(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def four(**change):
    arrays = {"x_train": X8, "y_train": Y, "x_test": X8[:6], "y_test": Y[:6]}
    return arrays | change


def refused(match: str, name, data_dir=None, **options) -> str:
    with pytest.raises(InputError, match=match) as caught:
        load(name, data_dir, **options)
    return str(caught.value)


class Payload:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (os.system, (f"touch {self.target}",))
