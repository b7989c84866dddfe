"""Checks of a target's chips and of the files that it writes for others."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from inflor.converter.errors import InputError, MissingPartError
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.api import Export, Target
from inflor.targets.chips.figures import CHECKS, KINDS
from inflor.targets.conformance.examples import Failure, recorded, taken
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.counts import count
from inflor.targets.cost.placing import count_on
from inflor.targets.cost.result import Estimate
from inflor.targets.cost.terms import Case
from inflor.targets.cost.updates import count_updates
from inflor.targets.mapping import CoreMap


def places_every_neuron_once(target: Target) -> str:
    """On every chip each neuron has one core, which is at a site of the chip and shares it with no more than fit."""
    if target.core_map is None:
        return "it has no map of cores"
    found = 0
    for one, _ in taken(target):
        for chip in target.chips:
            try:
                core_map = target.core_map(one.network, chip, {})
            except InputError:
                continue
            _check_core_map(one.network, chip, core_map)
            found += 1
    if not found:
        raise Failure("its `core_map` refuses every network that `place` takes")
    return f"{found} maps of cores"


def _check_core_map(network: IntegerNetwork, chip: str, found: CoreMap) -> None:
    where = f"{network.source} on {chip}"
    if found.chip != chip:
        raise Failure(f"{where}: its core map is of {found.chip!r}")
    for p in network.populations:
        if p.role == "input" and found.wiring is not None:
            continue  # whatever else sends is named by the wiring
        if p.name not in found.depth or p.name not in found.spikes_of:
            raise Failure(f"{where}: its core map says nothing of population {p.name!r}; `depth` and `spikes_of` must")
        on_host = p.role == "input" or any(p.name in note for note in found.notes)
        if p.name not in found.cores and not on_host:
            raise Failure(f"{where}: population {p.name!r} is on no core, and no note says where it is")
        if p.name in found.cores and found.cores[p.name].shape != (p.size,):
            raise Failure(f"{where}: {found.cores[p.name].shape} cores for the {p.size} neurons of {p.name!r}")
    used = np.concatenate(list(found.cores.values()))
    if used.min() < 0 or used.max() >= found.size:
        raise Failure(f"{where}: neurons are on cores {used.min()} to {used.max()} of {found.size}")
    sites, taken_by = np.unique(found.site_of, axis=0, return_counts=True)
    known = {tuple(site) for site in found.sites.tolist()}
    if nowhere := [site for site in map(tuple, sites.tolist()) if site not in known]:
        raise Failure(f"{where}: a core is at {nowhere[0]}, which is not among its sites")
    if taken_by.max() > found.seats:
        raise Failure(f"{where}: {taken_by.max()} cores are at one site with seats for {found.seats}")
    if odd := [r.name for r in found.resources if r.used.shape != (found.size,)]:
        raise Failure(f"{where}: it does not say of each core how many {odd[0]} it uses")


def prices_its_chips(target: Target) -> str:
    """Every model of every chip makes an estimate whose figures have sources, placed and not placed on cores."""
    one, plan = next(taken(target))
    record = recorded(target, plan, one)
    activity = Activity(one.network, record, one.inputs)
    updates = count_updates(activity)
    counts = count(activity, updates)
    names: list[str] = []
    for chip, about in target.chips.items():
        cases = [Case(activity=activity, counts=counts, reason="not placed")]
        if target.core_map is not None:
            cases.append(count_on(target.core_map(one.network, chip, record.rates), activity, counts, updates))
        for case in cases:
            made = [model(case) for model in about.models]
            for estimate in made:
                _check_estimate(chip, estimate)
        names += [estimate.name for estimate in made]
    if len(set(names)) < len(names):
        raise Failure(f"two of its estimates have one name: {', '.join(sorted(names))}")
    return f"{len(names)} estimates of {len(target.chips)} chips" if target.chips else "it has no chips"


def _check_estimate(chip: str, found: Estimate) -> None:
    if found.hardware != chip or not found.title:
        raise Failure(f"estimate {found.name!r} must have a title and be of {chip!r}, not of {found.hardware!r}")
    for term in (*found.terms, *found.latency_terms):
        if term.each is not None and (not term.source or term.kind not in KINDS or term.check not in CHECKS):
            raise Failure(f"estimate {found.name!r}: the figure of {term.name!r} lacks a source, a kind or a check")
    if found.energy_joules is not None and not found.energy_joules >= 0:
        raise Failure(f"estimate {found.name!r}: its energy is {found.energy_joules}")


def writes_its_exports(target: Target) -> str:
    """Every export writes a file of at least one of the networks."""
    for name, export in target.exports.items():
        refusals = []
        for one, _ in taken(target):
            try:
                _export(export, one.network, name)
                break
            except (InputError, MissingPartError) as error:
                refusals.append(str(error))
        else:
            raise Failure(f"export {name!r} refuses every network, the last one with: {refusals[-1]}")
    return f"{len(target.exports)} exports"


def _export(export: Export, network: IntegerNetwork, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"network{export.suffix}")
        export.write(network, path)
        for written in (path, *map(Path, export.beside(path))):
            if not written.exists() or not written.stat().st_size:
                raise Failure(f"export {name!r} wrote no {written.name}")
