"""Runs a float NIR graph sample by sample, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.base import primitive
from inflor.converter.simulate import execute
from inflor.converter.threads import torch_threads
from inflor.targets.api import Facts, Progress, Rates
from inflor.targets.float.options import FloatOptions
from inflor.targets.record.file import Batch, RecordedPopulation
from inflor.targets.record.recorder import Recorder


@dataclass(frozen=True)
class FloatPlan:
    """A graph and how many samples pass through it at once."""

    graph: Graph
    batch: int
    threads: int | None

    @property
    def populations(self) -> tuple[RecordedPopulation, ...]:
        """The neuron and Threshold nodes of the graph, with depth counted in these from the input."""
        graph = self.graph
        depth: dict[str, int] = {}
        found, recurrent = [], set(graph.recurrent)
        for name in graph.order:
            kind = primitive(graph.nodes[name]).kind
            sources = (source for source in graph.predecessors(name) if (source, name) not in recurrent)
            depth[name] = max((depth[source] for source in sources), default=0) + int(kind is not None)
            if kind is not None:
                found.append(
                    RecordedPopulation(name=name, shape=graph.output_shapes[name], kind=kind, depth=depth[name])
                )
        return tuple(found)

    def summary(self) -> dict[str, Any]:
        """What was decided, as plain data."""
        return {"batch": self.batch, "dtype": "float32"}


def place(network: Graph, options: FloatOptions, rates: Rates) -> FloatPlan:
    """Choose the batch so that activations stay within about `memory` bytes."""
    elements = sum(int(np.prod(shape)) for shape in network.output_shapes.values())
    batch = max(1, min(256, options.memory // (4 * elements * network.info.timesteps)))
    return FloatPlan(network, batch, options.threads)


def run(plan: FloatPlan, inputs: npt.NDArray[np.float32], recorder: Recorder, progress: Progress | None) -> Facts:
    """Run normalized images [samples, *shape], or frames [samples, T, *shape].

    The prediction is the largest of what the first Output has at the end, of integrators, or in all, of anything else.
    """
    graph = plan.graph
    frames = inputs.ndim == len(graph.output_shapes[graph.inputs()[0]]) + 2
    answer = graph.outputs()[0]
    integrated = all(primitive(graph.nodes[name]).integrates for name in graph.predecessors(answer))
    with torch_threads(plan.threads):
        for start in range(0, len(inputs), plan.batch):
            x = torch.from_numpy(inputs[start : start + plan.batch])
            result = execute.run(graph, x.swapaxes(0, 1) if frames else x, graph.info.timesteps)
            outputs = result.outputs[answer]
            scores = outputs[-1] if integrated else outputs.sum(0)
            recorder.add(
                Batch(
                    spikes={n: s.numpy() for n, s in result.spikes.items()} if recorder.keep_spikes else None,
                    counts={n: s.sum((0, *range(2, s.ndim))).numpy() for n, s in result.spikes.items()},
                    outputs={n: v.numpy() for n, v in result.potentials.items()},
                    predictions=scores.flatten(1).argmax(1).numpy(),
                )
            )
            if progress is not None:
                progress(min(start + plan.batch, len(inputs)), len(inputs))
    return {}
