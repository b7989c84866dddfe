"""inflor.estimate"""

from __future__ import annotations

import os
from collections.abc import Sequence

from inflor.api.loading import Network, PathLike, Progress, load_dataset, load_network
from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.layout import Layout
from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.reading.paths import sha256
from inflor.fit import fitted, images_of
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.cost.estimate import estimate as count_and_multiply
from inflor.targets.cost.result import CostReport
from inflor.targets.record import file as records
from inflor.targets.record.file import Record


def estimate(
    network: Network | PathLike,
    record: Record | PathLike,
    hardware: str | Sequence[str] | None = None,
    *,
    dataset: Dataset | PathLike | None = None,
    data_dir: PathLike | None = None,
    layout: Layout = "auto",
    progress: Progress | None = None,
) -> CostReport:
    """What the run of a record costs: exact counts, and energy and latency by published figures.

    Args:
        network: an integer one, in memory or the path of its file.
        record: a run of it, in memory or the path of its file.
        hardware: names; None for all there is.
        dataset: what the record was made with, so that input values that are zero are known; else none is taken to be.
        data_dir: the folder of data sets that do not come with the package.
        layout: of images, "chw" or "hwc"; "auto" takes what alone fits the network.
        progress: called with how much is done.

    Raises:
        InputError: a float network, a record of another network or without spikes, unknown hardware, or another data
            set.
    """
    source = network.source if isinstance(network, Graph | IntegerNetwork) else os.fspath(network)
    loaded = network if isinstance(network, Graph | IntegerNetwork) else load_network(network)
    if not isinstance(loaded, IntegerNetwork):
        raise InputError(f"{source}: is a float network; make an integer one first with: inflor quantize {source}")
    found = record if isinstance(record, Record) else records.read(record)
    if not isinstance(network, Graph | IntegerNetwork):
        _same_file(network, found)
    inputs = None
    if dataset is not None:
        data = load_dataset(dataset, data_dir, loaded, layout=layout)
        loaded = fitted(loaded, data)
        inputs = loaded.quantize_input(loaded.info.normalize(images_of(found, data)))
    watch = None if progress is None else lambda done, total: progress(done, total, "hardware")
    return count_and_multiply(loaded, found, None if hardware is None else names_of(hardware), inputs, watch)


def names_of(given: str | Sequence[str]) -> tuple[str, ...]:
    """One name, or several."""
    return (given,) if isinstance(given, str) else tuple(given)


def _same_file(path: PathLike, record: Record) -> None:
    """Raises InputError where the record says that it was made with another file."""
    known = record.run.get("sha256")
    if known is not None and record.run.get("target") != "float" and known != sha256(path):
        raise InputError(
            f"{record.path or 'the record'}: was not made with {os.fspath(path)} (their digests differ); "
            f"make one with: inflor run {os.fspath(path)} --out"
        )
