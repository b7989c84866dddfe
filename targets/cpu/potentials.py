"""Where membrane potentials lie around the threshold: in float, behind the rectifier, and in integers.

All are counted before the reset and in units of the threshold: a neuron fires at 1 and above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import RECTIFIED
from inflor.converter.primitives.dynamics import dynamics
from inflor.converter.simulate import execute
from inflor.converter.simulate.stepping import potentials
from inflor.converter.train.neurons import MPR_THRESHOLD, mpr
from inflor.quant.ir.network import IntegerNetwork
from inflor.targets.cpu.emulator import states as cpu_states
from inflor.targets.cpu.options import CpuOptions
from inflor.targets.cpu.plan import place

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Histogram:
    """Neuron-steps of one population, counted per bin: int64 [bins], and how many lie beyond either end.

    before: float potentials. rectified: the same behind the membrane-potential rectifier; None where the
    network was not trained with it. integer: integer potentials times their unit. beyond: share of `before`
    outside the edges. error: root mean square of integer less float potential, in thresholds. same: share of
    neuron-steps in which both fire or both do not.
    """

    population: str
    edges: FloatArray
    before: npt.NDArray[np.int64]
    rectified: npt.NDArray[np.int64] | None
    integer: npt.NDArray[np.int64]
    beyond: float
    error: float
    same: float


def histograms(
    graph: Graph, network: IntegerNetwork, x: npt.NDArray[np.float32], edges: FloatArray
) -> tuple[Histogram, ...]:
    """Run both networks on normalized images and count the potentials of every population that fires.

    x: [samples, *shape], or [samples, T, *shape] with a frame per step.

    edges: of the bins, in thresholds. Populations whose float threshold is not above 0 everywhere are left out.

    Raises:
        InputError: the graph cannot be run, or x does not fit it.
    """
    timesteps = network.info.timesteps
    names = [p.name for p in network.populations if p.role not in ("input", "readout") and p.name in graph.nodes]
    frames = torch.from_numpy(x)
    in_time = frames.ndim > len(network.inputs[0].shape) + 1
    real = execute.run(
        graph, frames.transpose(0, 1) if in_time else frames, timesteps, keep=(), currents=names, dtype=torch.float64
    )
    found = []
    found_states = cpu_states(place(network, CpuOptions(), {}), network.quantize_input(x))
    for name in names:
        state = found_states.pop(name)
        assert state.spikes is not None
        reached, fired = (np.moveaxis(values, 0, 1) for values in (state.v, state.spikes))  # [T, B, *shape]
        step, population = dynamics(graph, name), network.by_name[name]
        current = real.currents.pop(name)
        if step.threshold is None or not (step.threshold > 0).all():
            continue
        potential, spikes = potentials(graph, name, current)
        before = potential.numpy() / step.threshold
        integer = reached * (
            population.broadcast(population.scale) / 2.0**population.rule.fraction_bits / step.threshold
        )
        rectified = None
        if graph.info.provenance.get(RECTIFIED) is True:
            unit = torch.from_numpy(before * MPR_THRESHOLD)
            rectified = _count(mpr(unit).numpy() / MPR_THRESHOLD, edges)
        outside = (before < edges[0]) | (before >= edges[-1])
        found.append(
            Histogram(
                name,
                edges,
                _count(before, edges),
                rectified,
                _count(integer, edges),
                float(outside.mean()),
                float(np.sqrt(((integer - before) ** 2).mean())),
                float((spikes.numpy() == fired.astype(bool)).mean()),
            )
        )
    return tuple(found)


def _count(values: FloatArray, edges: FloatArray) -> npt.NDArray[np.int64]:
    return np.histogram(values, edges)[0].astype(np.int64)
