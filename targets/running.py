"""Runs a network on a target: check, place, run, record."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import registry
from inflor.targets.record.file import Record, recording


def run(
    network: IntegerNetwork | Graph,
    target: str,
    x: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    keep_spikes: bool | None = None,
    options: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    progress: registry.Progress | None = None,
) -> Record:
    """Run normalised images on a target and return the record, written to `out` where given.

    x: float32, normalised, [samples, *shape] or a frame per step [samples, T, *shape]; the host rounds it for integer
    targets. keep_spikes: keep every spike, in the file or in memory; None keeps them where there is a file. The
    record's `run` holds target, seconds, samples_per_second, the plan, notes for the reader and provenance.

    Raises:
        InputError: the network is of the wrong kind for the target, breaks a limit of it, or x does not fit it.
        MissingPartError: the target is not installed.
    """
    module = registry.load(target)
    wanted = IntegerNetwork if module.INPUT == "integer" else Graph
    if not isinstance(network, wanted):
        kind = "an integer network; make one with: inflor quantize" if module.INPUT == "integer" else "a float network"
        raise InputError(f"{network.source}: target {target!r} runs {kind}")
    unknown = set(options or {}) - set(module.OPTIONS)
    if unknown:
        has = registry.flags(module.OPTIONS)
        raise InputError(f"target {target!r} has no option {registry.flags(sorted(unknown))}; it has {has}")
    plan = module.place(network, **(options or {}))
    inputs: npt.NDArray[Any] = x
    if isinstance(network, IntegerNetwork):
        shape = network.inputs[0].shape
        if x.shape[1:] not in (shape, (network.info.timesteps, *shape)):
            raise InputError(
                f"{network.source}: takes samples of {shape}, or {network.info.timesteps} frames of it, "
                f"not {x.shape[1:]}"
            )
        inputs = network.quantise_input(x)
    with recording(
        module.populations(plan),
        network.info.timesteps,
        len(x),
        out,
        out is not None if keep_spikes is None else keep_spikes,
    ) as recorder:
        started = time.perf_counter()
        module.run(plan, inputs, recorder, progress)
        seconds = time.perf_counter() - started
        about = {
            "target": target,
            "network": network.source,
            "seconds": seconds,
            "samples_per_second": len(x) / seconds,
            "plan": plan.summary(),
            "notes": _notes(network, x, plan.summary()),
            **(provenance or {}),
        }
        return recorder.finish(labels, about)


def _notes(network: IntegerNetwork | Graph, x: npt.NDArray[np.float32], plan: Mapping[str, Any]) -> list[str]:
    """What a person should know who reads the numbers."""
    notes = [f"the mapping breaks a limit of the chip: {violation}" for violation in plan.get("violations", ())]
    if not network.info.known:
        notes.append(
            f"{network.source} says nothing about time or input scaling: {network.info.timesteps} timesteps of "
            f"{network.info.dt:g} and unscaled input are assumed"
        )
    elif not network.info.says_timesteps:
        notes.append(f"{network.source} does not say for how many steps it runs: {network.info.timesteps} are assumed")
    if isinstance(network, IntegerNetwork):
        half = 2 ** (network.input_bits - 1) + 0.5
        clipped = float((np.abs(x / network.inputs[0].scale) > half).mean())
        if clipped > 0.001:
            notes.append(f"{100 * clipped:.1f} % of the inputs lie outside the range calibrated and are clipped")
    return notes
