"""Cores and what each of them takes: the mapping of a plan on a chip, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inflor.targets.api import Violation


@dataclass(frozen=True)
class Load:
    """What one connection brings to a core. axons: neurons of the source group that have a synapse there."""

    source: str
    synapses: int
    bits: int
    axons: int


@dataclass(frozen=True)
class Core:
    """One core: a slice of a population, and what it takes.

    thresholds, decays, formats: how many different thresholds, pairs of decays and kinds of synapse it holds. loads: of
    the connections that lead to it. compartments: of its neurons; several each where input ports are joined on a chip
    without neuron programs.
    """

    population: str
    channels: tuple[int, int]
    rows: tuple[int, int]
    neurons: int
    synapses: int
    synapse_bits: int
    in_axons: int
    out_axons: int
    thresholds: int
    decays: int
    formats: int
    loads: tuple[Load, ...]
    compartments: int


@dataclass(frozen=True)
class Mapping:
    """All cores, and the limits that cannot be kept."""

    chip: str
    cores: tuple[Core, ...]
    violations: tuple[Violation, ...]
    unpublished: tuple[str, ...]
    cores_per_chip: int

    @property
    def chips(self) -> int:
        return -(-len(self.cores) // self.cores_per_chip)

    def totals(self) -> dict[str, Any]:
        """Sums over cores, as plain data."""
        several = any(core.compartments != core.neurons for core in self.cores)
        names = (
            "neurons",
            *(("compartments",) if several else ()),
            "synapses",
            "synapse_bits",
            "in_axons",
            "out_axons",
        )
        return {
            "cores": len(self.cores),
            "chips": self.chips,
            "core_utilisation": len(self.cores) / (self.chips * self.cores_per_chip) if self.cores else 0.0,
            **{name: sum(getattr(core, name) for core in self.cores) for name in names},
        }

    def table(self) -> str:
        """One line per core, then the totals."""
        columns = ("core", "population", "channels", "rows", "neurons", "synapses", "bits", "in", "out")
        lines = [
            (
                str(number),
                core.population,
                f"{core.channels[0]}-{core.channels[1] - 1}",
                f"{core.rows[0]}-{core.rows[1] - 1}",
                *(str(n) for n in (core.neurons, core.synapses, core.synapse_bits, core.in_axons, core.out_axons)),
            )
            for number, core in enumerate(self.cores)
        ]
        table = [columns, *lines]
        widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
        rows = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
        totals = ", ".join(f"{name} {value:.4g}" for name, value in self.totals().items())
        unknown = f"; not published: {', '.join(self.unpublished)}" if self.unpublished else ""
        return "\n".join([*rows, f"{self.chip}: {totals}{unknown}"])
