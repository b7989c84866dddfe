"""Places a network on a target, runs it and records it: the one way in which anything reaches a target."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError, SimulationError
from inflor.converter.nir.graph import Graph
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets import registry
from inflor.targets.api import Plan, Progress, Rates, Target, UnplaceableError, Violation, choose
from inflor.targets.record.file import Record, rates_of, recorded_populations
from inflor.targets.record.recorder import Recorder, recording
from inflor.targets.record.remarks import on_activity

Options = Mapping[str, Any]
"""Options of a target by name; None stands for the default."""


def place(
    target: Target, network: IntegerNetwork | Graph, options: Options | None = None, rates: Rates | None = None
) -> Plan:
    """Decide where everything goes.

    Args:
        rates: spikes per neuron and step of each population, where they are known.

    Raises:
        InputError: the network is of the wrong kind, or needs what the target cannot do, or breaks a limit; or an
            option is none of the target's.
    """
    wanted = IntegerNetwork if target.input == "integer" else Graph
    if not isinstance(network, wanted):
        kind = "an integer network; make one with: inflor quantize" if target.input == "integer" else "a float network"
        raise InputError(f"{network.source}: target {target.name!r} runs {kind}")
    if isinstance(network, IntegerNetwork) and (missing := unsupported(target, network)):
        raise UnplaceableError(network.source, f"target {target.name!r}", missing)
    plan: Plan = target.place(network, choose(target, options or {}), rates or {})
    if isinstance(network, IntegerNetwork):
        _check_promise(target, plan, network)
    return plan


def _check_promise(target: Target, plan: Plan, network: IntegerNetwork) -> None:
    """A plan may record less than all, but nothing that the network does not have, nor as something else."""
    due = {p.name: p for p in recorded_populations(network)}
    for p in plan.populations:
        known = due.get(p.name)
        if known is None or (p.shape, p.kind == "readout") != (known.shape, known.kind == "readout"):
            raise SimulationError(
                f"target {target.name!r}: its plan records population {p.name!r} as {p.kind} of {p.shape}, which the "
                "network does not have"
            )


def violations(target: Target, network: IntegerNetwork | Graph, options: Options | None = None) -> Sequence[Violation]:
    """The features that a target lacks and the limits that a network breaks; empty where it fits."""
    if isinstance(network, IntegerNetwork) and (missing := unsupported(target, network)):
        return missing
    return target.violations(network, choose(target, options or {}))


def unsupported(target: Target, network: IntegerNetwork) -> list[Violation]:
    """What the network needs and the target does not declare, with the first population or projection that needs it."""
    missing = sorted(network.features() - target.features)
    return [Violation(network.needs[f], str(f), "needed", "none", "choose another target") for f in missing]


def run(
    network: IntegerNetwork | Graph,
    target: str,
    x: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    keep_spikes: bool | None = None,
    options: Options | None = None,
    provenance: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    strict: bool = False,
    progress: Progress | None = None,
) -> Record:
    """Run normalized images on a target and return the record, written to `out` where given.

    Args:
        x: float32, normalized, [samples, *shape] or a frame per step [samples, T, *shape]; the host rounds it for
            integer targets.
        keep_spikes: keep every spike, in the file or in memory; None keeps them where there is a file.
        notes: further ones for the reader.
        strict: refuse inputs outside the range calibrated, and potentials that leave the target's width.
        provenance: plain data that goes into the record's `run`, beside target, seconds, samples_per_second, the plan
            with the facts of the run, and notes for the reader.

    Raises:
        InputError: the network is of the wrong kind for the target, breaks a limit of it, or x does not fit it.
        MissingPartError: the target is not installed.
        SimulationError: the target failed, or did not deliver what its plan promised.
    """
    chosen = registry.load(target)
    plan = place(chosen, network, options)
    inputs: npt.NDArray[Any] = x
    if isinstance(network, IntegerNetwork):
        shape = network.inputs[0].shape
        if x.shape[1:] not in (shape, (network.info.timesteps, *shape)):
            raise InputError(
                f"{network.source}: takes samples of {shape}, or {network.info.timesteps} frames of it, "
                f"not {x.shape[1:]}"
            )
        inputs = network.quantize_input(x)
        if strict and (outside := clipping(network, x, least=0)):
            raise InputError(f"{outside}, which `strict` does not allow", path=network.source, option="strict")
    keep = out is not None if keep_spikes is None else keep_spikes
    whole = isinstance(network, IntegerNetwork)
    with recording(plan.populations, network.info.timesteps, len(x), out, keep, target, whole) as recorder:
        started = time.perf_counter()
        facts = chosen.run(plan, inputs, recorder, progress)
        seconds = time.perf_counter() - started
        if strict:
            _refuse_saturation(network, recorder)
        about = {**plan.summary(), **facts}
        return recorder.finish(
            labels,
            {
                "target": target,
                "network": network.source,
                "seconds": seconds,
                "samples_per_second": len(x) / seconds,
                "plan": about,
                "notes": [*notes, *_notes(network, x, about), *_activity(network, recorder)],
                **(provenance or {}),
            },
        )


def record(
    target: Target,
    plan: Plan,
    network: IntegerNetwork,
    inputs: npt.NDArray[np.integer],
    progress: Progress | None = None,
) -> Record:
    """Run quantized inputs on a placed network and keep every spike in memory."""
    with recording(plan.populations, network.info.timesteps, len(inputs), target=target.name, whole=True) as recorder:
        facts = target.run(plan, inputs, recorder, progress)
        return recorder.finish(None, {"plan": {**plan.summary(), **facts}})


def clipping(network: IntegerNetwork, x: npt.NDArray[np.float32], least: float | None = None) -> str:
    """That a share of the inputs lies outside what they may be; nothing where it is not worth a word.

    Args:
        least: the share above which it is; None where that depends on whether the range is proved.
    """
    share = network.clipped(x)
    worth = (0.001 if network.input_range is None else 0.0) if least is None else least
    if share <= worth:
        return ""
    low, high = network.input_limits
    shown = f"{100 * share:.1f}" if share >= 0.001 else f"{100 * share:.2g}"
    return f"{shown} % of the inputs lie outside the range calibrated, {low} to {high} units"


def _notes(network: IntegerNetwork | Graph, x: npt.NDArray[np.float32], plan: Mapping[str, Any]) -> list[str]:
    """What a person should know who reads the numbers."""
    notes = [f"the mapping breaks a limit of the chip: {violation}" for violation in plan.get("violations", ())]
    if isinstance(network, IntegerNetwork) and (outside := clipping(network, x)):
        notes.append(f"{outside}, and are clipped")
    return notes


def _activity(network: IntegerNetwork | Graph, recorder: Recorder) -> list[str]:
    """That populations never or always fire, which an accuracy does not show."""
    answers = network.outputs if isinstance(network, IntegerNetwork) else network.predecessors(network.outputs()[0])
    rates = rates_of(recorder.populations, recorder.counts, recorder.timesteps, recorder.samples)
    return on_activity(rates, answers[0] if answers else None)


def _refuse_saturation(network: IntegerNetwork | Graph, recorder: Recorder) -> None:
    for name, count in recorder.overflows.items():
        if count:
            raise InputError(
                f"{count} potentials of population {name!r} left their width, which `strict` does not allow",
                path=network.source,
                option="strict",
                mend="run another target or fewer steps",
            )
