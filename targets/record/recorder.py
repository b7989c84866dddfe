"""What a target hands over batch by batch, checked against its promise: into memory, or streamed to a record's file.

`inflor.targets.record.file` says how that is laid out.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from inflor.converter.errors import SimulationError
from inflor.converter.files import atomic_path
from inflor.converter.reading.checksum import sign
from inflor.targets.record import checks as record_checks
from inflor.targets.record.file import FORMAT, SCHEMA, Batch, Record, RecordedPopulation, content
from inflor.targets.record.spool import Spool


class Recorder:
    """Collects a run batch by batch, spikes into an open file where there is one and else into memory."""

    def __init__(
        self,
        populations: Sequence[RecordedPopulation],
        timesteps: int,
        samples: int,
        keep_spikes: bool,
        file: h5py.File | None = None,
        path: str | None = None,
        check: Callable[[], None] = lambda: None,
        target: str = "",
        whole: bool = False,
    ):
        self.populations, self.timesteps, self.samples = tuple(populations), timesteps, samples
        self.keep_spikes, self.done, self._file, self._path = keep_spikes, 0, file, path
        self._check, self._target, self._whole = check, target, whole
        firing = [p for p in self.populations if p.kind not in record_checks.SILENT_KINDS]
        self.counts = {p.name: np.zeros(samples, np.int64) for p in firing}
        self._outputs: dict[str, npt.NDArray[Any]] = {}
        self._predictions = np.zeros(samples, np.int64)
        self._overflows: dict[str, int] = {}
        self._packed: dict[str, Any] = {}
        self._digests = {p.name: hashlib.sha256() for p in firing} if keep_spikes and file is not None else {}
        for p in self.populations:
            if file is None:
                break
            group = file.create_group(f"populations/{p.name}")
            group.attrs.update(shape=np.array(p.shape), kind=np.bytes_(p.kind), depth=p.depth, size=p.size)
        for p in firing if keep_spikes else ():
            shape = (samples, timesteps, -(-p.size // 8))
            if file is None:
                self._packed[p.name] = np.zeros(shape, np.uint8)
            else:
                self._packed[p.name] = file.create_dataset(
                    f"populations/{p.name}/spikes", shape, np.uint8, chunks=(1, *shape[1:]), compression="lzf"
                )

    def add(self, batch: Batch) -> None:
        """Append the next samples, in their order.

        Raises:
            SimulationError: the batch lacks a population that was to be recorded, or is of more samples than are due.
        """
        self._refuse_gaps(batch)
        where = slice(self.done, self.done + len(batch.predictions))
        for name, count in batch.counts.items():
            self.counts[name][where] = count
        for name, spikes in (batch.spikes or {}).items() if self.keep_spikes else ():
            flat = np.moveaxis(spikes, 0, 1).reshape(spikes.shape[1], spikes.shape[0], -1)
            packed = np.packbits(flat, axis=-1, bitorder="little")
            self._packed[name][where] = packed
            if self._digests:
                self._digests[name].update(np.ascontiguousarray(packed).data)
        for name, values in batch.outputs.items():
            flat = np.moveaxis(values, 0, 1).reshape(values.shape[1], values.shape[0], -1)
            if name not in self._outputs:
                self._outputs[name] = np.zeros((self.samples, *flat.shape[1:]), flat.dtype)
            self._outputs[name][where] = flat
        for p in self.populations:  # what a target puts between them, such as relays, is its own affair
            if p.name in batch.overflows:
                self._overflows[p.name] = self._overflows.get(p.name, 0) + batch.overflows[p.name]
        self._predictions[where] = batch.predictions
        self.done = where.stop
        self._check()

    def finish(self, labels: npt.NDArray[np.int64] | None, run: Mapping[str, Any]) -> Record:
        """The record of all samples.

        Args:
            run: what produced it, as plain data.

        Raises:
            SimulationError: not every sample was recorded.
        """
        if self.done != self.samples:
            raise SimulationError(f"{self._who}: recorded {self.done} of {self.samples} samples")
        record = Record(
            populations=self.populations,
            timesteps=self.timesteps,
            counts=self.counts,
            outputs=self._outputs,
            predictions=self._predictions,
            labels=labels,
            overflows=self._overflows,
            run=run,
            packed=self._packed if self._file is None and self.keep_spikes else None,
            path=self._path,
        )
        return record if self._file is None else replace(record, digest=self._write_rest(self._file, record))

    @property
    def overflows(self) -> Mapping[str, int]:
        """Neuron-steps of each population whose state left the arithmetic's width, so far."""
        return self._overflows

    @property
    def _who(self) -> str:
        return f"target {self._target!r}" if self._target else "the run"

    def _refuse_gaps(self, batch: Batch) -> None:
        """A population that is promised and not delivered would be compared, or counted, as silence."""
        size = len(batch.predictions)
        if self.done + size > self.samples:
            raise SimulationError(f"{self._who}: recorded more than {self.samples} samples")
        firing = {p.name for p in self.populations if p.kind not in record_checks.SILENT_KINDS}
        readouts = {p.name for p in self.populations if p.kind == "readout"}
        parts = [(batch.counts, firing, "spike counts"), (batch.outputs, readouts, "potentials")]
        if self.keep_spikes:
            parts.append((batch.spikes or {}, firing, "spikes"))
        for found, due, what in parts:
            if odd := sorted(set(found) ^ due):
                kind = "did not record" if odd[0] in due else "recorded, without being due, the"
                raise SimulationError(f"{self._who}: {kind} {what} of population {odd[0]!r}")
        for name, count in batch.counts.items():
            if np.shape(count) != (size,):
                raise SimulationError(f"{self._who}: counted {np.shape(count)} of population {name!r}, not ({size},)")
        for p in self.populations:
            held = batch.outputs.get(p.name) if p.name in readouts else (batch.spikes or {}).get(p.name)
            shape = (self.timesteps, size, *p.shape)
            if held is not None and held.shape != shape:
                raise SimulationError(f"{self._who}: recorded {held.shape} of population {p.name!r}, not {shape}")
            if held is not None:
                self._refuse_numbers(p, held, batch)

    def _refuse_numbers(self, p: RecordedPopulation, held: npt.NDArray[Any], batch: Batch) -> None:
        """Spikes that are no spikes, counts that contradict them, and potentials that a record would change."""
        if p.kind != "readout":
            if held.dtype != np.bool_:
                raise SimulationError(f"{self._who}: spikes of population {p.name!r} are {held.dtype}, not bool")
            if (np.count_nonzero(held, axis=(0, *range(2, held.ndim))) != batch.counts[p.name]).any():
                raise SimulationError(f"{self._who}: spike counts of population {p.name!r} are not those of its spikes")
            return
        if self._whole and not np.issubdtype(held.dtype, np.integer):
            raise SimulationError(f"{self._who}: potentials of population {p.name!r} are {held.dtype}, not integers")
        before = self._outputs.get(p.name, held).dtype
        if held.dtype != before:
            raise SimulationError(f"{self._who}: potentials of population {p.name!r} are {held.dtype} after {before}")

    def _write_rest(self, file: h5py.File, record: Record) -> str:
        """Write what comes after the last sample, and the checksum of all; returns that."""
        run = json.dumps(record.run)
        # Texts of fixed length: those of variable length lie in heaps, which HDF5 reads without care.
        about = {"schema": SCHEMA, "timesteps": self.timesteps, "samples": self.samples}
        file.attrs.update(format=np.bytes_(FORMAT), **about)
        file["run"] = np.bytes_(run)
        for name, counts in self.counts.items():
            file[f"populations/{name}/counts"] = counts
        for name in dict.fromkeys((*self.counts, *self._overflows)):
            file[f"populations/{name}"].attrs["overflows"] = self._overflows.get(name, 0)
        for name, values in self._outputs.items():
            file[f"outputs/{name}"] = values
        whole = content(record, run, {name: digest.hexdigest() for name, digest in self._digests.items()})
        file["predictions"], file["labels"] = whole["predictions"], whole["labels"]
        return sign(file, whole)


@contextlib.contextmanager
def recording(
    populations: Sequence[RecordedPopulation],
    timesteps: int,
    samples: int,
    path: str | os.PathLike[str] | None = None,
    keep_spikes: bool = True,
    target: str = "",
    whole: bool = False,
) -> Iterator[Recorder]:
    """A recorder for one run. With `path`, the file appears there when the block ends without an error.

    Args:
        target: who records, for messages.
        whole: potentials have to be integers.

    Raises:
        InputError: the file cannot be written.
    """
    if path is None:
        yield Recorder(populations, timesteps, samples, keep_spikes, target=target, whole=whole)
        return
    with atomic_path(path) as temporary, Spool(temporary) as spool, h5py.File(spool, "w") as file:
        yield Recorder(populations, timesteps, samples, keep_spikes, file, str(path), spool.check, target, whole)
