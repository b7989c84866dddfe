"""Loading a data set by its name or by the path of a file."""

from __future__ import annotations

import os
from pathlib import Path

from inflor.converter.datasets import registry
from inflor.converter.datasets.dataset import Dataset, make_dataset
from inflor.converter.datasets.layout import Layout, Shape
from inflor.converter.datasets.registry import Source
from inflor.converter.errors import InputError

PathLike = str | os.PathLike[str]


def load(
    name_or_path: PathLike,
    data_dir: PathLike | None = None,
    seed: int = 0,
    frame: Shape | None = None,
    layout: Layout = "auto",
) -> Dataset:
    """Load a data set.

    Args:
        name_or_path: one of `registry.names()`, or the path of a file such as an .npz.
        data_dir: the folder with the files of a data set that does not come with the package.
        seed: of the 80/20 split by class of data that have no split of their own.
        frame: what the network takes at a step, without batch; None where there is no network yet.
        layout: where images have their channels; "auto" takes what alone is possible (see `layout.choose`).

    Raises:
        InputError: an unknown name, a missing file (with where it was looked for), data of the wrong form, or images
            that can be read in both layouts.
    """
    name = os.fspath(name_or_path)
    source = registry.named(name)
    if source is not None:
        raw = source.read(_folder(source, data_dir))
    else:
        path = Path(name)
        if not path.is_file():
            raise registry.unknown(name)
        source = registry.of_suffix(path.suffix)
        if source is None:
            readable = ", ".join(registry.suffixes())
            raise InputError(f"is no data set that can be read; needed is a file of the kind {readable}", path=path)
        raw, name = source.read(path), path.stem
    if layout not in ("auto", source.layout) and source.layout != "auto":
        raise InputError(f"{name} has the layout {source.layout}, not {layout}; leave out `layout`", option="layout")
    chosen = layout if source.layout == "auto" else source.layout
    return make_dataset(raw, name=name, seed=seed, frame=frame, layout=chosen)


def is_at_hand(name: str, data_dir: PathLike | None) -> bool:
    """Tell whether a name alone, with `data_dir` where it is given, is enough to load a data set."""
    source = registry.named(name)
    return source is not None and (data_dir is not None or not source.in_folder)


def _folder(source: Source, data_dir: PathLike | None) -> Path:
    if not source.in_folder:
        return Path()
    if data_dir is None:
        text = f"{source.name} does not come with the package; name the folder that holds its files with `data_dir`"
        raise InputError(text, option="data_dir")
    if not Path(data_dir).is_dir():
        mend = f"name the one that holds {source.name} with `data_dir`"
        raise InputError("there is no such folder", path=data_dir, option="data_dir", mend=mend)
    return Path(data_dir)
