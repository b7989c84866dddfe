"""Streams samples through the compiled populations, batch by batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from converter.errors import InputError
from converter.threads import torch_threads
from quant.semantics import StateOverflowError, Step
from targets.cpu.plan import CpuPlan
from targets.record import Batch, Recorder
from targets.registry import Progress


def emulate(
    plan: CpuPlan, inputs: npt.NDArray[np.integer], recorder: Recorder, progress: Progress | None = None
) -> None:
    """Run quantised inputs [samples, *shape] and hand every batch to the recorder.

    Raises:
        InputError: inputs of another shape or type, or a state left its width under the overflow rule "error".
    """
    (source,) = plan.network.inputs
    if inputs.shape[1:] != source.shape or not np.issubdtype(inputs.dtype, np.integer):
        raise InputError(
            f"{plan.network.source}: inputs are {inputs.dtype} {inputs.shape[1:]}, but node {source.name!r} takes "
            f"integers of {source.shape}"
        )
    with torch.inference_mode(), torch_threads(plan.threads):
        for start in range(0, len(inputs), plan.batch):
            images = torch.from_numpy(inputs[start : start + plan.batch]).to(plan.device)
            try:
                recorder.add(_run_batch(plan, images, source.name, recorder.keep_spikes))
            except StateOverflowError as error:
                raise InputError(
                    f"{plan.network.source}: population {error.population!r}: {error.count} membrane potentials leave "
                    f"{error.bits} bits at step {error.step}; allow more --state-bits or choose --overflow saturate"
                ) from error
            if progress is not None:
                progress(min(start + plan.batch, len(inputs)), len(inputs))


def _run_batch(plan: CpuPlan, images: Tensor, source: str, keep_spikes: bool) -> Batch:
    network = plan.network
    spikes: dict[str, Tensor] = {source: images[None]}
    kept: dict[str, npt.NDArray[np.bool_]] = {}
    counts: dict[str, npt.NDArray[np.int64]] = {}
    outputs: dict[str, npt.NDArray[np.int64]] = {}
    overflows: dict[str, int] = {}
    scores: Tensor | None = None
    for index, kernel in enumerate(plan.kernels):
        name = kernel.population.name
        step: Step = kernel.run(spikes, network.info.timesteps)
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
    predictions = scores.flatten(1).argmax(1).cpu().numpy().astype(np.int64)
    return Batch(kept if keep_spikes else None, counts, outputs, predictions, overflows)
