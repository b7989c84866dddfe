"""inflor.check"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from inflor.api.loading import PathLike, Progress, load_dataset, load_network
from inflor.converter.datasets.dataset import Dataset
from inflor.converter.datasets.layout import Layout
from inflor.converter.errors import InputError
from inflor.fit import fitted
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import registry
from inflor.targets.equivalence import compare as equivalence
from inflor.targets.equivalence.compare import Equivalence


def check(
    network: IntegerNetwork | PathLike,
    targets: Sequence[str],
    *,
    dataset: Dataset | PathLike,
    split: str = "test",
    samples: int = 4,
    data_dir: PathLike | None = None,
    layout: Layout = "auto",
    progress: Progress | None = None,
    **options: Any,
) -> Equivalence:
    """Run the first `samples` of a split on every target and compare every spike of every population.

    layout: of the data set's images, "chw" or "hwc"; "auto" takes what alone fits the network.
    options: each goes to those of the targets that have it, e.g. soft_reset to "loihi"; a chip to its own.

    Raises:
        InputError: a float network, fewer than two targets, an option that none has, or what a target refuses.
        MissingPartError: a target is not installed.
    """
    if samples < 1:
        raise InputError(f"{samples} samples: compare at least 1")
    source = os.fspath(network) if not isinstance(network, IntegerNetwork) else network.source
    loaded = network if isinstance(network, IntegerNetwork) else load_network(network)
    if not isinstance(loaded, IntegerNetwork):
        raise InputError(f"{source}: is a float network; make an integer one first with: inflor quantize {source}")
    data = load_dataset(dataset, data_dir, loaded, layout=layout)
    loaded = fitted(loaded, data)
    given = {name: value for name, value in options.items() if value is not None}
    chosen = {name: _options(name, given) for name in targets}
    unknown = sorted(set(given) - set().union(*chosen.values()))
    if unknown:
        named = ", ".join(f"the chip {given['chip']}" if name == "chip" else registry.flags([name]) for name in unknown)
        raise InputError(f"none of the targets {', '.join(targets)} has {named}")
    images, _ = data.split(split)
    inputs = loaded.quantise_input(loaded.info.normalise(images[:samples]))
    watch = None if progress is None else lambda done, total: progress(done, total, "samples")
    return equivalence.check(loaded, targets, inputs, chosen, watch)


def _options(target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those that the target has. A chip is named after its target, with a number."""
    known = registry.load(target).OPTIONS
    return {k: v for k, v in given.items() if k in known and (k != "chip" or v.startswith(target))}
