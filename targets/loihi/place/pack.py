"""Splits a plan over cores: which neurons where, and what that takes of every limit.

A population is cut into blocks of channels times blocks of rows, all alike but for the last; the fewest blocks that
keep every limit are taken. Counts are exact: synapses and axons are those of the unrolled connections.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.targets.api import Violation
from inflor.targets.loihi.layout.joins import accumulators
from inflor.targets.loihi.layout.linear import MANTISSA_BITS, unroll
from inflor.targets.loihi.limits import Limits
from inflor.targets.loihi.place.cores import Core, Load, Mapping
from inflor.targets.loihi.plan import STOCK, Group, Plan, Synapses
from inflor.targets.loihi.rules import USE_MICROCODE

SYNAPSES_PER_BLOCK = 64
BLOCK_HEADER_BITS = 4 + 6
MEMORY_WORD_BITS = 64
"""Packing of a synapse list on Loihi 1: hardware.yaml, loihi1.synapse_block."""
ON_HOST = ("input", "encoder")

Counts = npt.NDArray[np.int64]


@dataclass
class _Fan:
    """One connection as the mapper sees it: which source neuron reaches how many neurons of a slice.

    reach: per row block of the target, synapses per source place and per output channel, of all of its ports; or a
    matrix. stored: weights of a kernel that the chip keeps for an output channel.
    """

    synapses: Synapses
    source: Group
    bits: int
    index_bits: int
    pattern: Any = None
    stored: int = 0
    cache: dict[Any, Any] = field(default_factory=dict)


def place_on_cores(plan: Plan, limits: Limits) -> Mapping:
    """Place every group that is not the host's."""
    by_name = {g.name: g for g in plan.groups}
    groups = [g for g in plan.groups if g.role not in ON_HOST]
    fans = {g.name: [_fan(s, by_name[s.source], limits) for s in plan.synapses if s.target == g.name] for g in groups}
    violations = _chip_violations(plan, limits)
    slices: dict[str, list[Core]] = {}
    for group in groups:
        cores, violation = _split(group, fans[group.name], limits, compartments(plan, group, limits))
        slices[group.name] = cores
        violations += [violation] if violation is not None else []
    for group in groups:
        outgoing = [(fan, slices[name], by_name[name]) for name in fans for fan in fans[name] if fan.source is group]
        slices[group.name], violation = _with_out_axons(group, slices[group.name], outgoing, limits)
        violations += [violation] if violation is not None else []
    placed = tuple(core for group in groups for core in slices[group.name])
    return Mapping(limits.chip, placed, tuple(violations), limits.unpublished, limits.cores_per_chip)


def _chip_violations(plan: Plan, limits: Limits) -> list[Violation]:
    """Limits that no splitting mends."""
    found = []
    on_host = {g.name for g in plan.groups if g.role in ON_HOST}
    for group in plan.groups:
        sent = any(s.source == group.name and s.target not in on_host for s in plan.synapses)
        if group.role == "input" and not limits.graded_bits and sent:
            mend = "use `chip='loihi2'`, or feed the input to the first layer only"
            found.append(Violation(group.name, "payload bits of a spike", 8, limits.graded_bits, mend))
        if group.role == "program" and not limits.neuron_programs:
            mend = "use `soft_reset='stock'`"
            if group.population.groups:  # which stock neurons are not either
                mend = "use `chip='loihi2'`, or put the pool behind the neuron (the maximum of spikes)"
            found.append(Violation(group.name, "neuron programs", 1, 0, mend))
    for synapses in (s for s in plan.synapses if s.target not in on_host):
        bits = _mantissa_bits(synapses, limits)
        if limits.exponent is not None and bits > MANTISSA_BITS:
            mend = "give its scale fewer bits"
            found.append(Violation(synapses.target, "weight exponent", synapses.exponent, limits.exponent, mend))
        if limits.delay is not None and synapses.delay > limits.delay:
            found.append(
                Violation(synapses.target, "synaptic delay", synapses.delay, limits.delay, "use `balance='relay'`")
            )
    return found


def _fan(synapses: Synapses, source: Group, limits: Limits) -> _Fan:
    needed = _mantissa_bits(synapses, limits)
    bits = next((width for width in sorted(limits.weight_bits) if width >= needed), max(limits.weight_bits))
    index = 0
    if synapses.kind != "dense":
        widths = limits.index_bits or (12,)
        index = next((w for w in sorted(widths) if 1 << w >= limits.neurons), max(widths))
    fan = _Fan(synapses, source, bits + synapses.delay.bit_length(), index)
    if synapses.kernel is not None:
        kernel, ports = synapses.kernel, synapses.ports
        taps = np.ones((1, 1, *kernel.weight.shape[2:]), np.int64)
        if ports > 1:  # their kernel has a place for each of their windows, of which each port uses its own
            by_port = kernel.weight.reshape(-1, ports, *kernel.weight.shape[1:])
            taps = (by_port != 0).any((0, 2)).astype(np.int64)[:, None]
        one_channel = replace(kernel, weight=taps, groups=1, in_shape=(1, *kernel.in_shape[1:]))
        pattern = unroll(one_channel).weight
        places = pattern.shape[0] // len(taps)
        fan.pattern = sum(pattern[k * places : (k + 1) * places] for k in range(len(taps)))
        fan.stored = int(taps.sum()) * kernel.weight.shape[1]
    return fan


def _mantissa_bits(synapses: Synapses, limits: Limits) -> int:
    """Bits of the widest weight, with those powers of two that the largest exponent has no room for."""
    weight = synapses.kernel.weight if synapses.kernel is not None else synapses.matrix.data
    needed = int(max(weight.max(initial=0), -1 - weight.min(initial=0))).bit_length() + 1
    return needed + max(0, synapses.exponent - (synapses.exponent if limits.exponent is None else limits.exponent))


def _grid(group: Group) -> tuple[int, int, int]:
    """Channels, rows, and neurons in a row of one channel."""
    if len(group.shape) == 1:
        return group.shape[0], 1, 1
    return group.shape[0], group.shape[1], math.prod(group.shape[2:])


def _blocks(length: int, parts: int) -> list[tuple[int, int]]:
    step = -(-length // parts)
    return [(start, min(start + step, length)) for start in range(0, length, step)]


def compartments(plan: Plan, group: Group, limits: Limits) -> int:
    """Of each neuron: one, and on a chip without neuron programs one for each of the sums that a maximum joins."""
    return 1 if limits.neuron_programs else accumulators(plan.synapses, group.name)


def _split(group: Group, fans: list[_Fan], limits: Limits, each: int) -> tuple[list[Core], Violation | None]:
    """The fewest cores that keep every limit of what comes in. each: compartments of a neuron."""
    channels, rows, _ = _grid(group)
    choices = sorted({(k, r) for k, r in product(_counts(channels), _counts(rows))}, key=lambda c: (c[0] * c[1], c[0]))
    finest = None
    for k, r in choices:
        if each * group.size > k * r * limits.neurons:
            continue
        cores, broken = [], None
        for channel, row in product(_blocks(channels, k), _blocks(rows, r)):
            core = _core(group, fans, channel, row, limits, each)
            broken = _broken(core, limits)
            if broken is not None:
                break
            cores.append(core)
        if broken is None:
            return cores, None
        finest = broken
    assert finest is not None
    name, number, allowed, mend = finest
    blocks = product(_blocks(channels, channels), _blocks(rows, rows))
    return [_core(group, fans, c, r, limits, each) for c, r in blocks], Violation(
        group.name, name, number, allowed, mend
    )


def _counts(length: int) -> list[int]:
    """Numbers of blocks that give different block sizes."""
    return sorted({-(-length // step) for step in range(1, length + 1)})


def _broken(core: Core, limits: Limits) -> tuple[str, int, int, str] | None:
    """The first limit that a core breaks: name, number, allowed, mend."""
    rules: tuple[tuple[str, int, int | None, str], ...] = (
        ("neurons in a core", core.compartments, limits.neurons, "split channels"),
        ("bits of synaptic memory in a core", core.synapse_bits, limits.synapse_bits, "use 6 bits, or fewer inputs"),
        ("axons into a core", core.in_axons, limits.in_axons, "pool before it, or split its inputs over two layers"),
        ("thresholds in a core", core.thresholds, limits.thresholds, f"quantize per population, or {USE_MICROCODE}"),
        ("kinds of synapse in a core", core.formats, limits.formats, "give its projections the same weight bits"),
        ("pairs of decays in a core", core.decays, limits.decays, f"train one decay per layer, or {USE_MICROCODE}"),
    )
    for name, number, allowed, mend in rules:
        if allowed is not None and number > allowed:
            return name, number, allowed, mend
    return None


def _core(
    group: Group, fans: list[_Fan], channels: tuple[int, int], rows: tuple[int, int], limits: Limits, each: int
) -> Core:
    width = _grid(group)[2]
    loads = tuple(_load(fan, group, channels, rows, limits) for fan in fans)
    synapses, bits, axons = (sum(getattr(load, name) for load in loads) for name in ("synapses", "bits", "axons"))
    stock = group.role in ("integrator", "lif")
    thresholds = _different(group, channels, group.population.rule.threshold) if stock else 1
    rule = group.population.rule
    both = [d for d in (rule.decay, rule.current_decay) if d is not None]
    arriving = (fan for fan, load in zip(fans, loads, strict=True) if load.synapses)
    formats = len({(f.bits, f.index_bits, f.synapses.kind, f.synapses.exponent, f.synapses.delay) for f in arriving})
    decays = _different(group, channels, *both) if group.role in STOCK else 1
    neurons = (channels[1] - channels[0]) * (rows[1] - rows[0]) * width
    return Core(
        group.name,
        channels,
        rows,
        neurons,
        synapses,
        bits,
        axons,
        0,
        thresholds,
        decays,
        formats,
        loads,
        each * neurons,
    )


def _different(group: Group, channels: tuple[int, int], *values: Counts) -> int:
    """How many different combinations of parameters the neurons of these channels have."""
    full = [group.population.broadcast(v)[channels[0] : channels[1]].ravel() for v in values]
    return int(np.unique(np.stack(full), axis=1).shape[1])


def _load(fan: _Fan, group: Group, channels: tuple[int, int], rows: tuple[int, int], limits: Limits) -> Load:
    kernel = fan.synapses.kernel
    counts = _per_source(fan, group, channels, rows)  # list of (how many source neurons alike, synapses of each)
    synapses = int(sum(times * n.sum() for times, n in counts))
    axons = int(sum(times * np.count_nonzero(n) for times, n in counts))
    if kernel is not None and limits.shared_convolutions:
        bits = fan.bits * (channels[1] - channels[0]) * fan.stored
    else:
        bits = int(sum(times * _packed(n, fan.bits + fan.index_bits).sum() for times, n in counts))
    return Load(fan.source.name, synapses, bits, axons)


def _packed(synapses: Counts, bits_per_synapse: int) -> Counts:
    """Bits of synapse lists: blocks of up to 64 synapses, each with a header, padded to whole words."""
    full, rest = np.divmod(synapses, SYNAPSES_PER_BLOCK)

    def block(n: Any) -> Any:
        return -(-(n * bits_per_synapse + BLOCK_HEADER_BITS) // MEMORY_WORD_BITS) * MEMORY_WORD_BITS

    return np.asarray(full * block(SYNAPSES_PER_BLOCK) + np.where(rest > 0, block(rest), 0), np.int64)


def _per_source(fan: _Fan, group: Group, channels: tuple[int, int], rows: tuple[int, int]) -> list[tuple[int, Counts]]:
    """Synapses from each source neuron into a slice, as (number of source channels alike, synapses per place)."""
    width = _grid(group)[2]
    kernel = fan.synapses.kernel
    if kernel is None:
        return [(1, _matrix_counts(fan, group, channels, rows))]
    if rows not in fan.cache:
        fan.cache[rows] = np.asarray(fan.pattern[rows[0] * width : rows[1] * width].sum(axis=0)).ravel()
    places = fan.cache[rows]
    per_group, inner = _channels(fan.synapses) // kernel.groups, kernel.weight.shape[1]
    reached = [
        max(0, min(channels[1], (g + 1) * per_group) - max(channels[0], g * per_group)) for g in range(kernel.groups)
    ]
    alike: dict[int, int] = {}
    for n in reached:
        alike[n] = alike.get(n, 0) + inner
    return [(times, places * n) for n, times in alike.items() if n]


def _channels(synapses: Synapses) -> int:
    """Output channels of a convolution, all ports of a channel as one."""
    assert synapses.kernel is not None
    return int(synapses.kernel.weight.shape[0]) // synapses.ports


def _matrix_counts(fan: _Fan, group: Group, channels: tuple[int, int], rows: tuple[int, int]) -> Counts:
    matrix, ports = fan.synapses.matrix, fan.synapses.ports
    _, all_rows, width = _grid(group)
    index = np.arange(ports * group.size).reshape(group.shape[0] * ports, all_rows, width)
    inside = matrix[index[ports * channels[0] : ports * channels[1], rows[0] : rows[1]].ravel()]
    return np.bincount(inside.indices, minlength=matrix.shape[1]).astype(np.int64)


def _with_out_axons(
    group: Group, cores: list[Core], outgoing: list[tuple[_Fan, list[Core], Group]], limits: Limits
) -> tuple[list[Core], Violation | None]:
    """Count, per core, the pairs of a source neuron and a core that it sends to."""
    channels, rows, width = _grid(group)
    sends = np.zeros((channels, rows * width), np.int64)
    for fan, targets, target_group in outgoing:
        for target in targets:
            sends += _reaches(fan, target_group, target, channels)
    made, worst = [], 0
    for core in cores:
        part = sends[core.channels[0] : core.channels[1], core.rows[0] * width : core.rows[1] * width]
        made.append(replace(core, out_axons=int(part.sum())))
        worst = max(worst, int(part.sum()))
    if limits.out_axons is None or worst <= limits.out_axons:
        return made, None
    return made, Violation(group.name, "axons out of a core", worst, limits.out_axons, "split its channels")


def _reaches(fan: _Fan, target_group: Group, target: Core, channels: int) -> Counts:
    """1 where a source neuron [channels, places] has a synapse in the target core."""
    counts = _per_source(fan, target_group, target.channels, target.rows)
    kernel = fan.synapses.kernel
    if kernel is None:
        return (counts[0][1] > 0).reshape(channels, -1).astype(np.int64)
    reach = np.zeros((channels, fan.pattern.shape[1]), np.int64)
    per_group, inner = _channels(fan.synapses) // kernel.groups, kernel.weight.shape[1]
    first, last = target.channels[0] // per_group, (target.channels[1] - 1) // per_group
    reach[first * inner : (last + 1) * inner] = fan.cache[target.rows] > 0
    return reach
