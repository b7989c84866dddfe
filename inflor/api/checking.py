"""inflor.check"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from inflor.api.loading import PathLike, Progress, load_dataset, network_of
from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.layout import Layout
from inflor.converter.errors import InputError
from inflor.converter.passes.conventions import Conventions
from inflor.fit import fitted
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import registry, running
from inflor.targets.api import options_of
from inflor.targets.equivalence import compare as equivalence
from inflor.targets.equivalence.compare import Equivalence


def check(
    network: IntegerNetwork | PathLike,
    targets: str | Sequence[str],
    *,
    dataset: Dataset | PathLike,
    split: str = "test",
    samples: int = 4,
    timesteps: int | None = None,
    data_dir: PathLike | None = None,
    layout: Layout = "auto",
    progress: Progress | None = None,
    **options: Any,
) -> Equivalence:
    """Run the first `samples` of a split on every target and compare every spike of every population.

    Args:
        network: an integer one, in memory or the path of its file.
        targets: two or more names.
        dataset: in memory, or its name, or the path of a file.
        split: "train" or "test".
        samples: the first of them.
        timesteps: to run, where it is another number than the network says.
        data_dir: the folder of data sets that do not come with the package.
        layout: of images, "chw" or "hwc"; "auto" takes what alone fits the network.
        progress: called with how much is done.
        options: each goes to those of the targets that have it, e.g. `soft_reset`; "loihi.chip" to that one alone.

    Raises:
        InputError: a float network or one without spikes, fewer than two targets, an option that none has, or what a
            target refuses.
        MissingPartError: a target is not installed.
    """
    targets = (targets,) if isinstance(targets, str) else tuple(targets)
    if samples < 1:
        raise InputError(f"{samples} samples: compare at least 1")
    source = os.fspath(network) if not isinstance(network, IntegerNetwork) else network.source
    loaded = network_of(network, Conventions(timesteps=timesteps))
    if not isinstance(loaded, IntegerNetwork):
        raise InputError(f"{source}: is a float network; make an integer one first with: inflor quantize {source}")
    if not any(population.role == "spiking" for population in loaded.populations):
        raise InputError(f"{source}: none of its populations fires, so there are no spikes to compare")
    data = load_dataset(dataset, data_dir, loaded, layout=layout)
    loaded = fitted(loaded, data)
    given = {name: value for name, value in options.items() if value is not None}
    chosen = options_by_target(targets, given)
    images, _ = data.split(split)
    x = loaded.info.normalize(images[:samples])
    inputs = loaded.quantize_input(x)
    watch = None if progress is None else lambda done, total: progress(done, total, "samples")
    result = equivalence.check(loaded, targets, inputs, chosen, watch)
    if outside := running.clipping(loaded, x):
        notes = (*result.notes, f"{outside}, and are clipped")
        result = replace(result, clipped=loaded.clipped(x), notes=notes)
    return result


def options_by_target(targets: Sequence[str], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The options of each target: those of its own name, "loihi.chip", before those that all share, "chip".

    A choice goes to the targets that offer it.

    Raises:
        InputError: an option, or a choice, that none of the targets has.
    """
    known = {name: options_of(registry.find(name)) for name in targets}
    chosen: dict[str, dict[str, Any]] = {name: {} for name in targets}
    for key, value in sorted(given.items(), key=lambda item: "." in item[0]):
        owner, _, option = key.rpartition(".")
        able = [n for n in targets if owner in ("", n) and option in known[n]]
        takers = [n for n in able if value in known[n][option].choices or not known[n][option].choices]
        for name in takers:
            chosen[name][option] = value
        if not able:
            raise InputError(f"none of the targets {', '.join(targets)} has `{key}`", option=key)
        if not takers:
            offered = ", ".join(dict.fromkeys(c for n in able for c in known[n][option].choices))
            raise InputError(f"`{key}` {value}: choose one of {offered}", option=key)
    return chosen


def own_options(target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a single target, each by its name, or as "loihi.chip", which counts more."""
    by_owner = sorted(given.items(), key=lambda item: "." in item[0])
    return {name.removeprefix(f"{target}."): value for name, value in by_owner}
