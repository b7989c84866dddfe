"""What a run produced: spikes per population, outputs and counts, in memory or in a file `record.h5`.

Layout of the file:

    attributes                    format "inflor-record", schema 2, timesteps, samples, and sha256 of all that follows
    run                           JSON, in UTF-8: what produced it
    populations/<name>            attributes shape, kind, depth, size
    populations/<name>/counts     int64 [samples], spikes of the sample
    populations/<name>/spikes     uint8 [samples, T, ceil(size / 8)], bit i of byte j is neuron 8 j + i (row-major)
    outputs/<name>                [samples, T, size], the membrane potential of a readout after each step
    predictions, labels           int64 [samples]; labels are -1 where unknown
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError, reason
from inflor.converter.reading.checksum import ATTRIBUTE, verify
from inflor.converter.reading.hdf5 import HDF5_ERRORS, members, opened, plain_attribute
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.record import checks as record_checks

FORMAT, SCHEMA = "inflor-record", 2


@dataclass(frozen=True, kw_only=True)
class RecordedPopulation:
    """What a run records of a population.

    Attributes:
        name: of the population.
        shape: of its neurons, without batch.
        kind: "if", "lif", "cuba_lif" or "readout".
        depth: longest path from an input.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    depth: int

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def rates_of(
    populations: Iterable[RecordedPopulation],
    counts: Mapping[str, npt.NDArray[np.int64]],
    timesteps: int,
    samples: int,
) -> dict[str, float]:
    """Spikes per neuron and step of every population that fires."""
    sizes = {p.name: p.size * timesteps * max(samples, 1) for p in populations}
    return {name: float(fired.sum()) / sizes[name] for name, fired in counts.items()}


def recorded_populations(network: IntegerNetwork) -> tuple[RecordedPopulation, ...]:
    """What a run of an integer network records: every population but the input."""
    return tuple(
        RecordedPopulation(name=p.name, shape=p.shape, kind=p.kind, depth=network.depth[p.name])
        for p in network.populations
        if p.role != "input"
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Record:
    """A finished run.

    Attributes:
        populations: what was recorded.
        timesteps: T.
        counts: spikes of each population that fires, int64 [samples].
        outputs: potentials of each readout after every step, [samples, T, size].
        predictions: the class of each sample, int64 [samples].
        labels: the right ones, int64 [samples]; None where they are not known.
        overflows: neuron-steps of each population whose state left the arithmetic's width.
        run: what produced it, plain data.
        packed: the spikes, bit-packed, of a run that is in memory.
        path: of its file; None where it is in memory.
        digest: the checksum of its file, by which it is told from one that is written over it.
    """

    populations: tuple[RecordedPopulation, ...]
    timesteps: int
    counts: Mapping[str, npt.NDArray[np.int64]]
    outputs: Mapping[str, npt.NDArray[Any]]
    predictions: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64] | None = None
    overflows: Mapping[str, int] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    packed: Mapping[str, npt.NDArray[np.uint8]] | None = None
    path: str | None = None
    digest: str = ""

    @property
    def samples(self) -> int:
        return len(self.predictions)

    @property
    def accuracy(self) -> float | None:
        """Fraction of correct predictions, or None without labels."""
        return None if self.labels is None else float((self.predictions == self.labels).mean())

    @property
    def rates(self) -> dict[str, float]:
        """Spikes per neuron and step of every population that fires."""
        return rates_of(self.populations, self.counts, self.timesteps, self.samples)

    def spikes(self, name: str, samples: slice = slice(None)) -> npt.NDArray[np.bool_]:
        """Spikes of one population, bool [samples, T, *shape].

        Raises:
            InputError: the population or its spikes were not recorded.
        """
        population = next((p for p in self.populations if p.name == name), None)
        if population is None or population.kind in record_checks.SILENT_KINDS:
            raise InputError(f"the record has no spikes of a population {name!r}")
        if self.packed is not None:
            packed = self.packed[name][samples]
        elif self.path is not None:
            packed = _stored_spikes(self.path, self.digest, name, samples)
        else:
            raise InputError("this run kept no spikes; run it again, `spikes=True`")
        bits = np.unpackbits(packed, axis=-1, count=population.size, bitorder="little")
        return bits.astype(bool).reshape(*packed.shape[:2], *population.shape)


def _stored_spikes(path: str, digest: str, name: str, samples: slice) -> npt.NDArray[np.uint8]:
    try:
        with h5py.File(path, "r") as file:
            if plain_attribute(file, ATTRIBUTE) != digest:
                raise InputError("was written anew since it was read; load it again", path=path)
            group = file["populations"][name]
            if "spikes" not in group:
                raise InputError(f"{path}: was written without spikes; run it again, `spikes=True`")
            packed: npt.NDArray[np.uint8] = group["spikes"][samples]
            return packed
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: its spikes of {name!r} cannot be read ({reason(error)}); make it again") from error


def as_recorded(network: IntegerNetwork, record: Record, of_float: bool = False) -> IntegerNetwork:
    """The network as it ran for a record of it: with the record's timesteps.

    Args:
        of_float: the record is of the float network that it was made from, which may lack readouts: quantizing adds one
            behind a linear node at the end.

    Raises:
        InputError: the record is of another network; says what differs. Or it predicts a class that there is not.
    """
    mine, theirs = (
        {p.name: (p.shape, p.kind == "readout") if of_float else (p.shape, p.kind, p.depth) for p in ps}
        for ps in (recorded_populations(network), [p for p in record.populations if p.kind != "input"])
    )
    info = network.info
    odd = sorted({name for name, (_, kind, *_) in mine.items() ^ theirs.items() if not (of_float and kind is True)})
    if odd:
        raise InputError(
            f"{record.path or 'the record'}: is no record of {network.source or 'this network'}; they differ in "
            f"population {', '.join(map(repr, odd))}; make one: run {network.source or 'it'} with `out`"
        )
    classes, largest = network.by_name[network.outputs[0]].size, int(record.predictions.max(initial=0))
    if largest >= classes:
        raise InputError(
            f"{record.path or 'the record'}: predicts class {largest}, but {network.source or 'this network'} has "
            f"{classes} classes; make another: run {network.source or 'it'} with `out`"
        )
    return replace(network, info=replace(info, timesteps=record.timesteps, says_timesteps=True))


@dataclass(frozen=True, eq=False, kw_only=True)
class Batch:
    """What a target hands over for some samples.

    Attributes:
        spikes: of each population that fires, bool [T, B, *shape]; None where they are not wanted.
        counts: of each population that fires, int64 [B].
        outputs: potentials of each readout after every step, [T, B, *shape].
        predictions: the class of each sample, int64 [B].
        overflows: neuron-steps of each population whose state left the arithmetic's width.
    """

    spikes: Mapping[str, npt.NDArray[np.bool_]] | None
    counts: Mapping[str, npt.NDArray[np.int64]]
    outputs: Mapping[str, npt.NDArray[Any]]
    predictions: npt.NDArray[np.int64]
    overflows: Mapping[str, int] = field(default_factory=dict)


def batch_of(
    network: IntegerNetwork, sent: Mapping[str, npt.NDArray[Any]], overflows: Mapping[str, int] | None = None
) -> Batch:
    """A batch of what every population sent.

    Args:
        sent: of each population but the input its spikes, or the potentials of a readout, [T, samples, *shape].
        overflows: neuron-steps whose state left the arithmetic's width, by population.
    """
    potentials = {name: values for name, values in sent.items() if network.by_name[name].role == "readout"}
    spikes = {name: values != 0 for name, values in sent.items() if name not in potentials}
    counts = {name: fired.sum((0, *range(2, fired.ndim)), dtype=np.int64) for name, fired in spikes.items()}
    answer = network.outputs[0]
    scores = potentials[answer][-1] if answer in potentials else spikes[answer].sum(0)
    return Batch(
        spikes=spikes,
        counts=counts,
        outputs=potentials,
        predictions=network.predictions(scores),
        overflows=overflows or {},
    )


def read(path: str | os.PathLike[str]) -> Record:
    """Open a record file; spikes are read from it when asked for.

    Raises:
        InputError: the file is missing, damaged, no record, or holds what no run writes; see
        `inflor.targets.record.checks`.
    """
    with opened(path, "a record", "make one: run the network with `out`", texts=False) as file:
        try:
            if "populations" not in file or "schema" not in file.attrs:
                raise InputError(f"{path}: is not a record; make one: run the network with `out`")
            schema = record_checks.attribute(file, "schema", 1)
            if schema != SCHEMA:
                version = f"{'an earlier' if schema < SCHEMA else 'a later'} version (schema {schema}, not {SCHEMA})"
                raise InputError(f"{path}: is a record of {version}; make it again: run the network with `out`")
            if plain_attribute(file, "format") != FORMAT:
                raise InputError(f"{path}: is not a record; make one: run the network with `out`")
            return _read(file, str(path))
        except HDF5_ERRORS as error:
            raise InputError(
                f"{path}: cannot be read as a record ({reason(error)}); make one: run the network with `out`"
            ) from error


def _read(file: h5py.File, path: str) -> Record:
    top = members(file)
    groups = members(record_checks.group(top, "populations"))
    timesteps, samples = record_checks.attribute(file, "timesteps", 1), record_checks.attribute(file, "samples", 0)
    populations, counts, digests = {}, {}, {}
    for name, group in groups.items():
        shape, kind, depth = record_checks.population(group)
        population = populations[name] = RecordedPopulation(name=name, shape=shape, kind=kind, depth=depth)
        if kind not in record_checks.SILENT_KINDS:
            most = population.size * timesteps
            counts[name] = record_checks.array(group, "counts", (samples,), least=0, most=most)
            if "spikes" in group:
                shape = (samples, timesteps, -(-population.size // 8))
                digests[name] = record_checks.packed_spikes(group, shape, counts[name])
    outputs = {}
    for name in members(record_checks.group(top, "outputs")) if "outputs" in top else ():
        if name not in populations or populations[name].kind != "readout":
            raise ValueError(f"/outputs: {name!r} is no readout of the record")
        shape = (samples, timesteps, populations[name].size)
        outputs[name] = record_checks.array(top["outputs"], name, shape, "if")
    labels = record_checks.array(file, "labels", (samples,), least=-1)
    text = record_checks.text(top, "run")
    run = record_checks.about(text)
    record = Record(
        populations=tuple(sorted(populations.values(), key=lambda p: p.depth)),
        timesteps=timesteps,
        counts=counts,
        outputs=outputs,
        predictions=record_checks.array(file, "predictions", (samples,), least=0),
        labels=None if (labels < 0).all() else labels,
        overflows={n: record_checks.attribute(g, "overflows", 0) for n, g in groups.items() if "overflows" in g.attrs},
        run=run,
        path=path,
    )
    verify(file, content(record, text, digests), path, needed=True)
    return replace(record, digest=plain_attribute(file, ATTRIBUTE))


def content(record: Record, run: str, spikes: Mapping[str, str]) -> dict[str, Any]:
    """What the checksum of a record's file is of.

    Args:
        run: the text of this name.
        spikes: SHA-256 of the packed spikes of every population whose spikes are kept.
    """
    return {
        "timesteps": record.timesteps,
        "samples": record.samples,
        "run": run,
        "populations": {p.name: {"shape": p.shape, "kind": p.kind, "depth": p.depth} for p in record.populations},
        "overflows": {name: count for name, count in record.overflows.items() if count},
        "spikes": spikes,
        "counts": record.counts,
        "outputs": record.outputs,
        "predictions": record.predictions,
        "labels": np.full(record.samples, -1) if record.labels is None else record.labels,
    }
