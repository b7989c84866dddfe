"""A user's own data as an `.npz` archive.

It holds x and y, which are split 80/20 by class, or x_train, y_train, x_test and y_test; optionally class_names.
"""

from __future__ import annotations

from pathlib import Path

from inflor.converter.datasets.dataset import RawData
from inflor.converter.datasets.registry import Source
from inflor.converter.errors import InputError
from inflor.converter.reading.npz import names_in, read_npz

_SPLIT = ("x_train", "y_train", "x_test", "y_test")
_WHOLE = ("x", "y")


def _read(path: Path) -> RawData:
    there = names_in(path)
    parts = _SPLIT if set(_SPLIT) <= set(there) else _WHOLE
    if not set(parts) <= set(there):
        found = ", ".join(there)[:200] or "nothing"
        text = f"needs the arrays x and y, or x_train, y_train, x_test and y_test; it holds {found}"
        raise InputError(text, path=path)
    arrays = read_npz(path, (*parts, "class_names"))
    names = None
    if "class_names" in arrays:
        if arrays["class_names"].dtype.kind not in "US" or arrays["class_names"].ndim != 1:
            raise InputError("class_names must be one text per class", path=path)
        try:
            names = tuple(str(name) for name in arrays["class_names"].astype(str))
        except UnicodeDecodeError as error:
            raise InputError("class_names holds bytes that are no ASCII text; save it as text", path=path) from error
    data = [(arrays[x], arrays[y]) for x, y in zip(parts[::2], parts[1::2], strict=True)]
    return RawData(source=str(path), train=data[0], test=data[1] if len(data) > 1 else None, class_names=names)


SOURCE = Source(name=".npz", read=_read)
