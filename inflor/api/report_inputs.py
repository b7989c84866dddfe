"""What a report is made from: files are read, checked against each other and remembered by their digests."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.api.checking import check as compare_targets
from inflor.api.loading import PathLike, Progress, load_dataset, load_network
from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.layout import Layout
from inflor.converter.datasets.load import is_at_hand
from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.conventions import Conventions
from inflor.converter.reading.checksum import verify_json
from inflor.converter.reading.json_text import read_json
from inflor.converter.reading.paths import sha256
from inflor.fit import fitted, images_of, same_samples, split_of
from inflor.page import chips, gather
from inflor.page.contents import Chip, Missing, Potentials, Source, Verdict
from inflor.quant.fix.report import QuantReport
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import registry
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.estimate import REFERENCES, estimate, refuse_float_run, title
from inflor.targets.cost.placing import place
from inflor.targets.cost.result import CostReport
from inflor.targets.mapping import CoreMap
from inflor.targets.record import file as records
from inflor.targets.record.file import Record

FLOAT_SAMPLES = 256
"""Most samples that a float network is run on here."""
NEEDS_FLOAT = "Give the float network with --float-model, or its record with --float-record."
NEEDS_MODEL = "Give the float network with --float-model."


class ReportInputs:
    """What one report is made from: what is loaded, where it came from, and what a reader must be told of it."""

    def __init__(
        self,
        network: PathLike,
        record: PathLike,
        dataset: Dataset | PathLike | None,
        data_dir: PathLike | None,
        layout: Layout,
        progress: Progress | None,
    ):
        loaded = load_network(network)
        if not isinstance(loaded, IntegerNetwork):
            raise InputError(
                f"{network}: is a float network; make an integer one first with: inflor quantize {network}"
            )
        self.record = records.read(record)
        refuse_float_run(self.record, os.fspath(network))
        self.network = records.as_recorded(loaded, self.record)
        self._given, self._data_dir, self._layout, self._progress = dataset, data_dir, layout, progress
        self._data: Dataset | None = None
        self._sources = [_source("integer network", network), _source("record", record)]
        self.warnings: list[str] = []
        if self.record.run.get("sha256", self._sources[0].digest) != self._sources[0].digest:
            self.warnings.append(
                f"{Path(record).name} was made from another version of {Path(network).name}: their digests differ."
            )

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(self._sources)

    def say(self, what: str) -> None:
        if self._progress is not None:
            self._progress(0, 1, what)

    def float_side(
        self, model: PathLike | None, record: PathLike | None, conventions: Conventions | None = None
    ) -> tuple[Graph | Missing, Record | None, str]:
        """The float network, a record of it, and what to give where there is none."""
        graph: Graph | Missing = Missing(NEEDS_MODEL)
        reference = None
        if model is not None:
            loaded = load_network(model, conventions)
            if not isinstance(loaded, Graph):
                raise InputError(f"{model}: is an integer network; `float_model` takes the one that it was made from")
            graph = loaded
            self._sources.append(_source("float network", model))
            made_from = self.network.info.provenance.get("sha256")
            if made_from is not None and made_from != self._sources[-1].digest:
                self.warnings.append(f"{Path(model).name} is not the file that the integer network was made from.")
        if record is not None:
            reference = self._float_record(record)
        elif isinstance(graph, Graph) and isinstance(self.data(), Dataset):
            self.say("running in float")
            reference = self._run_float(graph)
        why = NEEDS_FLOAT if model is None else str(getattr(self.data(), "why", NEEDS_FLOAT))
        return graph, reference, why

    def _float_record(self, path: PathLike) -> Record:
        found = records.read(path)
        if found.run.get("target") != "float":
            raise InputError(
                f"{path}: is a run on {found.run.get('target', 'an unnamed target')}; `float_record` takes one of the "
                "float network: inflor run model.nir --out"
            )
        records.as_recorded(self.network, found, of_float=True)
        if found.timesteps != self.record.timesteps:
            text = (
                f"is of {found.timesteps} timesteps, but {self.record.path or 'the record'} of {self.record.timesteps}"
            )
            raise InputError(text, path=path, option="float_record", mend="run the float network for as many")
        same_samples(self.record, found)
        self._sources.append(_source("float record", path))
        made_from, ran = self.network.info.provenance.get("sha256"), found.run.get("sha256")
        if None not in (made_from, ran) and made_from != ran:
            self.warnings.append(f"{Path(path).name} is not of the file that the integer network was made from.")
        return found

    def _run_float(self, graph: Graph) -> Record:
        from inflor.api.running import run

        data = self.data()
        assert isinstance(data, Dataset)
        samples = min(self.record.samples, FLOAT_SAMPLES)
        return run(
            graph,
            dataset=data,
            split=split_of(self.record),
            samples=samples,
            target="float",
            spikes=True,
            conventions=Conventions(timesteps=self.record.timesteps),
        )

    def data(self) -> Dataset | Missing:
        """The data set of the record: the one given, or one that its name alone finds."""
        if self._data is None:
            given, name = self._given, self.record.run.get("dataset")
            if given is None and name is not None and is_at_hand(name, self._data_dir):
                given = name
            if given is None:
                return Missing("Give the record's data set with --dataset.")
            data = load_dataset(given, self._data_dir, self.network, self._layout)
            self.network = fitted(self.network, data)
            images_of(self.record, data)
            self._data = data
        return self._data

    def _normalized(self, data: Dataset) -> npt.NDArray[np.float32]:
        return self.network.info.normalize(images_of(self.record, data))

    def losses(self, given: PathLike | Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
        """Layers of a quantization's report, by population."""
        if given is None:
            return {}
        if isinstance(given, Mapping):
            return _losses(given, "quantization", self.network)
        found = verify_json(read_json(given, "a report of inflor quantize"), os.fspath(given))
        if found.get("sha256", self._sources[0].digest) != self._sources[0].digest:
            text = f"is of another version of {Path(self.network.source).name}: their digests differ"
            raise InputError(text, path=given, mend="give what inflor quantize --report wrote with that file")
        layers = _losses(found, os.fspath(given), self.network)
        self._sources.append(_source("report of inflor quantize", given))
        return layers

    def verdict(self, path: PathLike | None, targets: Sequence[str], samples: int) -> Verdict | Missing:
        if path is not None:
            self._sources.append(_source("verdict of inflor check", path))
            return self._check_file(path)
        if not targets:
            return Missing(
                "Give what inflor check --json printed with --check, or targets to compare now with --targets."
            )
        data = self.data()
        if isinstance(data, Missing):
            raise InputError(f"`targets` {' '.join(targets)}: there is nothing to run; name the data with `dataset`")
        result = compare_targets(
            self.network, targets, dataset=data, split=split_of(self.record), samples=samples, progress=self._progress
        )
        return gather.verdict(result.as_dict(), "Compared for this page")

    def _check_file(self, path: PathLike) -> Verdict:
        found = verify_json(read_json(path, "what inflor check --json printed"), os.fspath(path))
        verdict = gather.verdict(found, f"Read from {Path(path).name}", os.fspath(path))
        mine = {p.name for p in self.record.populations if p.kind != "input"}
        if {*verdict.not_compared, *(layer["name"] for layer in verdict.layers)} != mine:
            raise InputError(f"{path}: compares other populations than those of {self.network.source}")
        digest = found.get("sha256")
        if digest is not None and digest != self._sources[0].digest:
            text = f"is of another version of {Path(self.network.source).name}: their digests differ"
            raise InputError(text, path=path, mend="compare again: inflor check --json")
        return verdict

    def potentials(self, graph: Graph | Missing) -> Potentials | Missing:
        if isinstance(graph, Missing):
            return graph
        data = self.data()
        if isinstance(data, Missing):
            return data
        self.say("counting potentials")
        try:
            return gather.potentials(graph, self.network, self._normalized(data))
        except InputError as error:
            return Missing(str(error))

    def estimate(self, hardware: Sequence[str] | None) -> CostReport | Missing:
        """Counts and estimates; which inputs are zero is known only where the data set is."""
        data, inputs = self.data(), None
        if isinstance(data, Dataset):
            inputs = self.network.quantize_input(self._normalized(data))
        try:
            found = estimate(self.network, self.record, None if hardware is None else tuple(hardware), inputs)
        except InputError as error:
            if hardware is not None:
                raise
            return Missing(f"{error}.")
        self.warnings += found.warnings
        return found

    def chips(self, hardware: Sequence[str] | None, costed: CostReport | Missing) -> tuple[Chip | Missing, ...]:
        """The cores of the hardware that has some, as the estimate placed them."""
        usual = (name for name, chip in registry.chips().items() if chip.by_default)
        wanted = tuple(h for h in dict.fromkeys(usual if hardware is None else hardware) if h not in REFERENCES)
        if not wanted:
            return (Missing("None of the hardware that was asked for has cores that can be drawn."),)
        known = {} if isinstance(costed, Missing) else costed.core_maps
        return tuple(self._chip(name, known) for name in wanted)

    def _chip(self, name: str, known: Mapping[str, CoreMap]) -> Chip | Missing:
        self.say(f"placing on {name}")
        try:
            return chips.chip(known[name] if name in known else place(Activity(self.network, self.record), name))
        except InputError as error:
            return Missing(f"{title(name)}: the network cannot be placed: {error}.")


def _losses(found: Mapping[str, Any], name: str, network: IntegerNetwork) -> dict[str, Mapping[str, Any]]:
    """Layers of a quantization's report, by population; refuses one of another network or of other options."""
    try:
        report = QuantReport.from_plain(found)
    except ValueError as error:
        raise InputError(f"{name}: is not what inflor quantize --report writes: {error}") from error
    if odd := _differ(report, network):
        raise InputError(
            f"{name}: is of another quantization than {network.source}: {odd}; give what inflor quantize --report "
            "wrote with that file"
        )
    return {layer["population"]: layer for layer in report.as_dict()["layers"]}


def _differ(report: QuantReport, network: IntegerNetwork) -> str:
    """What a quantization's report says otherwise than the network, or nothing."""
    mine = {p.name: p for p in network.populations if p.role != "input"}
    if sorted(layer.population for layer in report.layers) != sorted(mine):
        return f"it has the populations {', '.join(layer.population for layer in report.layers)}"
    options = network.info.provenance.get("options")
    for key in ("bits", "granularity"):
        known, said = options.get(key) if isinstance(options, Mapping) else None, getattr(report, key)
        if known is not None and said != known:
            return f"its {key} is {said}, not {known}"
    for layer in report.layers:
        p = mine[layer.population]
        threshold = None if p.role == "readout" else (int(p.rule.threshold.min()), int(p.rule.threshold.max()))
        pairs = {
            "bits": (layer.bits, p.weight_bits),
            "shape": (layer.shape, p.shape),
            "threshold": (layer.threshold, threshold),
        }
        for what, (theirs, ours) in pairs.items():
            if theirs != ours:
                return f"the {what} of {layer.population!r} is {_listed(theirs)}, not {_listed(ours)}"
    return ""


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _source(role: str, path: PathLike) -> Source:
    return Source(role, Path(path).name, sha256(path), os.path.getsize(path))
