"""From a float graph to an integer network: population by population, in order of depth.

Each population's scale is chosen on the float network's activations, its weights and biases are rounded, its bias is
corrected by the mean current that the integer network before it really brings, and it is run once, so that the next
population is calibrated on what it will see.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import nir
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.nir.ordering import components
from inflor.converter.passes.base import run_passes
from inflor.converter.simulate import execute
from inflor.quant.fix import biases
from inflor.quant.fix.calibrate import CHUNK, SPIKES, are_spikes, input_unit, mean_current, sample_columns
from inflor.quant.fix.judge import Activity, judge
from inflor.quant.fix.measure import measure_layer, rounds_weights
from inflor.quant.fix.neurons import FloatNeuron, read_neuron
from inflor.quant.fix.options import Options
from inflor.quant.fix.report import LayerReport, QuantReport
from inflor.quant.fix.rounded import ratios_hold, reference_of, rounded_population, whole_units
from inflor.quant.fix.scales import LARGEST_T, RESOLUTION, Scales, Synapses, choose_scales, scale_groups, target_rows
from inflor.quant.ir.network import IntegerNetwork, Population, Projection, check_network
from inflor.quant.ir.ranges import state_range
from inflor.quant.ir.types import FloatArray
from inflor.quant.operators import Operator, Weighted, weighted
from inflor.quant.operators.arrays import channels_first
from inflor.quant.passes.fused import FloatProjection
from inflor.quant.passes.pipeline import ADD_READOUTS, CHAINS, NAME_OPERATORS, fuse
from inflor.quant.passes.scale_source import scale_source
from inflor.quant.run.kernel import Kernel, Profile, run_together
from inflor.quant.run.synapses import delayed

INPUT_BITS = 8
STATE_LIMIT = 1 << 22
"""Most that a fading state may reach on the calibration data: half of what Loihi's 24 bits hold."""
ENOUGH = 32
"""Samples that others than those calibrated on have to be, to judge by them."""
MAX_ACTIVATIONS = 1 << 29
"""Spikes (samples x steps x neurons) kept during calibration; fewer samples are taken from a larger network."""


def quantize(
    graph: Graph,
    calibration: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64] | None = None,
    options: Options | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[IntegerNetwork, QuantReport]:
    """Fix the weights, biases and thresholds of a validated float graph to integers.

    calibration: images as the network sees them, normalized, [N, *input shape]. labels: [N], for the report's
    accuracy. progress: called with (population, how many are done, how many there are).

    Raises:
        InputError: the graph holds something that has no integer form, or the calibration data does not fit it.
    """
    coarser = 1
    while True:
        try:
            return _Quantizer(graph, calibration, labels, options or Options(), coarser).run(progress)
        except _InputTooFineError as too_fine:
            coarser = too_fine.coarser


class _InputTooFineError(Exception):
    """The input's levels are so many that a population's narrowed weights beside them have hardly any."""

    def __init__(self, coarser: int):
        super().__init__(coarser)
        self.coarser = coarser


@dataclass(frozen=True, eq=False)
class _Others:
    """Samples to judge by. x: [N, ...]. labels: [N]. held_out: whether they are others than those calibrated on."""

    x: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64] | None
    held_out: bool


class _Quantizer:
    """The state of one run: the integer network so far, and the spikes of both networks."""

    def __init__(
        self,
        graph: Graph,
        calibration: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int64] | None,
        options: Options,
        coarser: int,
    ):
        """coarser: how many times the input's unit is what its values alone ask for."""
        self.coarser = coarser
        self.graph = graph = run_passes(graph, [ADD_READOUTS])
        self.options = options
        self.fused = run_passes(fuse(graph), [NAME_OPERATORS], CHAINS)
        if unknown := sorted(set(options.layer_bits) - {q.target for q in self.fused.projections}):
            there = ", ".join(dict.fromkeys(q.target for q in self.fused.projections))
            text = f"`bits` {unknown[0]}={options.layer_bits[unknown[0]]}: there is no such population with weights"
            raise InputError(text, path=graph.source or None, option="bits", mend=f"name one of {there}")
        self.timesteps = graph.info.timesteps
        self.fraction: dict[str, int] = {}
        self.rng = np.random.default_rng(options.seed)
        x, self.others = self._samples(calibration, labels)
        source_population = self._input_population(x)
        self.network = IntegerNetwork(
            (source_population,),
            (),
            self._outputs(),
            replace(graph.info, stage="integer", dt=1.0, integration="euler", version=ModelInfo().version),
            input_bits=INPUT_BITS,
            input_range=SPIKES if are_spikes(calibration, float(source_population.scale)) else None,
            source=graph.source,
        )
        self.x = torch.from_numpy(x)
        self.float_run = execute.run(graph, self._over_time(self.x), self.timesteps)
        (source,) = graph.inputs()
        unit = float(self.network.inputs[0].scale)
        self.fused = scale_source(self.fused, source, unit)
        every_step = self._every_step(self.x)
        self.float_spikes: dict[str, Tensor] = {source: every_step / unit}
        quantized = torch.from_numpy(self.network.quantize_input(x))
        self.integer_spikes: dict[str, Tensor] = {source: self._every_step(quantized)}
        self.potentials: dict[str, Tensor] = {}

    def run(self, progress: Callable[[str, int, int], None] | None) -> tuple[IntegerNetwork, QuantReport]:
        layers: list[LayerReport] = []
        components = self._components()
        total = sum(len(component) for component in components)
        for component in components:
            if progress is not None:
                progress(component[0], len(layers), total)
            layers += self._quantize_component(component)
        if progress is not None:
            progress("", total, total)
        check_network(self.network)
        return self.network, self._report(tuple(layers))

    def _components(self) -> list[tuple[str, ...]]:
        """Populations to be quantized, those of a cycle together."""
        names = [n for n in self.fused.populations if not isinstance(self.graph.nodes[n], nir.Input)]
        links = [(q.source, q.target) for q in self.fused.projections if q.source in names]
        return components(names, links)

    def _over_time(self, x: Tensor) -> Tensor:
        """Frames [B, T, *shape] with time first; images [B, *shape] as they are."""
        return x.transpose(0, 1).contiguous() if self._has_frames(x) else x

    def _every_step(self, x: Tensor) -> Tensor:
        """Images or frames as a source: [T or 1, B, *shape]."""
        return self._over_time(x) if self._has_frames(x) else x[None]

    def _has_frames(self, x: Tensor) -> bool:
        return x.dim() > 1 + len(self.network.inputs[0].shape)

    def _samples(
        self, x: npt.NDArray[np.float32], labels: npt.NDArray[np.int64] | None
    ) -> tuple[npt.NDArray[np.float32], _Others]:
        """The samples to calibrate on, and those to judge by."""
        inputs = self.graph.inputs()
        if len(inputs) != 1:
            raise InputError(
                f"{self.graph.source}: has the inputs {', '.join(map(repr, inputs))}; one can be quantized: join them "
                "to one Input, whose Linear nodes pick each its own part"
            )
        shape = self.graph.output_shapes[inputs[0]]
        if x.ndim < 1 or x.shape[1:] not in (shape, (self.timesteps, *shape)) or not len(x):
            raise InputError(
                f"{self.graph.source}: calibration data is {x.shape}, but node {inputs[0]!r} takes [samples, "
                f"{', '.join(map(str, shape))}], or {self.timesteps} frames of that per sample; calibrate with the "
                "data set that the network was trained on"
            )
        if not np.isfinite(x).all():
            raise InputError("calibration data holds values that are not finite; remove those samples")
        neurons = sum(math.prod(self.graph.output_shapes[n]) for n in self.fused.populations)
        most = max(1, min(self.options.samples, MAX_ACTIVATIONS // (neurons * self.timesteps)))
        drawn = self.rng.permutation(len(x))
        chosen, left = np.sort(drawn[:most]), np.sort(drawn[most : 2 * most])
        enough = len(left) >= min(ENOUGH, most)
        judged = left if enough else chosen
        others = _Others(np.ascontiguousarray(x[judged]), None if labels is None else labels[judged], enough)
        return np.ascontiguousarray(x[chosen]), others

    def _input_population(self, x: npt.NDArray[np.float32]) -> Population:
        (name,) = self.graph.inputs()
        if not x.any():
            raise InputError("calibration data is all zero; calibrate with real samples")
        unit = np.asarray(input_unit(x, INPUT_BITS) * self.coarser)
        return Population(name=name, shape=self.graph.output_shapes[name], role="input", scale=unit, weight_bits=0)

    def _outputs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(n for output in self.graph.outputs() for n in self.graph.predecessors(output)))

    def _quantize_component(self, names: tuple[str, ...]) -> list[LayerReport]:
        """Quantize populations that reach each other: as finely as their fading states stay within a chip's width."""
        before, finest = self.network, dict.fromkeys(names, LARGEST_T)
        self.fraction |= dict.fromkeys(names, self.options.most_fraction_bits)
        while True:
            for name in names:  # of a coarser try before: in its own cycle, a population fires as in float
                self.integer_spikes.pop(name, None)
            chosen = [self._choose(name, self._neuron(name), self._incoming(name), finest[name]) for name in names]
            for name, (scales, unit) in zip(names, chosen, strict=True):
                self._add_population(name, scales, unit)
            for name, (_, unit) in zip(names, chosen, strict=True):
                self._set_bias(name, unit)
            peaks = self._run_integer(names)
            beyond = {name: peaks[name] / STATE_LIMIT for name in names if self._neuron(name).leaks}
            if self._share_fraction(beyond):
                self.network = before
                continue
            coarser = {
                name: int(scales.t.max() / beyond[name])
                for name, (scales, _) in zip(names, chosen, strict=True)
                if beyond.get(name, 0) > 1
            }
            if not any(1 <= t < finest[name] for name, t in coarser.items()):
                break
            self.network, finest = before, finest | {name: max(t, 1) for name, t in coarser.items()}
        self._check_input_levels([name for name in names if finest[name] < LARGEST_T])
        return [
            self._measure(name, *choice, finest[name] < LARGEST_T) for name, choice in zip(names, chosen, strict=True)
        ]

    def _share_fraction(self, beyond: Mapping[str, float]) -> bool:
        """Take fraction bits off states that fade slowly, where coarser weights would lose more than half their levels.

        A unit becomes finer by as much as its fraction coarser, so that nothing is lost but Loihi's stock neurons.

        Args:
            beyond: how many times as large as they may be the states of each population are.

        Returns:
            Whether any lost some.
        """
        if self.options.fraction_bits is not None:
            return False
        wanted = {name: math.ceil(math.log2(times / 2)) for name, times in beyond.items() if times > 2}
        less = {name: min(bits, self.fraction[name]) for name, bits in wanted.items() if self.fraction[name]}
        self.fraction |= {name: self.fraction[name] - bits for name, bits in less.items()}
        return bool(less)

    def _check_input_levels(self, narrowed: Sequence[str]) -> None:
        """Share levels between the input and the weights beside it, where states leave the weights few.

        Raises:
            _InputTooFineError: the weights should get some of the input's.
        """
        largest = int(self.integer_spikes[self.network.inputs[0].name].abs().max())
        for name in narrowed:
            for q in self.network.incoming[name]:
                operator = weighted(q.operators)
                if q.source != self.network.inputs[0].name or operator is None:
                    continue
                limit = 2 ** (self.options.bits_of(name) - 1) - 1
                levels = max(1, int(np.abs(operator.weight).max(initial=0))) << q.exponent
                share = 1 << round(math.log2(largest / levels) / 2) if largest > levels else 1
                if self.coarser == 1 and levels < limit and share > 1:
                    raise _InputTooFineError(share)

    def _neuron(self, name: str) -> FloatNeuron:
        return read_neuron(self.graph, name)

    def _incoming(self, name: str) -> tuple[FloatProjection, ...]:
        return tuple(q for q in self.fused.projections if q.target == name)

    def _add_population(self, name: str, scales: Scales, unit: FloatArray) -> None:
        shape, how = self.graph.output_shapes[name], self.options
        population = replace(
            rounded_population(
                name, self._neuron(name), unit, shape, how.bits_of(name), how.decay_bits, self.fraction[name]
            ),
            groups=self.fused.groups.get(name, ()),
        )
        projections = tuple(
            Projection(q.source, name, _with_weights(q.operators, m), exponent=e, delay=q.delay, group=q.group)
            for q, m, e in zip(self._incoming(name), scales.mantissas, scales.exponents, strict=True)
        )
        self.network = replace(
            self.network,
            populations=(*self.network.populations, population),
            projections=(*self.network.projections, *projections),
        )

    def _set_bias(self, name: str, unit: FloatArray) -> None:
        population, neuron = self.network.by_name[name], self._neuron(name)
        bias = self._constant(name)
        pairs = zip(self._incoming(name), self.network.incoming[name], strict=True)
        if self.options.correct_bias and any(rounds_weights(q, p, unit, self.network) for q, p in pairs):
            missing = channels_first(self._missing_current(population, unit), bias.ndim)
            whole_units(bias + missing, unit, population.name)  # refused where a unit cannot count it
            bias = biases.corrected(neuron, bias, missing, self.timesteps, unit)
        corrected = population.with_rule(bias=whole_units(bias, unit, population.name))
        corrected = biases.finer(corrected, neuron, bias, unit, self.timesteps)
        populations = tuple(corrected if p is population else p for p in self.network.populations)
        self.network = replace(self.network, populations=populations)

    def _constant(self, name: str) -> FloatArray:
        """The input of a population's neurons at every step in float, at its full shape."""
        neuron = self._neuron(name)
        drift = neuron.drift if neuron.current_decay is None else np.zeros(())
        return np.broadcast_to(self.fused.bias[name] + drift, self.graph.output_shapes[name])

    def _measure(self, name: str, scales: Scales, unit: FloatArray, narrowed: bool) -> LayerReport:
        neuron = self._neuron(name)
        return measure_layer(
            self.network,
            self.network.by_name[name],
            neuron,
            list(zip(self._incoming(name), self.network.incoming[name], strict=True)),
            unit,
            scales.exact and ratios_hold(neuron, unit),
            narrowed,
        )

    def _choose(
        self, name: str, neuron: FloatNeuron, incoming: tuple[FloatProjection, ...], largest_t: int
    ) -> tuple[Scales, FloatArray]:
        """Scales of a population and the real value of one integer unit per channel [C]."""
        shape = self.graph.output_shapes[name]
        channels_of = {group.name: group.channels(shape) for group in self.fused.groups.get(name, ())}
        synapses = []
        for projection in incoming:
            operator = weighted(projection.operators)
            assert operator is not None
            columns = sample_columns(projection, self._float_source(projection), self.rng)
            source = self.graph.output_shapes[projection.source]
            identity = None if projection.weights else float(operator.weight.flat[0])
            peak = 2 ** (INPUT_BITS - 1) - 1 if projection.source in self.graph.inputs() else 1
            rows = target_rows(projection.operators, source, channels_of.get(projection.group))
            synapses.append(Synapses(operator, rows, columns, identity, peak))
        per_channel = self.options.granularity == "channel" and neuron.threshold is not None
        groups = scale_groups([s.rows for s in synapses], shape[0], per_channel)
        reference, ratios, span = reference_of(neuron, synapses, groups)
        how, most = self.options, np.minimum(largest_t, np.maximum(LARGEST_T / span, RESOLUTION))
        scales = choose_scales(synapses, reference, groups, how.bits_of(name), ratios, how.clip, how.compensate, most)
        return scales, reference / scales.t

    def _float_source(self, projection: FloatProjection) -> Tensor:
        """The float network's activity as a projection delivers it, [N, *shape], N = steps x samples."""
        name = projection.source
        source = self.float_spikes[name] if name in self.float_spikes else self.float_run.spikes[name]
        return delayed(source, projection.delay, self.timesteps).flatten(0, 1)

    def _missing_current(self, population: Population, unit: FloatArray) -> FloatArray:
        """Mean float current less mean integer current, per channel [C], both without bias, in float units.

        Populations of the same cycle have not run yet: they are taken to fire as in float.
        """
        incoming = self._incoming(population.name)
        wanted = mean_current(incoming, [self._float_source(q) for q in incoming], population)
        kernel = Kernel(self.network, population, state_range(self.network, population), Profile(), "cpu")
        spikes = {}
        for name in {q.source for q in incoming}:
            known = self.integer_spikes.get(name)
            spikes[name] = self.float_run.spikes[name].to(torch.uint8) if known is None else known
        total = np.zeros(population.shape[0])
        for chunk in self._chunks():
            current = kernel.current({name: source[:, chunk] for name, source in spikes.items()}, self.timesteps)
            total += current.double().mean(0).transpose(0, 1).flatten(1).mean(1).numpy() * current.shape[1]
        return wanted - total / len(self.x) * unit

    def _run_integer(self, names: tuple[str, ...]) -> dict[str, int]:
        """Run these populations; returns the largest magnitude of the fading states among theirs."""
        populations = [self.network.by_name[name] for name in names]
        kernels = [Kernel(self.network, p, state_range(self.network, p), Profile()) for p in populations]
        outside = {q.source for kernel in kernels for q in kernel.projections} - set(names)
        looks = any(self._neuron(name).leaks for name in names)
        parts, peaks = [], dict.fromkeys(names, 0)
        for chunk in self._chunks():
            sources = {name: self.integer_spikes[name][:, chunk] for name in outside}
            parts.append(run_together(kernels, sources, self.timesteps, keep_states=looks))
            for name, step in zip(names, parts[-1], strict=True):
                seen = () if step.trace is None else (step.trace.u, step.trace.v)
                peaks[name] = max([peaks[name], *(int(s.abs().max()) for s in seen if s is not None)])
        for name, steps in zip(names, zip(*parts, strict=True), strict=True):
            if steps[0].spikes is not None:
                self.integer_spikes[name] = torch.cat([step.spikes for step in steps], dim=1)
            else:
                self.potentials[name] = torch.cat([step.potential[-1] for step in steps])
        return peaks

    def _chunks(self) -> list[slice]:
        size = max(1, CHUNK // self.timesteps)
        return [slice(start, start + size) for start in range(0, len(self.x), size)]

    def _report(self, layers: tuple[LayerReport, ...]) -> QuantReport:
        source = self.network.inputs[0]
        limit = 2 ** (INPUT_BITS - 1)
        given = self.x.numpy()
        rounded = np.rint(given / source.scale)
        judged = judge(self.graph, self.network, self.others.x, self.others.labels)
        return QuantReport(
            bits=self.options.bits,
            granularity=self.options.granularity,
            samples=len(self.x),
            timesteps=self.timesteps,
            input_unit=float(source.scale),
            input_clipped=float(((rounded < -limit) | (rounded >= limit)).mean()),
            input_zeroed=float((rounded[given != 0] == 0).mean()),
            judged=judged.samples,
            held_out=self.others.held_out,
            accuracy_float=judged.accuracy_float,
            accuracy_integer=judged.accuracy_integer,
            agreement=judged.agreement,
            layers=tuple(_with_activity(layer, judged.activities.get(layer.population)) for layer in layers),
        )


def _with_activity(layer: LayerReport, activity: Activity | None) -> LayerReport:
    if activity is None:
        return layer
    return replace(
        layer,
        spike_rate_float=activity.rate_float,
        spike_rate_integer=activity.rate_integer,
        agreement=activity.agreement,
        first_diverging_step=activity.first_diverging_step,
        silenced=activity.silenced,
        awakened=activity.awakened,
        rest_rate_float=activity.rest_float,
        rest_rate_integer=activity.rest_integer,
    )


def _with_weights(operators: tuple[Operator, ...], mantissa: npt.NDArray[np.int64]) -> tuple[Operator, ...]:
    return tuple(replace(op, weight=mantissa) if isinstance(op, Weighted) else op for op in operators)
