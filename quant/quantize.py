"""From a float graph to an integer network: population by population, in order of depth.

Each population's scale is chosen on the float network's activations, its weights and biases are rounded, its bias is
corrected by the mean current that the integer network before it really brings, and it is run once, so that the next
population is calibrated on what it will see.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import nir
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from converter import execute
from converter.errors import InputError
from converter.graph import Graph
from quant.apply import channels_first
from quant.calibration import CHUNK, input_unit, mean_current, sample_columns, split_chain
from quant.fuse import FloatProjection, fuse, least_shape, scale_source, with_unique_names
from quant.measure import measure_layer, predictions
from quant.network import DECAY_ONE, IntegerNetwork, Population, Projection
from quant.neurons import FloatNeuron, read_neuron
from quant.operators import WEIGHTED, Operator
from quant.ranges import state_range
from quant.report import LayerReport, QuantReport
from quant.scales import Scales, Synapses, choose_scales, scale_groups, target_rows
from quant.semantics import Kernel, Profile

FloatArray = npt.NDArray[np.float64]
Granularity = Literal["channel", "population"]
INPUT_BITS = 8
MAX_ACTIVATIONS = 1 << 29
"""Spikes (samples x steps x neurons) kept during calibration; fewer samples are taken from a larger network."""


@dataclass(frozen=True)
class Options:
    """How to quantise. bits: of the weights, 2 to 8. granularity: one scale per output channel or per population.

    clip: choose the step by output error instead of by the largest weight. compensate: let the roundings of one output
    make up for each other instead of rounding each weight to its nearest. correct_bias: make the mean current of
    every channel what it was in float. samples: most calibration images used.
    """

    bits: int = 8
    granularity: Granularity = "channel"
    clip: bool = True
    compensate: bool = True
    correct_bias: bool = True
    samples: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise InputError(f"--bits {self.bits}: weights have 2 to 8 bits; choose a number in that range")
        if self.granularity not in ("channel", "population"):
            raise InputError(f"granularity {self.granularity!r}: choose 'channel' or 'population'")
        if self.samples < 1:
            raise InputError(f"--samples {self.samples}: calibration needs at least one sample")


def quantize(
    graph: Graph,
    calibration: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64] | None = None,
    options: Options | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[IntegerNetwork, QuantReport]:
    """Fix the weights, biases and thresholds of a validated float graph to integers.

    calibration: images as the network sees them, normalised, [N, *input shape]. labels: [N], for the report's
    accuracy. progress: called with (population, how many are done, how many there are).

    Raises:
        InputError: the graph holds something that has no integer form, or the calibration data does not fit it.
    """
    return _Quantizer(graph, calibration, labels, options or Options()).run(progress)


class _Quantizer:
    """The state of one run: the integer network so far, and the spikes of both networks."""

    def __init__(
        self,
        graph: Graph,
        calibration: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int64] | None,
        options: Options,
    ):
        self.graph, self.options = graph, options
        self.fused = with_unique_names(fuse(graph))
        self.timesteps = graph.info.timesteps
        self.rng = np.random.default_rng(options.seed)
        x, self.labels = self._samples(calibration, labels)
        self.network = IntegerNetwork(
            (self._input_population(x),),
            (),
            self._outputs(),
            replace(graph.info, stage="integer"),
            INPUT_BITS,
            graph.source,
        )
        self.x = torch.from_numpy(x)
        self.float_run = execute.run(graph, self.x, self.timesteps)
        (source,) = graph.inputs()
        unit = float(self.network.inputs[0].scale)
        self.fused = scale_source(self.fused, source, unit)
        self.float_spikes: dict[str, Tensor] = {source: self.x[None] / unit}
        self.integer_spikes: dict[str, Tensor] = {source: torch.from_numpy(self.network.quantise_input(x))[None]}
        self.potentials: dict[str, Tensor] = {}

    def run(self, progress: Callable[[str, int, int], None] | None) -> tuple[IntegerNetwork, QuantReport]:
        names = [n for n in self.fused.populations if not isinstance(self.graph.nodes[n], nir.Input)]
        layers = []
        for index, name in enumerate(names):
            if progress is not None:
                progress(name, index, len(names))
            layers.append(self._quantize_population(name))
        if progress is not None:
            progress("", len(names), len(names))
        return self.network, self._report(tuple(layers))

    def _samples(
        self, x: npt.NDArray[np.float32], labels: npt.NDArray[np.int64] | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64] | None]:
        inputs = self.graph.inputs()
        if len(inputs) != 1:
            raise InputError(f"{self.graph.source}: has {len(inputs)} inputs; one can be quantised")
        shape = self.graph.output_shapes[inputs[0]]
        if x.ndim < 1 or x.shape[1:] != shape or not len(x):
            raise InputError(
                f"{self.graph.source}: calibration data is {x.shape}, but node {inputs[0]!r} takes [samples, "
                f"{', '.join(map(str, shape))}]; calibrate with the data set that the network was trained on"
            )
        if not np.isfinite(x).all():
            raise InputError("calibration data holds values that are not finite; remove those samples")
        neurons = sum(math.prod(self.graph.output_shapes[n]) for n in self.fused.populations)
        most = max(1, min(self.options.samples, MAX_ACTIVATIONS // (neurons * self.timesteps)))
        chosen = np.sort(self.rng.permutation(len(x))[:most])
        return np.ascontiguousarray(x[chosen]), None if labels is None else labels[chosen]

    def _input_population(self, x: npt.NDArray[np.float32]) -> Population:
        (name,) = self.graph.inputs()
        if not x.any():
            raise InputError("calibration data is all zero; calibrate with real samples")
        zero = np.zeros((), np.int64)
        unit = np.asarray(input_unit(x, INPUT_BITS))
        return Population(name, self.graph.output_shapes[name], "input", zero, "none", zero, zero, zero, zero, unit, 0)

    def _outputs(self) -> tuple[str, ...]:
        feeding = [n for output in self.graph.outputs() for n in self.graph.predecessors(output)]
        for name in feeding:
            if name not in self.fused.populations:
                raise InputError(
                    f"{self.graph.source}: node {name!r} feeds the output without a neuron after it; "
                    "put an integrator (I) between it and the output"
                )
        return tuple(dict.fromkeys(feeding))

    def _quantize_population(self, name: str) -> LayerReport:
        neuron = read_neuron(self.graph, name)
        incoming = tuple(q for q in self.fused.projections if q.target == name)
        scales, unit = self._choose(name, neuron, incoming)
        population = _population(name, neuron, unit, self.options.bits, self.graph.output_shapes[name])
        projections = tuple(
            Projection(q.source, name, _with_weights(q.operators, m), e)
            for q, m, e in zip(incoming, scales.mantissas, scales.exponents, strict=True)
        )
        self.network = replace(
            self.network,
            populations=(*self.network.populations, population),
            projections=(*self.network.projections, *projections),
        )
        bias = self.fused.bias[name] + neuron.drift
        if self.options.correct_bias:
            bias = bias + channels_first(self._missing_current(population, incoming, unit), bias.ndim)
        integer_bias = np.rint(bias / channels_first(unit, bias.ndim)).astype(np.int64)
        population = replace(population, bias=least_shape(integer_bias))
        self.network = replace(self.network, populations=(*self.network.populations[:-1], population))
        self._run_integer(population)
        return measure_layer(
            self.network,
            population,
            list(zip(incoming, projections, strict=True)),
            unit,
            scales.exact and _ratios_hold(neuron, unit),
            self.float_run.spikes.get(name),
            self.integer_spikes.get(name),
        )

    def _choose(
        self, name: str, neuron: FloatNeuron, incoming: tuple[FloatProjection, ...]
    ) -> tuple[Scales, FloatArray]:
        """Scales of a population and the real value of one integer unit per channel [C]."""
        shape = self.graph.output_shapes[name]
        synapses = []
        for projection in incoming:
            _, operator, after = split_chain(projection.operators)
            assert isinstance(operator, WEIGHTED)
            columns = sample_columns(projection, self._float_source(projection.source), self.rng)
            identity = None if _has_weights(self.graph, projection) else float(operator.weight.flat[0])
            peak = 2 ** (INPUT_BITS - 1) - 1 if projection.source in self.graph.inputs() else 1
            synapses.append(Synapses(operator, target_rows(operator, after, shape), columns, identity, peak))
        per_channel = self.options.granularity == "channel" and neuron.kind != "readout"
        groups = scale_groups([s.rows for s in synapses], shape[0], per_channel)
        reference, ratios = _reference(neuron, synapses, groups)
        how = self.options
        scales = choose_scales(synapses, reference, groups, how.bits, ratios, how.clip, how.compensate)
        return scales, reference / scales.t

    def _float_source(self, name: str) -> Tensor:
        """The float network's activity of a source as [N, *shape], N = steps x samples."""
        source = self.float_spikes[name] if name in self.float_spikes else self.float_run.spikes[name]
        return source.flatten(0, 1)

    def _missing_current(
        self, population: Population, incoming: tuple[FloatProjection, ...], unit: FloatArray
    ) -> FloatArray:
        """Mean float current less mean integer current, per channel [C], both without bias, in float units."""
        wanted = mean_current(incoming, {q.source: self._float_source(q.source) for q in incoming})
        kernel = Kernel(self.network, population, state_range(self.network, population), Profile(), "cpu")
        total = np.zeros(population.shape[0])
        for chunk in self._chunks():
            sources = {q.source: self.integer_spikes[q.source][:, chunk] for q in incoming}
            current = kernel.current(sources, self.timesteps)
            total += current.double().mean(0).transpose(0, 1).flatten(1).mean(1).numpy() * current.shape[1]
        return wanted - total / len(self.x) * unit

    def _run_integer(self, population: Population) -> None:
        kernel = Kernel(self.network, population, state_range(self.network, population), Profile(), "cpu")
        spikes, potentials = [], []
        for chunk in self._chunks():
            sources = {q.source: self.integer_spikes[q.source][:, chunk] for q in kernel.projections}
            step = kernel.run(sources, self.timesteps)
            if step.spikes is not None:
                spikes.append(step.spikes)
            if step.potential is not None:
                potentials.append(step.potential[-1])
        if spikes:
            self.integer_spikes[population.name] = torch.cat(spikes, dim=1)
        else:
            self.potentials[population.name] = torch.cat(potentials)

    def _chunks(self) -> list[slice]:
        size = max(1, CHUNK // self.timesteps)
        return [slice(start, start + size) for start in range(0, len(self.x), size)]

    def _report(self, layers: tuple[LayerReport, ...]) -> QuantReport:
        source = self.network.inputs[0]
        limit = 2 ** (INPUT_BITS - 1)
        rounded = np.rint(self.x.numpy() / source.scale)
        float_potentials = {n: v[-1] for n, v in self.float_run.potentials.items()}
        in_float = predictions(self.network.outputs, float_potentials, self.float_run.spikes)
        in_integers = predictions(self.network.outputs, self.potentials, self.integer_spikes)
        return QuantReport(
            bits=self.options.bits,
            granularity=self.options.granularity,
            samples=len(self.x),
            timesteps=self.timesteps,
            input_unit=float(source.scale),
            input_clipped=float(((rounded < -limit) | (rounded >= limit)).mean()),
            accuracy_float=None if self.labels is None else float((in_float == self.labels).mean()),
            accuracy_integer=None if self.labels is None else float((in_integers == self.labels).mean()),
            agreement=float((in_float == in_integers).mean()),
            layers=layers,
        )


def _has_weights(graph: Graph, projection: FloatProjection) -> bool:
    """Whether any node of a chain has weights of its own; where none has, it is a residual identity."""
    return any(
        isinstance(graph.nodes[n], nir.Linear | nir.Affine | nir.Conv1d | nir.Conv2d | nir.Scale)
        for n in projection.nodes
    )


def _with_weights(operators: tuple[Operator, ...], mantissa: npt.NDArray[np.int64]) -> tuple[Operator, ...]:
    return tuple(replace(op, weight=mantissa) if isinstance(op, WEIGHTED) else op for op in operators)


def _reference(
    neuron: FloatNeuron, synapses: list[Synapses], groups: npt.NDArray[np.int64]
) -> tuple[FloatArray, list[FloatArray]]:
    """What t units stand for, per channel, and every ratio to it that should be met exactly.

    The threshold where it is positive, and else (a readout, or a threshold at or below zero) the largest weight.
    """
    channels = len(groups)
    if neuron.threshold is not None and (neuron.threshold > 0).all():
        reference = neuron.threshold.reshape(channels, -1)[:, 0]
        reference = reference[np.unique(groups, return_index=True)[1]][groups]
        per_channel = channels_first(reference, neuron.threshold.ndim)
        ratios = [values / per_channel for values in (neuron.threshold, neuron.reset_value, neuron.v_reset)]
        return reference, ratios
    largest = max(float(np.abs(s.operator.weight).max()) for s in synapses) or 1.0
    return np.full(channels, largest), []


def _ratios_hold(neuron: FloatNeuron, unit: FloatArray) -> bool:
    """Whether threshold and resets are whole numbers of units, up to the float32 they were written in."""
    fixed = [v for v in (neuron.threshold, neuron.reset_value, neuron.v_reset) if v is not None]
    counts = [v / channels_first(unit, v.ndim) for v in fixed]
    return all(np.allclose(c, np.rint(c), rtol=2.0**-20, atol=1e-9) for c in counts)


def _population(name: str, neuron: FloatNeuron, unit: FloatArray, bits: int, shape: tuple[int, ...]) -> Population:
    def integer(values: FloatArray) -> npt.NDArray[np.int64]:
        return least_shape(np.rint(values / channels_first(unit, values.ndim)).astype(np.int64))

    threshold = np.zeros((), np.int64)
    if neuron.threshold is not None:
        threshold = integer(neuron.threshold) - (0 if neuron.strict else 1)
    return Population(
        name=name,
        shape=shape,
        kind=neuron.kind,
        threshold=threshold,
        reset=neuron.reset,
        reset_value=integer(neuron.reset_value),
        v_reset=integer(neuron.v_reset),
        bias=np.zeros((), np.int64),
        decay=least_shape(np.rint(neuron.decay * DECAY_ONE).astype(np.int64)),
        scale=least_shape(channels_first(unit, neuron.gain.ndim) * neuron.gain),
        weight_bits=bits,
    )
