"""What a module itself computes on samples: the spikes and potentials of its neurons, and its predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from inflor.converter.modules.forms import NeuronForm, form_of
from inflor.converter.modules.importing import Import
from inflor.converter.modules.keeping import kept
from inflor.converter.modules.layouts import reset, takes_state
from inflor.converter.modules.tracing import tensors_in


@dataclass(frozen=True, eq=False)
class Recorded:
    """A run of a module; by the name of its neurons' modules.

    Attributes:
        spikes: [T, B, *shape], of those that fire.
        potentials: likewise, of those of which they are known.
        scores: [B, values], what the largest of is the prediction.
    """

    spikes: dict[str, Tensor]
    potentials: dict[str, Tensor]
    scores: Tensor


@dataclass
class _Kept:
    spikes: dict[str, list[Tensor]] = field(default_factory=dict)
    potentials: dict[str, list[Tensor]] = field(default_factory=dict)


def record(module: nn.Module, made: Import, x: Tensor) -> Recorded:
    """Run a module on samples, in evaluation mode; it stays as it was.

    Args:
        made: how it takes its time.
        x: [B, *shape], the same at every step, or [T, B, *shape].
    """
    steps = made.graph.info.timesteps
    timed = x.dim() > len(made.graph.output_shapes[made.graph.inputs()[0]]) + 1
    some = next(iter(module.parameters()), x)
    every = x.to(some.device) if timed else x.to(some.device).unsqueeze(0).expand(steps, *x.shape)
    found = _Kept()
    with kept(module), torch.no_grad(), _listening(module, found):
        reset(module)
        if made.time == "step":
            output = torch.stack(_each_step(module, every))
        else:
            given = {"first": every, "second": every.transpose(0, 1), "inside": every[0]}[made.time]
            output = tensors_in(module(given.contiguous()))[0]
    names = {*made.populations, *made.readouts}
    return Recorded(
        {name: torch.cat(values).cpu() for name, values in found.spikes.items() if name in names},
        {name: torch.cat(values).cpu() for name, values in found.potentials.items() if name in names},
        _scores(output.cpu(), made),
    )


def _each_step(module: nn.Module, every: Tensor) -> list[Tensor]:
    outputs, state, takes = list[Tensor](), None, takes_state(module)
    for x in every:
        output = module(x) if state is None else module(x, state)
        state = output[1] if takes and isinstance(output, tuple) and len(output) == 2 else None
        outputs.append(tensors_in(output)[0])
    return outputs


def _scores(output: Tensor, made: Import) -> Tensor:
    if made.kind == "steps" and made.axis is not None:
        steps = output.movedim(made.axis, 0)
        if steps.shape[0] != made.graph.info.timesteps:  # time and batch are one axis
            steps = steps.reshape(made.graph.info.timesteps, -1, *steps.shape[1:])
        output = steps[-1] if made.readouts else steps.mean(0)
    return output.reshape(len(output), -1)


@contextmanager
def _listening(module: nn.Module, found: _Kept) -> Iterator[None]:
    names = {part: name for name, part in module.named_modules()}
    original = nn.Module.__call__

    def call(part: nn.Module, *args: Any, **kwargs: Any) -> Any:
        result = original(part, *args, **kwargs)
        form = form_of(part) if part in names else None
        if isinstance(form, NeuronForm):
            _keep(found, names[part], form, part, result)
        return result

    nn.Module.__call__ = call  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__call__ = original  # type: ignore[method-assign]


def _keep(found: _Kept, name: str, form: NeuronForm, part: nn.Module, result: Any) -> None:
    giving = form.gives(part, result)
    potential = None if giving.potential is None else giving.states[giving.potential]
    values: Sequence[tuple[dict[str, list[Tensor]], Tensor | None]] = (
        (found.spikes, giving.spikes),
        (found.potentials, potential if potential is not None and potential.shape == giving.spikes.shape else None),
    )
    for kept_of, tensor in values:
        if tensor is not None:
            copied = tensor.detach().clone()
            kept_of.setdefault(name, []).append(copied if form.all_steps(part) else copied.unsqueeze(0))
