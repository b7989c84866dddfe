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
from inflor.converter.modules.layouts import begin, takes_state
from inflor.converter.modules.values import Axis
from inflor.converter.modules.watching import tensors_in


@dataclass(frozen=True, eq=False)
class Recorded:
    """A run of a module; by the name of its neurons' modules.

    Attributes:
        spikes: [T, B, *shape], of those that fire.
        potentials: likewise, of those of which they are known: at the end of the step, before its reset; NaN where the
            module only shows what the reset left.
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
    timed = x.dim() > len(made.shape) + 1
    some = next(iter(nn.Module.parameters(module)), x)
    every = x.to(some.device) if timed else x.to(some.device).unsqueeze(0).expand(steps, *x.shape)
    found = _Kept()
    with kept(module), torch.no_grad(), _listening(module, found, steps):
        begin(module, every.shape[1])
        if made.time == "step":
            output = torch.stack(_each_step(module, every))
        else:
            second = every.transpose(0, 1)
            given = {"first": every, "second": second, "inside": every[0], "joined": second.flatten(0, 1)}[made.time]
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


def time_first(tensor: Tensor, axes: tuple[Axis, ...], steps: int) -> Tensor:
    """[T, B, ...] of a tensor with these axes; one without time is the same at every step."""
    lead = next((axis for axis in axes if axis in ("time", "joined", "joined_second")), None)
    if lead is None:
        return tensor.unsqueeze(0)
    place = axes.index(lead)
    if lead == "time":
        return tensor.movedim(place, 0)
    if lead == "joined":
        return tensor.reshape(*tensor.shape[:place], steps, -1, *tensor.shape[place + 1 :]).movedim(place, 0)
    return tensor.reshape(*tensor.shape[:place], -1, steps, *tensor.shape[place + 1 :]).movedim(place + 1, 0)


def _scores(output: Tensor, made: Import) -> Tensor:
    if made.kind == "steps":
        steps = time_first(output, made.axes, made.graph.info.timesteps)
        output = steps[-1] if made.readouts else steps.mean(0)
    return output.reshape(len(output), -1)


@contextmanager
def _listening(module: nn.Module, found: _Kept, steps: int) -> Iterator[None]:
    names = {part: name for name, part in module.named_modules()}
    original = nn.Module.__call__

    def call(part: nn.Module, *args: Any, **kwargs: Any) -> Any:
        result = original(part, *args, **kwargs)
        form = form_of(part) if part in names else None
        if isinstance(form, NeuronForm):
            _keep(found, names[part], form, part, result, steps)
        return result

    nn.Module.__call__ = call  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__call__ = original  # type: ignore[method-assign]


def _keep(found: _Kept, name: str, form: NeuronForm, part: nn.Module, result: Any, steps: int) -> None:
    giving = form.gives(part, result)
    potential = None if giving.potential is None else giving.states[giving.potential]
    if potential is not None and giving.after_reset and potential.shape == giving.spikes.shape:
        potential = potential.masked_fill(giving.spikes.bool(), torch.nan)
    values: Sequence[tuple[dict[str, list[Tensor]], Tensor | None]] = (
        (found.spikes, giving.spikes),
        (found.potentials, potential if potential is not None and potential.shape == giving.spikes.shape else None),
    )
    for kept_of, tensor in values:
        if tensor is not None:
            copied = tensor.detach().clone()
            kept_of.setdefault(name, []).append(time_first(copied, form.lead(part), steps))
