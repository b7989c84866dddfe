"""What an estimate is made of, as plain data: counts, terms, estimates and the report that holds them.

Counts are whole numbers summed over all samples of a record; `Term.count` and everything in joules or seconds is for
one inference (one sample).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from inflor.targets.mapping import CoreMap


@dataclass(frozen=True)
class Memory:
    """Bits that a population takes in the network's own formats, on no particular chip.

    weights: of the projections into it, each stored once (a convolution's kernel is shared), at the network's
    weight bits. synapses: the same with one weight for every connection, as a chip without shared weights stores them.
    states: membrane potentials (and synaptic currents) at the width that their proved range needs. thresholds:
    thresholds, reset values, biases and decays, each distinct array element once, at the width of the largest.
    """

    weights: int
    synapses: int
    states: int
    thresholds: int

    @property
    def shared_bytes(self) -> float:
        """With kernels stored once."""
        return (self.weights + self.states + self.thresholds) / 8


@dataclass(frozen=True)
class PopulationCounts:
    """One population; sums over all samples and steps.

    Events are counted where they arrive: into this population. synaptic_events: (spike, synapse of non-zero weight)
    pairs. zero_weight_events: spikes that meet a weight of zero. dense_events: firing rate times multiply-accumulates,
    as tools count that do not look at borders and zeros. input_macs: (graded input value, non-zero weight) pairs.
    active_updates: neuron-steps in which the neuron receives an event or graded input, has a bias or drift, or fires.
    stirred_updates: those, and the ones that begin with a potential other than zero.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    depth: int
    neurons: int
    spikes: int
    synaptic_events: int
    zero_weight_events: int
    dense_events: float
    input_macs: int
    neuron_updates: int
    active_updates: int
    stirred_updates: int
    synapses: int
    memory: Memory

    @property
    def inactive_updates(self) -> int:
        return self.neuron_updates - self.active_updates


@dataclass(frozen=True)
class Counts:
    """Exact counts of a network and a record, the same on every chip. Populations without the input."""

    samples: int
    timesteps: int
    populations: tuple[PopulationCounts, ...]

    def total(self, name: str) -> Any:
        """Sum of one of the counts over all populations."""
        return sum(getattr(p, name) for p in self.populations)

    @property
    def spikes(self) -> int:
        return int(self.total("spikes"))

    @property
    def synaptic_events(self) -> int:
        return int(self.total("synaptic_events"))

    @property
    def neuron_updates(self) -> int:
        return int(self.total("neuron_updates"))

    def as_dict(self) -> dict[str, Any]:
        """Totals over all samples, their means per inference, and the totals per population."""
        names = (
            "neurons",
            "synapses",
            "spikes",
            "synaptic_events",
            "zero_weight_events",
            "dense_events",
            "input_macs",
            "neuron_updates",
            "active_updates",
            "stirred_updates",
        )
        populations = [
            {**asdict(p), "shape": list(p.shape), "inactive_updates": p.inactive_updates} for p in self.populations
        ]
        totals = {name: self.total(name) for name in names}
        means = {name: value / self.samples for name, value in totals.items() if name not in ("neurons", "synapses")}
        return {
            "samples": self.samples,
            "timesteps": self.timesteps,
            **totals,
            "per_inference": means,
            "populations": populations,
        }


@dataclass(frozen=True)
class MappedCounts:
    """What a record does on the cores of a chip; sums over all samples unless said otherwise.

    steps: of the chip, for all samples (guard steps included). packets: (spike, destination core) pairs, or, where
    routers copy packets (multicast), packets sent. deliveries: packets that arrive at cores. within_tile: deliveries
    whose source is at the same site. hops: links crossed, by direction; between chips that are a mesh each, under
    "chip-to-chip". routers: router traversals of multicast packets. input_events: graded input values that meet a
    synapse. by_kind: both kinds of events by how the synapses are stored.
    By population: of the source for packets and hops, else of the target; a relay is its source's. Spikes are those
    that leave a core: relays repeat them, and what the host computes or a readout holds back is none. Active and
    stirred updates are the network's own, a relay's those in which it repeats a spike, and all of a guard step.
    """

    chip: str
    layout: str
    cores: int
    tiles: int
    chips: int
    boards: int
    steps: int
    steps_per_inference: int
    synaptic_events: Mapping[str, int]
    neuron_updates: Mapping[str, int]
    active_updates: Mapping[str, int]
    stirred_updates: Mapping[str, int]
    input_events: Mapping[str, int]
    by_kind: Mapping[str, Mapping[str, int]]
    spikes: Mapping[str, int]
    packets: Mapping[str, int]
    deliveries: Mapping[str, int]
    within_tile: Mapping[str, int]
    hops: Mapping[str, Mapping[str, int]]
    routers: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Totals over all samples; hops by direction."""
        names = (
            "synaptic_events",
            "input_events",
            "neuron_updates",
            "active_updates",
            "stirred_updates",
            "spikes",
            "packets",
            "deliveries",
        )
        sums = {name: sum(getattr(self, name).values()) for name in (*names, "within_tile", "routers")}
        hops = {direction: sum(by.values()) for direction, by in self.hops.items()}
        kinds = {kind: sum(by.values()) for kind, by in self.by_kind.items()}
        plain = ("chip", "layout", "cores", "tiles", "chips", "boards", "steps", "steps_per_inference")
        return {
            **{name: getattr(self, name) for name in plain},
            **sums,
            "hops": hops,
            "by_kind": kinds,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True)
class Term:
    """One count times one published figure, for one inference.

    Attributes:
        name: what is counted.
        count: how often; seconds where the unit is "W".
        each: the figure, None where none is published.
        unit: of the figure, "J", "W" or "s".
        source: where the figure is published.
        kind: measured, simulated, fitted, claimed, reported, derived or convention.
        check: A where the primary source was read, B where it is quoted by one that was.
        conditions: of the figure and of the count.
        low, high: figures of other sources, or of another reading of the same.
        by_population: the count again, split; empty where it belongs to none.
    """

    name: str
    count: float
    each: float | None
    unit: str
    source: str
    kind: str
    check: str
    conditions: str = ""
    low: float | None = None
    high: float | None = None
    by_population: Mapping[str, float] = field(default_factory=dict)

    @property
    def product(self) -> float | None:
        """Count times figure: joules, or seconds of a time."""
        return None if self.each is None else self.count * self.each

    @property
    def energy_joules(self) -> float | None:
        """None of a time, and where no figure is published."""
        return None if self.unit == "s" else self.product

    def as_dict(self) -> dict[str, Any]:
        """The figure is `unit_energy` (joules; watts where `unit` is W) or, of a time, `unit_seconds`."""
        names = ("unit_seconds", "seconds") if self.unit == "s" else ("unit_energy", "energy_joules")
        plain = asdict(self)
        return {**plain, names[0]: plain.pop("each"), names[1]: self.product}


def total(terms: Iterable[Term], end: str = "") -> float | None:
    """Sum of the terms in joules; end: "low" or "high" takes that figure where a term has one. None of nothing."""
    energies = []
    for term in terms:
        each = getattr(term, end, None) if end else None
        each = term.each if each is None else each
        if each is not None:
            energies.append(term.count * each)
    return sum(energies) if energies else None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one model of one chip says of one inference.

    Attributes:
        name: unique, e.g. "loihi1_sanafe".
        hardware: the name of the chip that was asked for, e.g. "loihi1".
        title: what stands in tables.
        terms: their sum is the energy.
        energy_low_joules, energy_high_joules: where sources disagree.
        includes_static: whether the terms hold idle power.
        static_term: idle power times latency, where it is measured and not among the terms.
        latency_seconds: of one sample alone, from its first step to the last of the readout; None: not published.
        latency_low_seconds, latency_high_seconds: where sources disagree.
        streamed_seconds: between samples that follow each other without a gap.
        latency_terms: add up to `latency_seconds`.
        notes: what a reader must know of the model.
        mapped: what was counted on the chip's cores; None where the network was not placed on them.
        reference: whether it is a way of counting rather than a chip, and so has no cores.
    """

    name: str
    hardware: str
    title: str
    terms: tuple[Term, ...]
    energy_low_joules: float | None = None
    energy_high_joules: float | None = None
    includes_static: bool = False
    static_term: Term | None = None
    latency_seconds: float | None = None
    latency_low_seconds: float | None = None
    latency_high_seconds: float | None = None
    streamed_seconds: float | None = None
    latency_terms: tuple[Term, ...] = ()
    notes: tuple[str, ...] = ()
    mapped: MappedCounts | None = None
    reference: bool = False

    @property
    def energy_joules(self) -> float | None:
        """The sum of the terms; None where nothing is published."""
        return total(self.terms)

    @property
    def static_joules(self) -> float | None:
        """What idles during one inference, where it is measured and not among the terms."""
        return None if self.static_term is None else self.static_term.energy_joules

    @property
    def cores(self) -> int | None:
        return None if self.mapped is None else self.mapped.cores

    @property
    def chips(self) -> int | None:
        return None if self.mapped is None else self.mapped.chips

    @property
    def unpublished(self) -> tuple[str, ...]:
        """The counts that no figure is published for."""
        return tuple(f"{t.name} ({t.count:.6g} per inference)" for t in self.terms if t.each is None and t.count)

    @property
    def absent(self) -> str:
        """Why there is no number: the network is on no core of a chip that has some, or there is no figure."""
        return "not placed" if self.mapped is None and not self.reference else "not published"

    @property
    def energy_delay_joule_seconds(self) -> float | None:
        if self.energy_joules is None or self.latency_seconds is None:
            return None
        return self.energy_joules * self.latency_seconds

    @property
    def total_joules(self) -> float | None:
        """Energy with what idles, where both are known."""
        if self.energy_joules is None or (self.static_joules is None and not self.includes_static):
            return None
        return self.energy_joules + (self.static_joules or 0.0)

    def energy_of_populations(self) -> dict[str, float]:
        """Joules of each population, of the terms that belong to populations."""
        found: dict[str, float] = {}
        for term in self.terms:
            for name, count in term.by_population.items() if term.each is not None else ():
                found[name] = found.get(name, 0.0) + count * (term.each or 0.0)
        return found

    def as_dict(self) -> dict[str, Any]:
        plain = (
            "hardware",
            "title",
            "energy_joules",
            "energy_low_joules",
            "energy_high_joules",
            "includes_static",
            "static_joules",
            "total_joules",
            "latency_seconds",
            "latency_low_seconds",
            "latency_high_seconds",
            "streamed_seconds",
            "energy_delay_joule_seconds",
            "cores",
            "chips",
        )
        return {
            **{name: getattr(self, name) for name in plain},
            "terms": [term.as_dict() for term in self.terms],
            "latency_terms": [term.as_dict() for term in self.latency_terms],
            "static_term": None if self.static_term is None else self.static_term.as_dict(),
            "populations": self.energy_of_populations(),
            "notes": list(self.notes),
            "unpublished": list(self.unpublished),
            "mapped": None if self.mapped is None else self.mapped.as_dict(),
        }


@dataclass(frozen=True)
class Metrics:
    """NeuroBench's metrics, under its definitions (docs/cost.md). Operations are per inference.

    footprint_bytes: parameters and buffers. connection_sparsity: share of weights that are zero. activation_sparsity:
    share of neuron-steps without a spike. effective_macs, effective_acs: operations with both sides non-zero, of
    graded and of binary activations. dense_operations: the same with nothing zero. membrane_updates: neuron-steps.
    """

    footprint_bytes: float
    connection_sparsity: float
    activation_sparsity: float
    effective_macs: float
    effective_acs: float
    dense_operations: float
    membrane_updates: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class CostReport:
    """All of it: exact counts, metrics, and an estimate per model of each hardware asked for.

    warnings: what makes the counts doubtful; notes: what is left out of them. core_maps: where the neurons are, by
    hardware; without those on which the network could not be placed.
    """

    network: str
    record: str | None
    counts: Counts
    metrics: Metrics
    estimates: tuple[Estimate, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    core_maps: Mapping[str, CoreMap] = field(default_factory=dict)

    def estimate(self, name: str) -> Estimate:
        """The estimate of that name."""
        return next(e for e in self.estimates if e.name == name)

    def as_dict(self) -> dict[str, Any]:
        """`counts` (sums over all samples), `metrics`, and `hardware` by name of the model."""
        return {
            "network": self.network,
            "record": self.record,
            "samples": self.counts.samples,
            "timesteps": self.counts.timesteps,
            "counts": self.counts.as_dict(),
            "metrics": self.metrics.as_dict(),
            "hardware": {e.name: e.as_dict() for e in self.estimates},
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }
