"""Finding what a verb is given: data sets, networks and the kind of a file."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from inflor.converter.datasets import load as datasets
from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.layout import Layout
from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.conventions import Conventions, in_steps
from inflor.converter.reading.hdf5 import opened
from inflor.fit import input_shape
from inflor.quant import file as integer_nir
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.record import file as records
from inflor.targets.record.file import Record

PathLike: TypeAlias = str | os.PathLike[str]
Network: TypeAlias = Graph | IntegerNetwork
Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with how much is done, how much there is, and what is being done."""


def load_dataset(
    dataset: Dataset | PathLike,
    data_dir: PathLike | None = None,
    network: Network | None = None,
    layout: Layout = "auto",
) -> Dataset:
    """Return the data set itself, or load the one of a name or path.

    Args:
        dataset: in memory, or its name, or the path of a file such as an .npz.
        data_dir: the folder with the files of a data set that does not come with the package.
        network: what the data are for; it tells frames over time from images, and the layouts of images apart.
        layout: where images have their channels, "chw" or "hwc"; "auto" takes what alone fits the network.

    Raises:
        InputError: see `inflor.converter.datasets.load.load`; or a layout is given for data in memory.
    """
    if isinstance(dataset, Dataset):
        if layout != "auto":
            text = f"`layout` {layout!r}: {dataset.name} is in memory, with its channels first; leave `layout` out"
            raise InputError(text, option="layout")
        return dataset
    return datasets.load(dataset, data_dir, frame=None if network is None else input_shape(network), layout=layout)


def network_of(network: Network | PathLike, conventions: Conventions | None = None) -> Network:
    """A network in memory, run for as many steps as the conventions say, or the one of a file.

    Raises:
        InputError: see `load_network`; or the conventions say what a step is, which a network in memory knows.
    """
    if not isinstance(network, Graph | IntegerNetwork):
        return load_network(network, conventions)
    if conventions is not None and conventions.given:
        text = "`conventions` say how a file is to be read, but this network is in memory"
        raise InputError(text, path=network.source, mend="give the path of its file, or `timesteps` alone")
    return replace(network, info=in_steps(network.info, conventions))


def load_network(path: PathLike, conventions: Conventions | None = None) -> Network:
    """A .nir file: a graph if it is a float one, an integer network if it says so.

    conventions: what the file does not say about time.

    Raises:
        InputError: not a valid network, or one that contradicts the conventions; a model.pt has to be converted first.
    """
    if kind_of(path) == "checkpoint":
        raise InputError(f"{path}: is a model.pt; make a .nir of it first with: inflor convert {path}")
    graph = nir_file.read(path, conventions)
    return integer_nir.from_graph(graph) if graph.info.stage == "integer" else graph


def load(path: PathLike, conventions: Conventions | None = None) -> Graph | IntegerNetwork | Record:
    """Open a .nir, an .int.nir or a record; what it is follows from what it holds.

    Raises:
        InputError: the file is none of these, or damaged.
    """
    return records.read(path) if is_record(path) else load_network(path, conventions)


def is_record(path: PathLike) -> bool:
    """Whether the file is HDF5 with a record's populations; what is damaged is left to the reader of NIR."""
    try:
        with opened(path, "a .nir file or a record", "make one", texts=False) as file:
            return "populations" in file and "node" not in file
    except InputError:
        return False


def kind_of(path: PathLike) -> str:
    """Which reader a file needs: "checkpoint" for a torch archive, "hdf5" for all else (its reader says what is wrong).

    Raises:
        InputError: the file cannot be opened.
    """
    if not os.path.isfile(path):  # a folder, a device or a pipe: the .nir reader refuses it by name
        return "hdf5"
    try:
        with open(path, "rb") as file:
            archive = file.read(2) == b"PK"
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    return "checkpoint" if archive or Path(path).suffix in (".pt", ".pth") else "hdf5"


def refuse_overwrite(out: PathLike | None, *sources: object, option: str = "out") -> None:
    """Refuse to write over an input.

    sources: the inputs; those that are no paths, such as the name of a built-in data set, hold nothing to lose.

    Raises:
        InputError: `out` is the file or folder of one of them.
    """
    if any(_same(out, source) for source in sources):
        raise InputError(f"{out}: is the input itself; name another file with `{option}`", option=option)


def refuse_twice(*outs: PathLike | None) -> None:
    """Refuse to write two files to one place.

    Raises:
        InputError: two of the paths are the same.
    """
    for first, second in itertools.combinations(outs, 2):
        if _same(first, second):
            raise InputError(f"{second}: is named for two files; name another one for each")


def _same(out: PathLike | None, source: object) -> bool:
    if out is None or not isinstance(source, str | os.PathLike):
        return False
    if os.path.exists(out) and os.path.exists(source):
        return os.path.samefile(out, source)
    return os.path.realpath(out) == os.path.realpath(source)
