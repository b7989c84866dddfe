"""Runs a plan in Lava's fixed-point simulation and hands the results to a recorder, in reference time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import SimulationError
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.api import Progress
from inflor.targets.loihi.numbers import finest_shift
from inflor.targets.loihi.plan import SILENCE, STOCK, Group, Plan, chip_order
from inflor.targets.loihi.simulate.build import Outputs, lower
from inflor.targets.loihi.simulate.session import job_folder, run
from inflor.targets.record.file import Batch, batch_of
from inflor.targets.record.recorder import Recorder

CHUNK = 64
"""Samples that are read back at a time."""


@dataclass(frozen=True)
class Place:
    """One neuron at one step. neuron: index in the population's shape."""

    population: str
    sample: int
    timestep: int
    neuron: tuple[int, ...]


def simulate(
    network: IntegerNetwork,
    plan: Plan,
    inputs: npt.NDArray[Any],
    recorder: Recorder,
    progress: Progress | None = None,
    exact_lava: bool = False,
    timeout: float | None = None,
    run_config: str = "sim",
) -> dict[str, Any]:
    """Stream all samples back to back through one simulation.

    inputs: integers [samples, *shape], the same at every step, or [samples, T, *shape], a frame per step.

    Returns the worker's measurements: build_seconds, run_seconds, os_processes, steps.

    Raises:
        InputError: inputs of another shape or type. MissingPartError: Lava is not installed.
        SimulationError: the simulation failed, or a state left its 24 bits where stock neurons cannot say so.
    """
    frames = network.frames(inputs)
    if not len(inputs):
        return {"build_seconds": 0.0, "run_seconds": 0.0, "os_processes": 0, "steps": 0}
    with job_folder() as folder:
        job, outputs = lower(plan, frames, folder, exact_lava, run_config)
        measured = run(
            folder, job, timeout, None if progress is None else _ticker(plan, outputs, len(inputs), progress)
        )
        collect(network, plan, outputs, len(inputs), recorder)
    if progress is not None:
        progress(len(inputs), len(inputs))
    return {**measured, "steps": job.steps}


def _ticker(plan: Plan, outputs: Outputs, samples: int, progress: Progress) -> Callable[[], None]:
    """Reports the samples that have been sent in."""
    clock = np.load(outputs.clock, mmap_mode="r")
    return lambda: progress(min(samples, int(clock[0]) // plan.period), samples)


def collect(network: IntegerNetwork, plan: Plan, outputs: Outputs, samples: int, recorder: Recorder) -> None:
    """Read what a job wrote, check that it can be trusted, and hand it to the recorder in reference time.

    Raises:
        SimulationError: a state left its 24 bits where stock neurons cannot say so.
    """
    _check_silence(plan, outputs, samples)
    overflows = {n: int(np.load(path)[0]) for n, path in outputs.overflows.items()}
    _check_stock_states(plan, overflows)
    for batch in _batches(network, plan, outputs, samples, {n: c for n, c in overflows.items() if c}):
        recorder.add(batch)


def observe(
    network: IntegerNetwork, plan: Plan, inputs: npt.NDArray[Any], at: Place, timeout: float | None = None
) -> tuple[int | None, int | None]:
    """a (bias included) and v before the reset of one neuron at one step, as the simulation itself held them.

    v is in the population's finest units, and None for a stock LIF that fired: it is cleared within the step. Runs the
    samples up to the one asked for.
    """
    group = next(g for g in plan.groups if g.name == at.population)
    with job_folder() as folder:
        job, outputs = lower(plan, network.frames(inputs[: at.sample + 1]), folder, False, watch=group.name)
        run(folder, job, timeout)
        step = at.sample * plan.period + at.timestep + group.depth
        flat = int(np.ravel_multi_index(at.neuron, group.shape))
        place = int(np.flatnonzero(chip_order(group.shape) == flat)[0])
        fired = group.role == "lif" and bool(
            _bits(group, np.load(outputs.rows[group.name], mmap_mode="r")[step])[place]
        )
        assert outputs.watched is not None
        arrived, held = (int(np.load(path, mmap_mode="r")[step, place]) for path in outputs.watched)
    population = group.population
    a = arrived + int(population.broadcast(population.rule.bias)[at.neuron])
    if group.role in ("program", "encoder"):
        return a, held
    zero = int(population.broadcast(population.rule.v_reset)[at.neuron]) if group.role == "lif" else 0
    return a, None if fired else (held >> finest_shift(population)) + (zero << population.rule.fraction_bits)


def _bits(group: Group, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Spikes of the group's neurons, in the order of the chip, from packed rows [..., bytes]."""
    return np.unpackbits(rows, axis=-1, count=group.size)


def _batches(
    network: IntegerNetwork, plan: Plan, outputs: Outputs, samples: int, overflows: Mapping[str, int]
) -> Iterator[Batch]:
    """The samples in their order; the overflows are those of all of them, and go with the first."""
    rows = {name: np.load(path, mmap_mode="r") for name, path in outputs.rows.items()}
    recorded = [g for g in plan.groups if g.name in rows]
    for start in range(0, samples, CHUNK):
        where = np.arange(start, min(start + CHUNK, samples))
        sent = {g.name: _aligned(plan, g, rows[g.name], where) for g in recorded}
        yield batch_of(network, sent, overflows if start == 0 else None)


def _aligned(plan: Plan, group: Group, rows: npt.NDArray[Any], samples: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """What a group did for `samples`, in reference time and row-major order: [T, B, *shape]."""
    at = samples[None, :] * plan.period + np.arange(plan.active)[:, None] + group.depth  # [T, B]
    values = rows[at]
    if rows.dtype == np.uint8:
        values = _bits(group, values)
    elif group.role == "readout":
        values = values >> finest_shift(group.population)
    aligned = np.empty_like(values, dtype=np.int64 if group.population.role == "readout" else values.dtype)
    aligned[..., chip_order(group.shape)] = values
    return aligned.reshape(*at.shape, *group.shape)


def _check_silence(plan: Plan, outputs: Outputs, samples: int) -> None:
    """No muted neuron may fire in a guard step: it only can from a state outside the half that SILENCE presumes."""
    for group in plan.groups:
        if not group.muted or group.role not in STOCK or plan.options.guard == "long":
            continue
        rows = np.load(outputs.rows[group.name], mmap_mode="r")
        steps = np.arange(group.depth + (samples - 1) * plan.period)
        if rows[steps[(steps - group.depth) % plan.period >= plan.active]].any():
            mend = (
                "`soft_reset='microcode'`, or `guard='long'`"
                if group.role == "integrator"
                else "`soft_reset='microcode'`"
            )
            raise SimulationError(
                f"target loihi: population {group.name!r} left +-{SILENCE}, the range in which its stock lowering is "
                f"exact; use {mend}"
            )


def _check_stock_states(plan: Plan, overflows: Mapping[str, int]) -> None:
    for group in plan.groups:
        if group.role in STOCK and overflows.get(group.name):
            # Microcode has no wider units where the state's are as fine, and is what ran already where it is chosen.
            same = group.population.rule.fraction_bits > 0 or plan.options.soft_reset == "microcode"
            wider = "" if same else "`soft_reset='microcode'`, "
            raise SimulationError(
                f"target loihi: population {group.name!r}: {overflows[group.name]} states left 24 bits; use {wider}"
                "fewer weight bits or fewer timesteps"
            )
