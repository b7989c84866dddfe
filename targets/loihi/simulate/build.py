"""From a plan and samples to a Lava job: processes, connections, arrays, and where the results will be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.quant.operators import IntArray
from inflor.targets.loihi.layout.guard import repeated_input
from inflor.targets.loihi.layout.joins import joined_shape, masked
from inflor.targets.loihi.layout.linear import Kernel
from inflor.targets.loihi.numbers import FORGET, bias_registers, decays, finest_shift, has_current
from inflor.targets.loihi.plan import SILENCE, Group, Plan, Synapses, chip_order
from inflor.targets.loihi.simulate import job as jobs
from inflor.targets.loihi.widths import INPUT_SHIFT

OWN = "inflor.targets.loihi.simulate.processes."
MIXED = "lava.utils.weightutils:SignMode.MIXED"
FAST_MODELS = {
    "lava.proc.conv.process:Conv": OWN + "synapses:PyConvModelWindows",
    "lava.proc.sparse.process:DelaySparse": OWN + "synapses:PyDelaySparseModelOnce",
}
NEURONS, SYNAPSES, BIAS, RECORD, WATCH, JOIN = "neurons ", "synapses ", "bias ", "record ", "watch ", "join "
"""How the names of processes begin, so that none has another's, whatever the populations are called."""
NO_LEAK = 0
"""Decay of a state that keeps all."""
NEVER = 131_071
"""Largest threshold."""


@dataclass(frozen=True)
class Outputs:
    """Files that the job writes: one bit per spike or int32 per potential, per step; int64[1] overflow counters.

    clock: int64[1], the time step that the source has come to. watched: input and state of the group that is watched.
    """

    rows: Mapping[str, str]
    overflows: Mapping[str, str]
    clock: str
    watched: tuple[str, str] | None = None


def lower(
    plan: Plan,
    frames: npt.NDArray[np.int8],
    folder: Path,
    exact_lava: bool,
    run_config: str = "sim",
    watch: str | None = None,
) -> tuple[jobs.Job, Outputs]:
    """Write the job for `frames` [samples, 1 or T, *input shape] into `folder`.

    watch: a group whose input and state are recorded too.
    """
    builder = _Builder(plan, folder, plan.steps(len(frames)), exact_lava)
    for group in plan.groups:
        builder.group(group, frames)
    for synapses in plan.synapses:
        builder.synapses(synapses)
    watched = None if watch is None else builder.watch(builder.by_name[watch])
    names = [p.name for p in builder.processes]
    assert len(set(names)) == len(names), "two processes of one name"
    models = {} if exact_lava else FAST_MODELS
    job = jobs.Job(builder.steps, tuple(builder.processes), tuple(builder.connections), models, run_config)
    return job, Outputs(builder.rows, builder.overflows, builder.clock, watched)


def _join_name(target: str, group: str) -> str:
    """Of the process that takes the maximum over a group of ports."""
    return f"{JOIN}{len(target)} {target} {group}"


class _Builder:
    def __init__(self, plan: Plan, folder: Path, steps: int, exact_lava: bool):
        self.plan, self.folder, self.steps, self.exact_lava = plan, folder, steps, exact_lava
        self.processes: list[jobs.ProcessSpec] = []
        self.connections: list[jobs.Connection] = []
        self.rows: dict[str, str] = {}
        self.overflows: dict[str, str] = {}
        self.by_name = {g.name: g for g in plan.groups}
        self.clock = jobs.output(folder, "clock", (1,), np.int64)

    def group(self, group: Group, frames: npt.NDArray[np.int8]) -> None:
        if group.role == "input":
            self._source(group, frames)
            return
        make = {
            "program": self._program,
            "encoder": self._program,
            "integrator": self._integrator,
            "lif": self._lif,
            "readout": self._readout,
            "relay": self._relay,
        }
        make[group.role](group)
        if group.role in ("program", "encoder"):
            self._joins(group)
        if group.role == "readout":
            self._probe(group)
        elif group.role != "relay":
            self._sink(group, graded=group.population.role == "readout")

    def synapses(self, synapses: Synapses) -> None:
        number = len(self.processes)
        graded = self.by_name[synapses.source].role == "input"
        common = {"num_message_bits": 8 if graded else 0}
        if synapses.kernel is not None:
            self._convolution(synapses, synapses.kernel, common)
            return
        made = joined_shape(self.by_name[synapses.target].shape, synapses.ports)
        matrix = synapses.matrix[chip_order(made)]
        matrix = (2 * matrix[:, chip_order(self.by_name[synapses.source].shape)]).astype(np.int32).tocsr()
        arguments: dict[str, Any] = {**common, "weight_exp": synapses.exponent - 1, "sign_mode": jobs.member(MIXED)}
        if synapses.kind == "dense":
            weights: Any = jobs.array(self.folder, f"w{number}", matrix.toarray())
            process = "lava.proc.dense.process:Dense"
        else:
            weights, process = jobs.sparse(self.folder, f"w{number}", matrix), "lava.proc.sparse.process:Sparse"
        if synapses.delay:
            delays = matrix.astype(np.int64)
            delays.data[:] = synapses.delay
            arguments["delays"] = jobs.sparse(self.folder, f"d{number}", delays)
            arguments["max_delay"] = synapses.delay
            process = "lava.proc.sparse.process:DelaySparse"
        self._process(SYNAPSES + synapses.name, process, {"weights": weights, **arguments})
        self._wire(synapses, None, None)

    def _convolution(self, synapses: Synapses, kernel: Kernel, common: dict[str, Any]) -> None:
        weight = (kernel.weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1) << synapses.exponent).astype(np.int32)
        channels, height, width = kernel.in_shape
        self._process(
            SYNAPSES + synapses.name,
            "lava.proc.conv.process:Conv",
            {
                **common,
                "weight": jobs.array(self.folder, f"w{len(self.processes)}", np.ascontiguousarray(weight)),
                "input_shape": jobs.pair((width, height, channels)),
                "stride": jobs.pair(kernel.stride[::-1]),
                "padding": jobs.pair(kernel.padding[::-1]),
                "dilation": jobs.pair(kernel.dilation[::-1]),
                "groups": kernel.groups,
            },
        )
        size = int(np.prod(kernel.out_shape))
        self._wire(synapses, (width, height, channels), (size,))

    def _wire(self, synapses: Synapses, seen: tuple[int, ...] | None, made: tuple[int, ...] | None) -> None:
        """Source, connection, target; the connection sees its source in the shape `seen`, its target gets `made`."""
        into = _join_name(synapses.target, synapses.join) if synapses.join else NEURONS + synapses.target
        self.connections += [
            jobs.Connection(f"{NEURONS}{synapses.source}.s_out", f"{SYNAPSES}{synapses.name}.s_in", seen),
            jobs.Connection(f"{SYNAPSES}{synapses.name}.a_out", f"{into}.a_in", made),
        ]

    def _process(self, name: str, process: str, arguments: dict[str, Any]) -> None:
        self.processes.append(jobs.ProcessSpec(name, process, arguments))

    def _source(self, group: Group, frames: npt.NDArray[np.int8]) -> None:
        first = next(g for g in self.plan.groups if g.role == "input")
        path = self.folder / f"frames{len(self.processes)}.npy"
        flat = frames.reshape(*frames.shape[:2], -1)
        np.save(path, np.ascontiguousarray(flat[:, :, chip_order(group.shape)]))
        self._process(
            NEURONS + group.name,
            OWN + "streams:FrameSource",
            {
                "size": group.size,
                "frames": str(path),
                "period": self.plan.period,
                "active": self.plan.active,
                "delay": group.depth,
                "clock": self.clock if group is first else "",
            },
        )

    def _sink(self, group: Group, graded: bool) -> None:
        shape = (self.steps, group.size if graded else -(-group.size // 8))
        dtype, packed = np.int32 if graded else np.uint8, {"packed": not graded}
        self.rows[group.name] = self._record(RECORD + group.name, group, "streams:Sink", shape, dtype, packed)
        self.connections.append(jobs.Connection(f"{NEURONS}{group.name}.s_out", f"{RECORD}{group.name}.a_in"))

    def _probe(self, group: Group) -> None:
        shape = (self.steps, group.size)
        self.rows[group.name] = self._record(RECORD + group.name, group, "streams:Probe", shape, np.int32, {})
        state = f"{NEURONS}{group.name}.v"
        self.connections.append(jobs.Connection(f"{RECORD}{group.name}.state", state, variable=True))

    def _record(
        self, name: str, group: Group, process: str, shape: tuple[int, int], dtype: npt.DTypeLike, options: Any
    ) -> str:
        """A process that writes down what comes in; returns its file."""
        rows = jobs.output(self.folder, f"rows{len(self.processes)}", shape, dtype)
        self._process(name, OWN + process, {"size": group.size, "rows": rows, **options})
        return rows

    def watch(self, group: Group) -> tuple[str, str]:
        """Record what arrives over projections, and the state; returns both files."""
        shape, neurons = (self.steps, group.size), NEURONS + group.name
        arriving = self._record(f"{WATCH}input", group, "streams:Sink", shape, np.int32, {"packed": False})
        held = self._record(f"{WATCH}state", group, "streams:Probe", shape, np.int32, {})
        inward = [c for c in self.connections if c.target == f"{neurons}.a_in"]
        sources = {f"{SYNAPSES}{s.name}.a_out" for s in self.plan.synapses if s.target == group.name and s.projection}
        sources |= {f"{_join_name(group.name, ports.name)}.a_out" for ports in group.population.groups}
        self.connections += [replace(c, target=f"{WATCH}input.a_in") for c in inward if c.source in sources]
        state = {"program": "before_reset", "encoder": "before_reset", "integrator": "u"}.get(group.role, "v")
        self.connections.append(jobs.Connection(f"{WATCH}state.state", f"{neurons}.{state}", variable=True))
        return arriving, held

    def _program(self, group: Group) -> None:
        population, rule = group.population, group.population.rule
        values = {name: getattr(rule, name) for name in ("threshold", "reset_value", "v_reset", "bias", "drift")}
        twelve = decays(population)
        assert twelve is not None
        values |= {"current_decay": twelve[0], "decay": twelve[1]}
        number = len(self.processes)
        self._process(
            NEURONS + group.name,
            OWN + "neurons:NeuronProgram",
            {
                "size": group.size,
                **{n: jobs.array(self.folder, f"{n}{number}", self._full(group, v)) for n, v in values.items()},
                "fraction_bits": rule.fraction_bits,
                "refractory": rule.refractory,
                "has_current": rule.current_decay is not None,
                "reset": rule.reset_kind,
                "graded": population.role == "readout",
                "period": self.plan.period,
                "active": self.plan.active,
                "depth": group.depth,
                "overflows": self._counter(group),
            },
        )

    def _joins(self, group: Group) -> None:
        """The maxima over a program's accumulators, each of a process of its own, within the step."""
        for ports in group.population.groups:
            name, order = _join_name(group.name, ports.name), chip_order(joined_shape(group.shape, ports.count))
            mask = jobs.array(self.folder, f"j{len(self.processes)}", masked(ports, group.shape).ravel()[order])
            arguments = {"size": group.size, "ports": ports.count, "mask": mask}
            self._process(name, OWN + "joins:JoinedPorts", arguments)
            self.connections.append(jobs.Connection(f"{name}.a_out", f"{NEURONS}{group.name}.a_in"))

    def _lif(self, group: Group) -> None:
        """A stock neuron. Its v is relative to v_reset, since LIF resets to 0.

        What is added to v at every step is a register where it can be; what has to come into u, to differ from step
        to step or to be absent from guard steps comes as input.
        """
        population = group.population
        shift, bias, drift = (self._full(group, getattr(population.rule, n)) for n in ("v_reset", "bias", "drift"))
        drift = drift << finest_shift(population)
        registers, start = bias_registers((bias << INPUT_SHIFT) + drift), np.zeros_like(bias)
        if registers is None or shift.any() or self._long_guard or has_current(population) or group.muted:
            start = self._pattern(group, bias, -shift, SILENCE if group.muted else 0)
            registers = bias_registers(drift)
        twelve = decays(population)
        assert twelve is not None
        self._reset_lif(group, *twelve, self._full(group, population.rule.threshold) - shift, registers, start)

    def _integrator(self, group: Group) -> None:
        population = group.population
        bias = self._full(group, population.rule.bias)
        start = self._pattern(group, bias, np.zeros_like(bias), 0 if self._long_guard else SILENCE)
        all_kept, none_kept = np.asarray(NO_LEAK), np.asarray(FORGET)
        self._reset_lif(group, all_kept, none_kept, self._full(group, population.rule.threshold), None, start)

    def _readout(self, group: Group) -> None:
        population = group.population
        bias, drift = (self._full(group, getattr(population.rule, n)) for n in ("bias", "drift"))
        drift = drift << finest_shift(population)
        registers = bias_registers((bias << INPUT_SHIFT) + drift)
        if registers is None or has_current(population):
            self._pattern(group, bias, np.zeros_like(bias), 0)
            registers = bias_registers(drift)
        twelve = decays(population)
        assert twelve is not None
        self._reset_lif(group, *twelve, np.full(group.size, NEVER), registers, np.zeros_like(bias))

    @property
    def _long_guard(self) -> bool:
        return self.plan.reset_interval != self.plan.period

    def _relay(self, group: Group) -> None:
        self._process(
            NEURONS + group.name,
            "lava.proc.lif.process:LIF",
            {"shape": jobs.pair((group.size,)), "du": FORGET - 1, "dv": FORGET, "vth": 0},
        )

    def _reset_lif(
        self,
        group: Group,
        current_decay: IntArray,
        decay: IntArray,
        threshold: IntArray,
        bias: tuple[IntArray, IntArray] | None,
        current: IntArray,
    ) -> None:
        number = len(self.processes)
        arguments = {
            "shape": jobs.pair((group.size,)),
            "du": self._decay_register(group, "du", current_decay - 1),
            "dv": self._decay_register(group, "dv", decay),
            "vth": jobs.array(self.folder, f"vth{number}", threshold.astype(np.int32)),
            "u": jobs.array(self.folder, f"u{number}", current.astype(np.int32)),
            "reset_interval": self.plan.reset_interval,
            "reset_offset": (group.depth + 1) % self.plan.reset_interval,
        }
        if bias is not None:
            arguments["bias_mant"] = jobs.array(self.folder, f"bm{number}", bias[0].astype(np.int32))
            arguments["bias_exp"] = jobs.array(self.folder, f"be{number}", bias[1].astype(np.int32))
        process = "lava.proc.lif.process:LIFReset"
        if not self.exact_lava:
            process = OWN + "counted:CountedLIFReset"
            times = {"first_step": group.depth + 1, "period": self.plan.period, "active": self.plan.active}
            arguments |= {"overflows": self._counter(group), **times}
        self._process(NEURONS + group.name, process, arguments)

    def _decay_register(self, group: Group, name: str, values: IntArray) -> Any:
        """One number, or an array where the neurons differ."""
        if values.min() == values.max():
            return int(values.min())
        return jobs.array(self.folder, f"{name}{len(self.processes)}", self._full(group, values).astype(np.int32))

    def _pattern(self, group: Group, bias: IntArray, first: IntArray, silence: int) -> IntArray:
        """A source that repeats every period, and u to begin with; see
        `inflor.targets.loihi.layout.guard.repeated_input`.
        """
        twelve = decays(group.population)
        assert twelve is not None
        forgets = self._full(group, twelve[0] if group.role == "lif" else np.asarray(NO_LEAK))
        pattern, start = repeated_input(self.plan, group.depth, bias, first, silence, forgets)
        number = len(self.processes)
        data = jobs.array(self.folder, f"p{number}", pattern.astype(np.int32))
        self._process(BIAS + group.name, "lava.proc.io.source:RingBuffer", {"data": data})
        self.connections.append(jobs.Connection(f"{BIAS}{group.name}.s_out", f"{NEURONS}{group.name}.a_in"))
        return start

    def _counter(self, group: Group) -> str:
        path = jobs.output(self.folder, f"overflows{len(self.processes)}", (1,), np.int64)
        self.overflows[group.name] = path
        return path

    def _full(self, group: Group, values: IntArray) -> IntArray:
        """A population's values, one per neuron, in the order of the chip."""
        return group.population.broadcast(values).reshape(-1)[chip_order(group.shape)].astype(np.int64)
