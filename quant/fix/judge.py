"""What quantization changed, in spikes: both networks on samples that chose nothing, and at rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inflor.converter.nir.graph import Graph
from inflor.converter.nir.ordering import components
from inflor.converter.simulate import execute
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.ir.ranges import state_range
from inflor.quant.run.kernel import Kernel, Profile, run_together

CHUNK = 1 << 26
"""Spikes (samples x steps x neurons) that are held at a time."""
RARE = 3
"""Spikes of a neuron up to which its silence in the other network says nothing."""


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Spikes of one population in both networks.

    Attributes:
        rate_float, rate_integer: spikes per neuron and step.
        agreement: fraction of (sample, step, neuron) whose spike is the same.
        first_diverging_step: the first, from 0, at which a spike of any sample differs; None where none does.
        silenced: neurons that fire more than three times in float, and never in integers.
        awakened: neurons that fire more than three times in integers, and never in float.
        rest_float, rest_integer: spikes per neuron and step while the input is 0.
    """

    rate_float: float
    rate_integer: float
    agreement: float
    first_diverging_step: int | None
    silenced: int
    awakened: int
    rest_float: float
    rest_integer: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Both networks on the same samples.

    Attributes:
        samples: how many.
        agreement: fraction of samples with the same prediction.
        accuracy_float, accuracy_integer: None without labels.
        activities: of the populations that fire, by name.
    """

    samples: int
    agreement: float
    accuracy_float: float | None
    accuracy_integer: float | None
    activities: Mapping[str, Activity]


@dataclass
class _Sums:
    """Of one population, over chunks."""

    values: int = 0
    same: int = 0
    first: int | None = None
    float_: list[Tensor] = field(default_factory=list)  # [*shape], spikes of every neuron
    integer: list[Tensor] = field(default_factory=list)

    def add(self, float_: Tensor, integer: Tensor) -> None:
        """float_, integer: [T, B, *shape]."""
        differs = float_.bool() != integer.bool()
        self.values, self.same = self.values + differs.numel(), self.same + int((~differs).sum())
        if differs.any():
            step = int(torch.nonzero(differs.flatten(1).any(1))[0])
            self.first = step if self.first is None else min(step, self.first)
        self.float_.append(float_.bool().flatten(0, 1).sum(0))
        self.integer.append(integer.bool().flatten(0, 1).sum(0))


def judge(
    graph: Graph, network: IntegerNetwork, x: npt.NDArray[np.float32], labels: npt.NDArray[np.int64] | None
) -> Judgement:
    """Run both networks on samples and on silence.

    Args:
        graph: the float network, with a readout where it ends in a layer.
        x: normalized, [N, *shape] or [N, T, *shape].
        labels: [N].
    """
    sums = {p.name: _Sums() for p in network.populations if p.role == "spiking"}
    in_float, in_integers = [], []
    for part in _chunks(network, x):
        float_run, spikes, potentials = _both(graph, network, part)
        for name, total in sums.items():
            total.add(float_run.spikes[name], spikes[name])
        first = network.outputs[0]
        real = float_run.potentials[first][-1] if first in float_run.potentials else float_run.spikes[first].sum(0)
        in_float.append(real.flatten(1).argmax(1).numpy())
        in_integers.append(
            network.predictions((potentials[first] if first in potentials else spikes[first].sum(0)).numpy())
        )
    rest_float, rest, _ = _both(graph, network, np.zeros((1, *x.shape[1:]), np.float32))
    theirs, ours = np.concatenate(in_float), np.concatenate(in_integers)
    return Judgement(
        samples=len(x),
        agreement=float((theirs == ours).mean()),
        accuracy_float=None if labels is None else float((theirs == labels).mean()),
        accuracy_integer=None if labels is None else float((ours == labels).mean()),
        activities={name: _activity(total, rest_float.spikes[name], rest[name]) for name, total in sums.items()},
    )


def _activity(total: _Sums, rest_float: Tensor, rest: Tensor) -> Activity:
    float_, integer = torch.stack(total.float_).sum(0), torch.stack(total.integer).sum(0)
    return Activity(
        rate_float=int(float_.sum()) / total.values,
        rate_integer=int(integer.sum()) / total.values,
        agreement=total.same / total.values,
        first_diverging_step=total.first,
        silenced=int(((float_ > RARE) & (integer == 0)).sum()),
        awakened=int(((integer > RARE) & (float_ == 0)).sum()),
        rest_float=float(rest_float.double().mean()),
        rest_integer=float(rest.double().mean()),
    )


def _chunks(network: IntegerNetwork, x: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
    neurons = sum(prod(p.shape) for p in network.populations)
    size = max(1, CHUNK // (neurons * network.info.timesteps))
    for start in range(0, len(x), size):
        yield x[start : start + size]


def _both(
    graph: Graph, network: IntegerNetwork, x: npt.NDArray[np.float32]
) -> tuple[execute.Result, dict[str, Tensor], dict[str, Tensor]]:
    """The float run; spikes [T, B, *shape] and last potentials [B, *shape] of the integer network."""
    steps, (source,) = network.info.timesteps, network.inputs
    timed = x.ndim > 1 + len(source.shape)
    given, integers = torch.from_numpy(x), torch.from_numpy(network.quantize_input(x))
    given, integers = (
        (given.transpose(0, 1).contiguous(), integers.transpose(0, 1)) if timed else (given, integers[None])
    )
    float_run = execute.run(graph, given, steps)
    spikes, potentials = {source.name: integers}, {}
    names = [p.name for p in network.populations if p is not source]
    links = [(q.source, q.target) for q in network.projections if q.source != source.name]
    for together in components(names, links):
        populations = [network.by_name[name] for name in together]
        kernels = [Kernel(network, p, state_range(network, p), Profile()) for p in populations]
        outside = {q.source for kernel in kernels for q in kernel.projections} - set(together)
        found = run_together(kernels, {name: spikes[name] for name in outside}, steps)
        for name, step in zip(together, found, strict=True):
            if step.spikes is not None:
                spikes[name] = step.spikes
            elif step.potential is not None:
                potentials[name] = step.potential[-1]
    return float_run, spikes, potentials
