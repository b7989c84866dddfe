"""inflor.run"""

from __future__ import annotations

from typing import Any

from inflor.api.checking import own_options
from inflor.api.loading import Network, PathLike, Progress, load_dataset, network_of, refuse_overwrite
from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.layout import Layout
from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.conventions import Conventions, reading_notes
from inflor.converter.reading.paths import sha256
from inflor.fit import fitted
from inflor.provenance import versions
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import running
from inflor.targets.record.file import Record


def run(
    network: Network | PathLike,
    *,
    dataset: Dataset | PathLike,
    split: str = "test",
    samples: int | None = None,
    target: str | None = None,
    out: PathLike | None = None,
    spikes: bool | None = None,
    data_dir: PathLike | None = None,
    layout: Layout = "auto",
    conventions: Conventions | None = None,
    strict: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Record:
    """Run the first `samples` (None: all) of a split on a target; the record is written to `out` if it is given.

    Args:
        network: in memory, or the path of its file.
        dataset: in memory, or its name, or the path of a file.
        split: "train" or "test".
        samples: the first of them; None for all.
        target: None for "float" where the network is a float one, else "cpu".
        out: the record's file.
        spikes: keep every one, in the file or in memory; None keeps them where there is a file.
        data_dir: the folder of data sets that do not come with the package.
        layout: of images, "chw" or "hwc"; "auto" takes what alone fits the network.
        conventions: what a float file does not say about time, and for how many steps any network is run.
        strict: refuse inputs outside the range calibrated, and potentials that leave the target's width.
        progress: called with how much is done.
        options: of the target, e.g. `state_bits` of "cpu"; see `inflor targets NAME`.

    Raises:
        InputError: the data do not fit the network (names both), or the target refuses it. MissingPartError: the target
            is not installed.
    """
    if samples is not None and samples < 1:
        raise InputError(f"{samples} samples: run at least 1")
    refuse_overwrite(out, network, dataset, *options.values())
    about: dict[str, Any] = {}
    if not isinstance(network, Graph | IntegerNetwork):
        about["sha256"] = sha256(network)
    network = network_of(network, conventions)
    notes = reading_notes(network) if isinstance(network, Graph) else network.info.provenance.get("assumed", ())
    data = load_dataset(dataset, data_dir, network, layout=layout)
    network = fitted(network, data)
    images, labels = data.split(split)
    x, y = network.info.normalize(images[:samples]), labels[:samples]
    about |= {"dataset": data.name, "split": split, "samples": len(x), "versions": versions()}
    name = target or ("float" if isinstance(network, Graph) else "cpu")
    return running.run(
        network,
        name,
        x,
        y,
        out=out,
        keep_spikes=spikes,
        options=own_options(name, options),
        provenance=about,
        notes=notes,
        strict=strict,
        progress=None if progress is None else lambda done, total: progress(done, total, "samples"),
    )
