"""inflor.compare"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from inflor.api.estimating import names_of
from inflor.api.loading import PathLike, Progress, load_dataset, load_network, refuse_overwrite
from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.layout import Layout
from inflor.converter.errors import InputError
from inflor.converter.reading.paths import sha256
from inflor.fit import fitted
from inflor.page import comparison, costs
from inflor.page.comparison import Candidate, Comparison
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import running
from inflor.targets.cost.estimate import estimate
from inflor.targets.cost.estimate import hardware as known_hardware
from inflor.targets.cost.result import CostReport
from inflor.targets.record.file import Record


def compare(
    networks: PathLike | Sequence[PathLike],
    *,
    dataset: Dataset | PathLike,
    split: str = "test",
    samples: int | None = 256,
    hardware: str | Sequence[str] | None = None,
    out: PathLike | None = None,
    data_dir: PathLike | None = None,
    layout: Layout = "auto",
    progress: Progress | None = None,
) -> Comparison:
    """Run integer networks on the same samples of a split, and estimate what each costs.

    Args:
        networks: the paths of integer networks.
        dataset: in memory, or its name, or the path of a file.
        split: "train" or "test".
        samples: the first of them; None for all.
        hardware: to estimate; None for what is compared by default (`Chip.by_default`).
        out: a page (.html) or the plot alone (.png, .svg).
        data_dir: the folder of data sets that do not come with the package.
        layout: of images, "chw" or "hwc"; "auto" takes what alone fits the networks.
        progress: called with how much is done.

    Raises:
        InputError: fewer than two networks, a float one, data that do not fit one of them, unknown hardware, or another
            suffix of `out`. MissingPartError: a picture needs matplotlib.
    """
    networks = [networks] if isinstance(networks, str | os.PathLike) else list(networks)
    if len(networks) < 2:
        raise InputError("compare two or more networks; inflor report shows one")
    if samples is not None and samples < 1:
        raise InputError(f"{samples} samples: run at least 1")
    refuse_overwrite(out, *networks, dataset)
    if out is not None:
        comparison.check_format(out)
    wanted = names_of(hardware or [name for name, chip in known_hardware().items() if chip.by_default])
    found: list[Candidate] = []
    notes: list[str] = []
    sources: list[str] = []
    for number, path in enumerate(networks):
        if progress is not None:
            progress(number, len(networks), Path(path).name)
        network = load_network(path)
        if not isinstance(network, IntegerNetwork):
            raise InputError(f"{path}: is a float network; make an integer one first with: inflor quantize {path}")
        data = load_dataset(dataset, data_dir, network, layout=layout)
        network = fitted(network, data)
        images, labels = data.split(split)
        x = network.info.normalize(images[:samples])
        record = running.run(network, "cpu", x, labels[:samples], keep_spikes=True)
        costed = estimate(network, record, wanted, network.quantize_input(x))
        found.append(_candidate(path, network, record, costed))
        notes += costs.costs(costed).notes
        sources += costs.sources(costs.costs(costed))
    names = [c.name for c in found]
    shown = comparison.labels(names, [c.bits for c in found], [c.timesteps for c in found])
    named = [replace(c, label=label) for c, label in zip(found, shown, strict=True)]
    ordered = tuple(sorted(named, key=lambda c: (c.bits, c.timesteps)))
    count = len(images[:samples])
    said = (tuple(dict.fromkeys(notes)), tuple(dict.fromkeys(sources)))
    result = Comparison(f"{data.name} {split}", count, ordered, *said)
    if out is not None:
        comparison.write(result, out)
    return replace(result, path=None if out is None else os.fspath(out))


def _candidate(path: PathLike, network: IntegerNetwork, record: Record, costed: CostReport) -> Candidate:
    bits = [p.weight_bits for p in network.populations if p.role != "input"]
    plain = costs.costs(costed)
    return Candidate(
        "",
        Path(path).name,
        sha256(path),
        (min(bits), max(bits)),
        network.info.timesteps,
        sum(p.size for p in network.populations if p.role != "input"),
        record.accuracy,
        plain.counts["spikes"],
        plain.counts["synaptic_events"],
        plain.counts["memory_bytes"],
        tuple(
            {k: h[k] for k in ("name", "hardware", "title", "ann", "energy", "latency", "cores")}
            for h in plain.hardware
        ),
    )
