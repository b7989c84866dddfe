"""Compares a graph with the module that it came from: each population, driven by the module's own spikes; predictions.

One potential at its threshold, where float32 rounds two ways, changes everything behind it. So what a population takes
is the module's own, and only what it makes of that is compared. A population's own state goes on from its own spikes:
of every neuron the first difference in a sample counts, and what follows from it does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inflor.converter.errors import InputError
from inflor.converter.modules.importing import Import
from inflor.converter.modules.recording import Recorded, record
from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.dynamics import dynamics
from inflor.converter.simulate.execute import Result, run
from inflor.converter.simulate.stepping import potentials

NEAR = 1e-5
"""How near to its threshold, as a part of it, a potential may lie for two float32 programs to differ in a spike."""
_SAME = 1e-4
"""How near potentials of a readout have to be, as a part of the largest."""


@dataclass(frozen=True)
class Difference:
    """A spike that differs.

    Attributes:
        population: the node.
        sample, step: where.
        neuron: its place in the population.
        fired: whether the module's fired.
        theirs: its potential in the module; None where the module does not show it.
        ours: its potential in the graph.
        threshold: of the graph's neuron.
    """

    population: str
    sample: int
    step: int
    neuron: tuple[int, ...]
    fired: bool
    theirs: float | None
    ours: float
    threshold: float


@dataclass(frozen=True)
class PopulationComparison:
    """One population, driven by the module's own spikes.

    Attributes:
        name: the node.
        module: the name of the module.
        kind: "spikes" or "potentials".
        spikes: how often the module's fired.
        compared: spikes and no spikes, or potentials.
        ties: neurons of a sample whose first difference lies within 1e-5 of the threshold.
        differing: other neurons of a sample that differ; of a readout, potentials that differ by more than 1e-4.
        first: the first difference that is no tie, else the first.
    """

    name: str
    module: str
    kind: str
    spikes: int
    compared: int
    ties: int
    differing: int
    first: Difference | None

    @property
    def never(self) -> bool:
        """Whether it never fired, so that little was compared."""
        return self.kind == "spikes" and self.spikes == 0

    @property
    def always(self) -> bool:
        """Whether it always fired."""
        return self.kind == "spikes" and self.spikes == self.compared

    @property
    def equal(self) -> bool:
        """Whether every spike is the same, but for ties, and something was to be seen."""
        return not (self.differing or self.never or self.always)


@dataclass(frozen=True)
class ImportComparison:
    """A graph beside the module that it came from.

    Attributes:
        data: what the samples were.
        samples, timesteps: how many.
        populations: in the order of evaluation.
        predictions: how many of the samples the graph alone predicts as the module does.
        unexplained: how many of the others have the module's spikes, so that no tie explains it.
        undecided: of how many samples the module gives every class the same, so that there is no prediction.
    """

    data: str
    samples: int
    timesteps: int
    populations: tuple[PopulationComparison, ...]
    predictions: int
    unexplained: int
    undecided: int

    @property
    def differs(self) -> bool:
        """Whether something other than a tie differs."""
        return any(population.differing for population in self.populations) or self.unexplained > 0

    @property
    def equal(self) -> bool:
        """Whether nothing differs but ties, and every population both fired and was silent."""
        return not self.differs and all(population.equal for population in self.populations)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        plain = asdict(self)
        for shown, population in zip(plain["populations"], self.populations, strict=True):
            shown |= {"equal": population.equal, "never": population.never, "always": population.always}
        return {"equal": self.equal, "differs": self.differs, **plain}


def compare(module: nn.Module, made: Import, x: Tensor, data: str) -> ImportComparison:
    """Run the module and the graph on the same samples.

    Args:
        made: what was made of the module.
        x: [B, *shape], normalized, the same at every step; or [T, B, *shape].
        data: what the samples are, for the reader.
    """
    graph, steps = made.graph, made.graph.info.timesteps
    theirs = record(module, made, x)
    given = {node: _binary(theirs.spikes[name], name) for name, node in made.populations.items()}
    lead = x.shape[: x.dim() - len(made.shape)]
    x = x.reshape(*lead, *graph.output_shapes[graph.inputs()[0]])
    driven = run(graph, x, steps, given=given, currents=list(given))
    found = {
        node: _population(graph, node, name, driven.currents[node], theirs) for name, node in made.populations.items()
    }
    found |= {node: _readout(graph, node, name, driven, theirs) for name, node in made.readouts.items()}
    alone = run(graph, x, steps)
    same, unexplained = _predictions(graph, alone, theirs, made.populations)
    ordered = tuple(found[name] for name in graph.order if name in found)
    undecided = int((theirs.scores.max(1).values == theirs.scores.min(1).values).sum())
    return ImportComparison(data, lead[-1], steps, ordered, same, unexplained, undecided)


def _binary(spikes: Tensor, module: str) -> Tensor:
    if not bool(((spikes == 0) | (spikes == 1)).all()):
        raise InputError(
            f"{module}: gives other values than 0 and 1, so that these are no spikes; scale the layer behind it"
        )
    return spikes


def _population(graph: Graph, node: str, module: str, current: Tensor, theirs: Recorded) -> PopulationComparison:
    due = theirs.spikes[module].bool()
    v, spikes = potentials(graph, node, current)
    apart = spikes != due
    ties, differing, first = 0, 0, None
    if apart.any():
        threshold = torch.from_numpy(np.array(dynamics(graph, node).threshold)).expand(v.shape[2:])
        at = apart.int().argmax(0)  # [B, *shape], the first step that differs
        reached = v.gather(0, at.unsqueeze(0))[0].double()
        near = (reached - threshold).abs() <= NEAR * torch.maximum(threshold.abs(), reached.abs())
        known = theirs.potentials.get(module)
        if known is not None:  # the same potential, and another spike: that is no rounding
            near &= known.gather(0, at.unsqueeze(0))[0].double() != reached
        ever = apart.any(0)
        ties, differing = int((ever & near).sum()), int((ever & ~near).sum())
        shown = ever & ~near if differing else ever
        first = _first(node, module, shown, at, v, threshold, theirs)
    return PopulationComparison(node, module, "spikes", int(due.sum()), due.numel(), ties, differing, first)


def _first(
    node: str, module: str, shown: Tensor, at: Tensor, v: Tensor, threshold: Tensor, theirs: Recorded
) -> Difference:
    """The earliest of the differences. shown: [B, *shape]; at: likewise, the step of each."""
    step = int(at[shown].min())
    sample, *neuron = torch.nonzero(shown & (at == step))[0].tolist()
    place = (step, sample, *neuron)
    known = theirs.potentials.get(module)
    shown_as = torch.nan if known is None else float(known[place])
    return Difference(
        node,
        sample,
        step,
        tuple(neuron),
        bool(theirs.spikes[module][place]),
        None if math.isnan(shown_as) else shown_as,
        float(v[place]),
        float(threshold[tuple(neuron)]),
    )


def _readout(graph: Graph, node: str, module: str, driven: Result, theirs: Recorded) -> PopulationComparison:
    ours, due = driven.potentials[node], theirs.potentials[module]
    apart = ~((ours - due).abs() <= _SAME * due.abs().max())  # what is no number differs from every number
    first = None
    if apart.any():
        step, sample, *neuron = torch.nonzero(apart)[0].tolist()
        place = (step, sample, *neuron)
        first = Difference(node, sample, step, tuple(neuron), False, float(due[place]), float(ours[place]), 0.0)
    return PopulationComparison(node, module, "potentials", 0, due.numel(), 0, int(apart.sum()), first)


def _predictions(graph: Graph, alone: Result, theirs: Recorded, populations: Mapping[str, str]) -> tuple[int, int]:
    """Samples of which the predictions are the same, and those of which no tie explains that they are not."""
    ours = alone.logits[graph.outputs()[0]].flatten(1)
    if ours.shape != theirs.scores.shape:
        return 0, len(ours)
    equal = ours.argmax(1) == theirs.scores.argmax(1)
    same_spikes = torch.ones(len(ours), dtype=torch.bool)
    for module, node in populations.items():
        apart = alone.spikes[node] != theirs.spikes[module].bool()
        same_spikes &= ~apart.transpose(0, 1).flatten(1).any(1)
    mine = ours.gather(1, theirs.scores.argmax(1, keepdim=True))[:, 0]
    level = (ours.max(1).values - mine) <= NEAR * ours.abs().max()
    return int(equal.sum()), int((~equal & same_spikes & ~level).sum())
