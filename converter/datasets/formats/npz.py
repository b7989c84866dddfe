"""A user's own data as an `.npz` archive.

It holds x and y, which are split 80/20 by class, or x_train, y_train, x_test and y_test; optionally class_names.
"""

from __future__ import annotations

from pathlib import Path

from inflor.converter.datasets.dataset import RawData
from inflor.converter.datasets.npz import read_npz
from inflor.converter.datasets.registry import Source
from inflor.converter.errors import InputError


def _read(path: Path) -> RawData:
    arrays = read_npz(path)
    names = None
    if "class_names" in arrays:
        if arrays["class_names"].dtype.kind not in "US" or arrays["class_names"].ndim != 1:
            raise InputError("class_names must be one text per class", path=path)
        names = tuple(str(name) for name in arrays["class_names"].astype(str))
    if {"x_train", "y_train", "x_test", "y_test"} <= set(arrays):
        train, test = (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
        return RawData(source=str(path), train=train, test=test, class_names=names)
    if {"x", "y"} <= set(arrays):
        return RawData(source=str(path), train=(arrays["x"], arrays["y"]), class_names=names)
    found = ", ".join(sorted(arrays)) or "nothing"
    raise InputError(f"needs the arrays x and y, or x_train, y_train, x_test and y_test; it holds {found}", path=path)


SOURCE = Source(name=".npz", read=_read)
