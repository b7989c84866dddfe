"""Streams samples through the compiled populations, batch by batch, and shows their states where asked to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.converter.threads import torch_threads
from inflor.quant.run.kernel import StateOverflowError, run_together
from inflor.targets.api import Facts, Progress
from inflor.targets.cpu.plan import CpuPlan
from inflor.targets.record.file import Batch
from inflor.targets.record.recorder import Recorder


@dataclass(frozen=True, eq=False)
class States:
    """The states of a population, int64 [samples, T, *shape], in their finest units.

    u: the synaptic current, None where there is none. v: the membrane potential before the reset. spikes: None for a
    readout.
    """

    u: npt.NDArray[np.int64] | None
    v: npt.NDArray[np.int64]
    spikes: npt.NDArray[np.int64] | None


def run(plan: CpuPlan, inputs: npt.NDArray[np.integer], recorder: Recorder, progress: Progress | None) -> Facts:
    """Run quantized inputs and hand every batch to the recorder.

    inputs: integers [samples, *shape], the same at every step, or [samples, T, *shape], a frame per step.

    Raises:
        InputError: inputs of another shape or type, or a state left its width under the overflow rule "error".
    """
    with torch.inference_mode(), torch_threads(plan.threads):
        for start in range(0, len(inputs), plan.batch):
            frames = _frames(plan, inputs, slice(start, start + plan.batch))
            with _naming_overflow(plan):
                recorder.add(_run_batch(plan, frames, recorder.keep_spikes))
            if progress is not None:
                progress(min(start + plan.batch, len(inputs)), len(inputs))
    return {}


def states(plan: CpuPlan, inputs: npt.NDArray[np.integer]) -> dict[str, States]:
    """Run quantized inputs and return every state of every population, all in memory: for looking into a run.

    Raises:
        InputError: as `run`.
    """
    with torch.inference_mode(), torch_threads(plan.threads), _naming_overflow(plan):
        sent = {plan.network.inputs[0].name: _frames(plan, inputs, slice(None))}
        found = {}
        for group in plan.groups:
            steps = run_together(group, sent, plan.network.info.timesteps, keep_states=True)
            for kernel, step in zip(group, steps, strict=True):
                assert step.trace is not None
                u, v = step.trace.u, step.trace.v
                found[kernel.population.name] = States(
                    None if u is None else _by_sample(u),
                    _by_sample(v),
                    None if step.spikes is None else _by_sample(step.spikes),
                )
                if step.spikes is not None:
                    sent[kernel.population.name] = step.spikes
        return found


def _by_sample(values: Tensor) -> npt.NDArray[np.int64]:
    return values.transpose(0, 1).to(torch.int64).cpu().numpy()


def _frames(plan: CpuPlan, inputs: npt.NDArray[np.integer], samples: slice) -> Tensor:
    """Some samples as [T or 1, B, *shape] on the plan's device."""
    return torch.from_numpy(plan.network.frames(inputs[samples])).to(plan.device).transpose(0, 1).contiguous()


@contextlib.contextmanager
def _naming_overflow(plan: CpuPlan) -> Iterator[None]:
    try:
        yield
    except StateOverflowError as error:
        raise InputError(
            f"{plan.network.source}: population {error.population!r}: {error.count} membrane potentials leave "
            f"{error.bits} bits at step {error.step}; allow more `state_bits` or choose `overflow='saturate'`"
        ) from error


def _run_batch(plan: CpuPlan, frames: Tensor, keep_spikes: bool) -> Batch:
    """frames: [T or 1, B, *shape]."""
    network = plan.network
    spikes: dict[str, Tensor] = {network.inputs[0].name: frames}
    kept: dict[str, npt.NDArray[np.bool_]] = {}
    counts: dict[str, npt.NDArray[np.int64]] = {}
    outputs: dict[str, npt.NDArray[np.int64]] = {}
    overflows: dict[str, int] = {}
    scores: Tensor | None = None
    for index, group in enumerate(plan.groups):
        for kernel, step in zip(group, run_together(group, spikes, network.info.timesteps), strict=True):
            name = kernel.population.name
            if step.overflows:
                overflows[name] = step.overflows
            if step.potential is not None:
                outputs[name] = step.potential.to(torch.int64).cpu().numpy()
            if step.spikes is not None:
                spikes[name] = step.spikes
                counts[name] = step.spikes.sum((0, *range(2, step.spikes.ndim))).cpu().numpy()
                if keep_spikes:
                    kept[name] = step.spikes.bool().cpu().numpy()
            if name == network.outputs[0]:
                scores = step.potential[-1] if step.potential is not None else spikes[name].sum(0)
        for used in [n for n in spikes if plan.last_use.get(n, -1) <= index]:
            del spikes[used]
    assert scores is not None
    predictions = network.predictions(scores.cpu().numpy())
    return Batch(
        spikes=kept if keep_spikes else None,
        counts=counts,
        outputs=outputs,
        predictions=predictions,
        overflows=overflows,
    )
