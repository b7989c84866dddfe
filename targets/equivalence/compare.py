"""Do two or more targets fire the same spikes? If not, where, when and at which neuron did they first differ?

The first mismatch is the first in causal order: lowest depth, then time, then neuron (then sample); populations of one
cycle count as one depth. All that its neuron received up to that step is therefore the same on both sides, and what it
should have done can be computed.

Two kinds of numbers stand beside it, and they are kept apart because a simulator whose arithmetic went wrong has no
say in what is right. Due: a, v and the spike that follow from the inputs that this side recorded, by the executable
specification (`inflor.quant.ir.reference`), which shares no code with the emulator's
arithmetic. Seen: a and v that the target itself held, from a second run up to that sample, where the target has an
`observe`. A side whose spike is not the one due is the wrong one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from inflor.converter.errors import InputError
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.reference import State, Synapses, arriving_at, current, step, synapses
from inflor.quant.operators import Weighted, unrolled
from inflor.targets import registry, running
from inflor.targets.api import Plan, Progress, Target
from inflor.targets.record.file import Record
from inflor.targets.record.remarks import on_activity, on_saturation

CHUNK = 32
"""Samples whose spikes are unpacked at a time."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One target at the first mismatch. value: its spike (0, 1), or the potential of a readout.

    a, v: input and potential before the reset, as they are due from what the target's neuron received; threshold:
    strict, in the units of v (the finest of the state). due: the value that follows. a, v and due are None where the
    target does not record what its neuron received. a_seen, v_seen: what it held, None where it cannot show it.
    """

    target: str
    value: int
    threshold: int | None = None
    a: int | None = None
    v: int | None = None
    due: int | None = None
    a_seen: int | None = None
    v_seen: int | None = None


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """The first difference. neuron: index in the population's shape; timestep counts from 0."""

    population: str
    depth: int
    sample: int
    timestep: int
    neuron: tuple[int, ...]
    sides: tuple[Side, ...]

    def __str__(self) -> str:
        text = (
            f"first mismatch: population {self.population!r} (depth {self.depth}), step {self.timestep}, "
            f"neuron {self.neuron}, sample {self.sample}"
        )
        for side in self.sides:
            seen = "" if side.v_seen is None and side.a_seen is None else f", seen a {side.a_seen} v {side.v_seen}"
            wrong = "" if side.due in (None, side.value) else f"  <- due is {side.due}"
            held = "input not recorded" if side.due is None else f"a {side.a}, v {side.v}"
            text += f"\n  {side.target}: {side.value}   {held}, threshold {side.threshold}{seen}{wrong}"
        return text


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Agreement of one population over all targets.

    Attributes:
        name: of the population.
        depth: longest path from an input.
        compared: values of one target that were compared.
        mismatches: of them, that differ on any target.
        fired: spikes on the first target; None for a readout.
    """

    name: str
    depth: int
    compared: int
    mismatches: int
    fired: int | None

    @property
    def agreement(self) -> float:
        return 1.0 - self.mismatches / self.compared


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """compared_spikes: neuron-steps compared (each holds a spike or none), per target beyond the first, readouts aside.

    mismatches: those that differ, readout values included. not_compared: populations that not every target records.
    saturated: by target and population, the neuron-steps whose state left the target's arithmetic; equal spikes are
    then no proof of the network's own. clipped: the share of the inputs outside the range calibrated. notes: both, and
    which populations never or always fired, in words.
    """

    targets: tuple[str, ...]
    samples: int
    compared_spikes: int
    mismatches: int
    layers: tuple[Layer, ...]
    first_mismatch: Mismatch | None = None
    not_compared: tuple[str, ...] = ()
    saturated: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    clipped: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        return self.mismatches == 0

    @property
    def sound(self) -> bool:
        """Equal, and nothing saturated or was clipped on the way."""
        return self.equal and not self.saturated and not self.clipped

    @property
    def verdict(self) -> str:
        """In a few words."""
        if not self.equal:
            return f"{self.mismatches} different"
        held = {(name, count): None for counts in self.saturated.values() for name, count in counts.items()}
        but = [f"{count} potentials saturated in {name!r}" for name, count in held]
        but += [f"{100 * self.clipped:.1f} % of the inputs were clipped"] if self.clipped else []
        return "equal" + (f", but {' and '.join(but)}" if but else "")

    def as_dict(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        layers = [{**asdict(layer), "agreement": layer.agreement} for layer in self.layers]
        return {**asdict(self), "equal": self.equal, "sound": self.sound, "layers": layers}


def check(
    network: IntegerNetwork,
    targets: Sequence[str],
    inputs: npt.NDArray[Any],
    options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> Equivalence:
    """Run `network` on every target and compare. inputs: quantized, integers [samples, *shape] or [samples, T, *shape].

    options: per target, the options of its `place`.

    Raises:
        InputError: fewer than two targets, a target that runs no integer networks, or what a target itself refuses.
        MissingPartError: a target is not installed.
    """
    if len(targets) < 2 or len(set(targets)) < len(targets):
        raise InputError(f"`targets` {' '.join(targets)}: name two or more different targets", option="targets")
    if not len(inputs):
        raise InputError("there is nothing to compare in 0 samples; give `samples=1` or more")
    found = {name: registry.load(name) for name in targets}
    for name, target in found.items():
        if target.input != "integer":
            raise InputError(f"target {name!r} runs float networks only; leave it out of `targets`")
    plans = {name: running.place(target, network, (options or {}).get(name)) for name, target in found.items()}
    records = {n: running.record(target, plans[n], network, inputs, progress) for n, target in found.items()}
    result = compare(network, records, inputs)
    if result.first_mismatch is None:
        return result
    return _with_states(result, found, plans, inputs)


def compare(network: IntegerNetwork, records: Mapping[str, Record], inputs: npt.NDArray[Any]) -> Equivalence:
    """Compare records of the same network and inputs; the first one is the reference.

    Raises:
        InputError: the records are of different populations or numbers of samples.
    """
    _check_records(records)
    layers, first = [], None
    recorded = set.intersection(*({p.name for p in r.populations} for r in records.values()))
    wanted = [p for p in network.populations if p.role != "input"]
    populations = [p for p in wanted if p.name in recorded]
    if not populations:
        raise InputError(
            f"{network.source}: there is nothing to compare: {', '.join(records)} record no population in common"
        )
    for population in sorted(populations, key=lambda p: network.depth[p.name]):
        layer, found = _compare_population(network, population, records)
        layers.append(layer)
        if found is not None and (first is None or _causal(network, found) < _causal(network, first)):
            first = found
    if first is not None:
        first = _with_due_values(network, first, records, inputs)
    fired = [layer for layer in layers if layer.fired is not None]
    return Equivalence(
        targets=tuple(records),
        samples=next(iter(records.values())).samples,
        compared_spikes=sum(layer.compared for layer in fired),
        mismatches=sum(layer.mismatches for layer in layers),
        layers=tuple(layers),
        first_mismatch=first,
        not_compared=tuple(p.name for p in wanted if p.name not in recorded),
        saturated={
            target: {name: count for name, count in record.overflows.items() if count}
            for target, record in records.items()
            if any(record.overflows.values())
        },
        notes=(*on_saturation(records), *on_activity(next(iter(records.values())).rates)),
    )


def _check_records(records: Mapping[str, Record]) -> None:
    sizes = {(r.samples, r.timesteps) for r in records.values()}
    shapes = {(p.name, p.shape) for r in records.values() for p in r.populations if p.kind != "input"}
    if len(sizes) > 1 or len({name for name, _ in shapes}) < len(shapes):
        raise InputError(f"the records of {', '.join(records)} are not of the same network and samples")


def _causal(network: IntegerNetwork, mismatch: Mismatch) -> tuple[Any, ...]:
    rank = network.rank[mismatch.population]
    return (rank, mismatch.timestep, mismatch.depth, mismatch.neuron, mismatch.sample)


def _values(record: Record, population: Population, samples: slice) -> npt.NDArray[np.int64]:
    """Spikes, or potentials of a readout: [samples, T, *shape]."""
    if population.role == "readout":
        values = record.outputs[population.name][samples]
        return values.reshape(*values.shape[:2], *population.shape).astype(np.int64)
    return record.spikes(population.name, samples).astype(np.int64)


def _compare_population(
    network: IntegerNetwork, population: Population, records: Mapping[str, Record]
) -> tuple[Layer, Mismatch | None]:
    reference, *others = records
    depth = network.depth[population.name]
    compared = mismatches = fired = 0
    first: Mismatch | None = None
    for start in range(0, records[reference].samples, CHUNK):
        samples = slice(start, start + CHUNK)
        expected = _values(records[reference], population, samples)
        fired += int((expected != 0).sum())
        for other in others:
            got = _values(records[other], population, samples)
            different = expected != got
            compared += different.size
            count = int(different.sum())
            mismatches += count
            if not count:
                continue
            at = np.argwhere(np.moveaxis(different, 0, -1))[0]  # time, then neuron, then sample
            index = (int(at[-1]), *(int(i) for i in at[:-1]))
            sides = tuple(
                Side(target=name, value=int(values[index])) for name, values in ((reference, expected), (other, got))
            )
            found = Mismatch(
                population=population.name,
                depth=depth,
                sample=start + index[0],
                timestep=index[1],
                neuron=index[2:],
                sides=sides,
            )
            if first is None or _causal(network, found) < _causal(network, first):
                first = found
    is_readout = population.role == "readout"
    layer = Layer(
        name=population.name,
        depth=depth,
        compared=compared,
        mismatches=mismatches,
        fired=None if is_readout else fired,
    )
    return layer, first


def _with_due_values(
    network: IntegerNetwork, mismatch: Mismatch, records: Mapping[str, Record], inputs: npt.NDArray[Any]
) -> Mismatch:
    population = network.by_name[mismatch.population]
    sides = []
    for side in mismatch.sides:
        threshold = None
        if population.role != "readout":
            held = int(population.broadcast(population.rule.threshold)[mismatch.neuron])
            threshold = held << population.rule.fraction_bits
        known = replace(side, threshold=threshold)
        if _records_all_sources(network, population, records[side.target]):
            a, v, due = _due(network, population, records[side.target], inputs, mismatch)
            known = replace(known, a=a, v=v, due=due)
        sides.append(known)
    return replace(mismatch, sides=tuple(sides))


def _records_all_sources(network: IntegerNetwork, population: Population, record: Record) -> bool:
    recorded = {p.name for p in record.populations} | {p.name for p in network.inputs}
    return all(q.source in recorded for q in network.incoming[population.name])


def _due(
    network: IntegerNetwork, population: Population, record: Record, inputs: npt.NDArray[Any], mismatch: Mismatch
) -> tuple[int, int, int]:
    """a, v before the reset, and the value due at the mismatch, from what this side's sources sent."""
    neuron = int(np.ravel_multi_index(mismatch.neuron, population.shape))
    rule, fires = population.rule.at(population.shape, neuron), population.role == "spiking"
    incoming = network.incoming[population.name]
    sent = {q.source: _sent(network.by_name[q.source], record, inputs, mismatch.sample) for q in incoming}

    def row(q: Projection, place: int) -> Synapses:
        return synapses(q, _row(network, q, place), 0)

    arriving = arriving_at(network, population.name, neuron, row)
    state, a = State(), 0
    for t in range(mismatch.timestep + 1):
        a = current(int(rule.bias), arriving, sent, t)
        state = step(rule, state, a, fires)
    return a, state.v, state.spike if fires else state.v


def _sent(population: Population, record: Record, inputs: npt.NDArray[Any], sample: int) -> list[list[int]]:
    """What every neuron of a population sent in every step of a sample."""
    if population.role == "input":
        steps = np.broadcast_to(inputs[sample], (record.timesteps, *population.shape))
    else:
        steps = _values(record, population, slice(sample, sample + 1))[0]
    values: list[list[int]] = steps.reshape(record.timesteps, -1).astype(np.int64).tolist()
    return values


def _row(network: IntegerNetwork, projection: Projection, place: int) -> Any:
    """The row of the projection's matrix that is one neuron's, or one place's of a group's map, scipy CSR [1, source].

    The weights of other output channels are left out: all synapses of a large convolution would not fit in memory.
    """
    shapes = [network.by_name[projection.source].shape]
    for operator in projection.operators:
        shapes.append(operator.output_shape(shapes[-1]))
    row = scipy.sparse.csr_matrix(([1], ([0], [place])), shape=(1, math.prod(shapes[-1])), dtype=np.int64)
    for operator, before, after in reversed(list(zip(projection.operators, shapes, shapes[1:], strict=False))):
        if isinstance(operator, Weighted) and operator.shared and not operator.elementwise:
            kept = np.zeros(len(operator.weight), np.int64)
            kept[operator.rows(before)[row.indices // math.prod(after[1:])]] = 1
            operator = operator.scaled_rows(kept)
        row = row @ unrolled((operator,), before)
    return row


def _with_states(
    result: Equivalence, targets: Mapping[str, Target], plans: Mapping[str, Plan], inputs: npt.NDArray[Any]
) -> Equivalence:
    """Add what the targets themselves held, from a second run of the one sample and those before it."""
    mismatch = result.first_mismatch
    assert mismatch is not None
    sides = []
    for side in mismatch.sides:
        observe = targets[side.target].observe
        a_seen = v_seen = None
        if observe is not None:
            where = (mismatch.population, mismatch.sample, mismatch.timestep, mismatch.neuron)
            a_seen, v_seen = observe(plans[side.target], inputs, *where)
        sides.append(replace(side, a_seen=a_seen, v_seen=v_seen))
    return replace(result, first_mismatch=replace(mismatch, sides=tuple(sides)))
