"""inflor.convert, and what writes a network in another tool's format."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from inflor.api.loading import PathLike, kind_of, load_network, refuse_overwrite
from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import RECURRENT_KEY, Graph
from inflor.converter.nir.metadata import RECTIFIED
from inflor.converter.passes import refuse_max_pools
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.conventions import Conventions, in_steps, reading_notes
from inflor.converter.passes.pipelines import for_readers, notes_for_readers
from inflor.converter.primitives.dynamics import check_time
from inflor.converter.train import checkpoint, export
from inflor.converter.train.metrics import note_on
from inflor.provenance import made_from
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import registry
from inflor.targets.api import Export

SHOWN = 8
"""Most edges that a note lists."""


@dataclass(frozen=True)
class Conversion:
    """A float graph. notes: what changed its form, for the user. path: where it was written, None if nowhere."""

    graph: Graph
    notes: tuple[str, ...]
    path: Path | None


def convert(
    model: PathLike,
    out: PathLike | None = None,
    *,
    conventions: Conventions | None = None,
    portable: bool = False,
    step: float | None = None,
) -> Conversion:
    """A model.pt as a float NIR graph, or a .nir file validated; written to `out` if it is given.

    Args:
        model: the path of a model.pt or of a .nir.
        out: the .nir to write.
        conventions: what a .nir of another framework does not say about time; what is written says it.
        portable: say soft resets in plain NIR and leave integrators at the end out, for readers that know nothing of
            our metadata.
        step: write times in a unit in which a step is so long, for readers that know one step only.

    Raises:
        InputError: the file is damaged, not a valid network, contradicts the conventions, or `out` is the file itself;
            a neuron has no portable form.
    """
    refuse_overwrite(out, model)
    if kind_of(model) == "checkpoint":
        if conventions is not None and conventions.given:
            raise InputError("says what its step is", path=model, mend="of the options of time, give `timesteps` alone")
        network, info = checkpoint.load_model(model)
        trained = {"trained_with": info.version} | ({RECTIFIED: True} if network.neuron.mpr else {})
        provenance = made_from(model, **(trained | dict(info.provenance)))
        graph, notes = export.to_nir(network, replace(info, provenance=provenance))
        graph = replace(graph, info=in_steps(graph.info, conventions))
        notes = [*notes, *filter(None, [note_on(model)])]
    else:
        graph, notes = nir_file.read(model, conventions), []
        notes += reading_notes(graph)
        if graph.info.stage == "float":
            notes += _time_notes(graph)
        notes += _cycle_notes(graph)
    notes = [*notes, *refuse_max_pools.notes(graph)]
    if portable:
        if graph.info.stage == "integer":
            raise InputError(
                f"{os.fspath(model)}: is an integer network, whose readouts and resets inflor needs as they are; make "
                "a portable file of the float network that it was made from"
            )
        notes = [note for note in notes if not note.startswith(export.SOFT_RESET)] + notes_for_readers(graph)
    graph = run_passes(graph, for_readers(portable, step))
    if out is not None:
        nir_file.write_graph(out, graph)
    return Conversion(graph, tuple(notes), None if out is None else Path(out))


def _cycle_notes(graph: Graph) -> list[str]:
    """Which edges of a graph's cycles wait a step, where its file does not say so."""
    if not graph.recurrent or RECURRENT_KEY in graph.metadata:
        return []
    edges = [f"{start} -> {end}" for start, end in graph.recurrent]
    more = f" and {len(edges) - SHOWN} more" if len(edges) > SHOWN else ""
    return [f"It has cycles. What these edges bring is of the step before: {', '.join(edges[:SHOWN])}{more}."]


def _time_notes(graph: Graph) -> list[str]:
    """What keeps a valid graph from being run as it is."""
    try:
        check_time(graph)
    except InputError as error:
        return [f"It cannot be run yet: {error}."]
    return []


def export_to(model: PathLike, form: str, out: PathLike) -> tuple[str, ...]:
    """Write an integer network in another tool's format; returns notes for the user.

    Args:
        form: the name of an export of one of the targets, e.g. "netx" or "spynnaker".

    Raises:
        InputError: no such form, a float network, or one that the form cannot express; names the node that it cannot.
    """
    known = exports()
    if form not in known:
        raise InputError(f"unknown form {form!r}{registry.meant(form, known)}", option="form")
    for path in (out, *known[form].beside(out)):
        refuse_overwrite(path, model)
    network = load_network(model)
    if not isinstance(network, IntegerNetwork):
        raise InputError(f"{os.fspath(model)}: is a float network; make an integer one first with: inflor quantize")
    return tuple(known[form].write(network, out))


def exports() -> dict[str, Export]:
    """What the targets can write of an integer network, by name."""
    return {name: export for target in registry.targets().values() for name, export in target.exports.items()}
