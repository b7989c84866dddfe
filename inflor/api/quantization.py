"""inflor.quantize"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inflor.api.loading import PathLike, Progress, load_dataset, network_of, refuse_overwrite
from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.layout import Layout
from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.conventions import Conventions, reading_notes
from inflor.converter.reading.paths import sha256
from inflor.fit import fitted
from inflor.provenance import made_from, versions
from inflor.quant import file as integer_nir
from inflor.quant.fix import pipeline as stage2
from inflor.quant.fix.options import Granularity, Options
from inflor.quant.fix.report import QuantReport
from inflor.quant.ir.network import IntegerNetwork


@dataclass(frozen=True)
class Quantized:
    """An integer network.

    Attributes:
        network: what was made.
        report: what rounding cost.
        path: where it was written, None if nowhere.
        notes: what was assumed of the file, for the user.
    """

    network: IntegerNetwork
    report: QuantReport
    path: Path | None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, with the digest of the file that it is of."""
        written = {} if self.path is None else {"sha256": sha256(self.path)}
        return {**self.report.as_dict(), **written}


def quantize(
    graph: Graph | PathLike,
    *,
    conventions: Conventions | None = None,
    calibrate: Dataset | PathLike,
    bits: int = 8,
    layer_bits: Mapping[str, int] | None = None,
    granularity: Granularity = "channel",
    samples: int = 256,
    clip: bool = True,
    compensate: bool = True,
    correct_bias: bool = True,
    decay_bits: int = 12,
    fraction_bits: int | None = None,
    seed: int = 0,
    data_dir: PathLike | None = None,
    layout: Layout = "auto",
    out: PathLike | None = None,
    progress: Progress | None = None,
) -> Quantized:
    """Fix a float graph to integers, calibrated on the train split of a data set; written to `out` if it is given.

    Args:
        graph: a float network, or the path of its file.
        conventions: what the file does not say about time, and the number of steps.
        calibrate: the data set whose train split chooses the numbers.
        bits: of the weights, 2 to 8.
        layer_bits: of the weights into the populations named, where others than `bits`.
        granularity: one scale per output "channel", or per "population".
        samples: most calibration samples used.
        clip: choose the step of the weights by the output's error instead of by the largest weight.
        compensate: let the roundings of one output make up for each other.
        correct_bias: make the mean current of every channel what it was in float.
        decay_bits: of what leaky and current-based neurons lose per step, 8 to 24.
        fraction_bits: of their states, 0 to 16; 6 as in Loihi's stock neurons. None: 6, or fewer where states that fade
            slowly would leave the weights few levels.
        seed: draws the samples.
        data_dir: the folder of data sets that do not come with the package.
        layout: of images, "chw" or "hwc"; "auto" takes what alone fits the network.
        out: the file to write.
        progress: called with how much is done.

    Raises:
        InputError: the graph has no integer form, or the data do not fit it; names both.
    """
    options = Options(
        bits=bits,
        layer_bits=dict(layer_bits or {}),
        granularity=granularity,
        clip=clip,
        compensate=compensate,
        correct_bias=correct_bias,
        samples=samples,
        seed=seed,
        decay_bits=decay_bits,
        fraction_bits=fraction_bits,
    )
    source = graph.source if isinstance(graph, Graph) else os.fspath(graph)
    before = {"made_from": source} if isinstance(graph, Graph) else made_from(graph)
    read = network_of(graph, conventions)
    if not isinstance(read, Graph):
        raise InputError(f"{source}: is an integer network already; quantize the float file that it was made from")
    refuse_overwrite(out, source, calibrate)
    data = load_dataset(calibrate, data_dir, read, layout=layout)
    notes = reading_notes(read)
    fitting = fitted(read, data)
    watch = None if progress is None else lambda name, done, total: progress(done, total, name)
    network, report = stage2.quantize(fitting, fitting.info.normalize(data.x_train), data.y_train, options, watch)
    provenance = {
        **before,
        "calibration": {"dataset": data.name, "split": "train", "samples": report.samples},
        "options": options.as_dict(),
        "versions": versions(),
        "float": dict(fitting.info.provenance),
        **({"assumed": notes} if notes else {}),
    }
    network = replace(network, info=replace(network.info, provenance=provenance))
    if out is not None:
        integer_nir.write(out, network)
    return Quantized(network, report, None if out is None else Path(out), tuple(notes))
