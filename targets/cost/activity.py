"""A record beside the network that it is of: its spikes, chunk by chunk, and how often each neuron fired."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from inflor.converter.nir.metadata import FRAMES
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.ir.ranges import StateRange, state_ranges
from inflor.quant.operators import IntArray, output_shape, split_chain, weighted
from inflor.targets.cost.connectivity import BoolArray, Connectivity, connectivity
from inflor.targets.record.file import Record

CHUNK = 1 << 22
"""Spikes and silences of one population that are unpacked at a time."""
KEPT = 1 << 28
"""Spikes and silences of all populations, in bytes, that stay unpacked."""


@dataclass(frozen=True, eq=False)
class Activity:
    """A record beside the network that it is of. inputs: quantized, [samples, *shape] or [samples, T, *shape], or None.

    Where inputs are None, none of their values is taken to be zero. unpacked: spikes that were read once.
    """

    network: IntegerNetwork
    record: Record
    inputs: npt.NDArray[np.integer] | None = None
    unpacked: dict[str, BoolArray] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Neuron steps of all samples."""
        return self.record.samples * self.record.timesteps

    @cached_property
    def fits(self) -> bool:
        """All spikes together may stay unpacked."""
        return sum(p.size for p in self.network.populations) * self.steps <= KEPT

    def fires(self, name: str) -> bool:
        return self.network.by_name[name].role not in ("input", "readout")

    def chunks(self, *names: str) -> Iterator[slice]:
        """Slices of samples so small that all of these populations' spikes can be unpacked at once."""
        largest = max((self.network.by_name[name].size for name in names), default=1)
        step = max(1, CHUNK // (largest * self.record.timesteps))
        for start in range(0, self.record.samples, step):
            yield slice(start, min(start + step, self.record.samples))

    def spikes(self, name: str, samples: slice) -> BoolArray:
        """bool [samples, T, size] of a population that fires, or whether an input's value is not zero."""
        population, timesteps = self.network.by_name[name], self.record.timesteps
        count = samples.stop - samples.start
        if population.role != "input":
            if not self.fits:
                return self.record.spikes(name, samples).reshape(count, timesteps, population.size)
            if name not in self.unpacked:
                self.unpacked[name] = self.record.spikes(name).reshape(-1, timesteps, population.size)
            return self.unpacked[name][samples]
        if self.inputs is None:
            return np.ones((count, timesteps, population.size), bool)
        part = self.inputs[samples] != 0
        if part.shape[1:] == population.shape:  # the same at every step
            part = np.broadcast_to(part[:, None], (count, timesteps, *population.shape))
        return part.reshape(count, timesteps, population.size)

    @cached_property
    def totals(self) -> dict[str, IntArray]:
        """Spikes (of an input: values that are not zero) per neuron over all samples and steps, int64 [size]."""
        found = {}
        for population in self.network.populations:
            if population.role == "readout":
                found[population.name] = np.zeros(population.size, np.int64)
            elif population.role == "input" and self.inputs is None:
                found[population.name] = np.full(population.size, self.steps, np.int64)
            else:
                parts = (self.spikes(population.name, c).sum((0, 1)) for c in self.chunks(population.name))
                found[population.name] = np.sum(list(parts), axis=0, dtype=np.int64)
        return found

    @cached_property
    def ranges(self) -> dict[str, StateRange]:
        """What every population can reach."""
        return state_ranges(self.network)

    @cached_property
    def layer_macs(self) -> dict[int, int]:
        """Multiply-accumulates of one pass through every convolution and linear layer, by number of its projection.

        All pairs of a value that enters the layer and a weight that it meets: weights of zero are in it, padding not.
        """
        found = {}
        for number, projection in enumerate(self.network.projections):
            layer = weighted(projection.operators)
            if layer is None or layer.elementwise:
                continue
            before = split_chain(projection.operators)[0]
            shape = output_shape(before, self.network.by_name[projection.source].shape)
            found[number] = int(connectivity((layer,), shape, zeros=True).fan_out.sum())
        return found

    @cached_property
    def sees_frames(self) -> bool:
        """The network takes an input of its own at every step, or has a memory: each step is a pass of its own.

        Where the inputs are known, an image that is repeated as frames is one image.
        """
        network, inputs = self.network, self.inputs
        frames = network.info.encoding == FRAMES
        if inputs is not None:
            in_time = inputs.shape[1:] != network.inputs[0].shape
            frames = in_time and bool((inputs != inputs[:, :1]).any())
        return frames or any(map(network.is_recurrent, network.projections))

    @cached_property
    def connections(self) -> dict[int, Connectivity]:
        """Of every projection, by its number."""
        return {
            i: connectivity(q.operators, self.network.by_name[q.source].shape)
            for i, q in enumerate(self.network.projections)
        }
