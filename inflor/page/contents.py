"""What stands on the page of a report, as plain data: all that charts, tables and sentences are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from inflor.page.raster import Raster

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Missing:
    """A part that is not shown. why: what is lacking, and what to give for it."""

    why: str


@dataclass(frozen=True)
class Source:
    """A file that the page was made from. role: what it is to the report; digest: its SHA-256; about: where from."""

    role: str
    name: str
    digest: str
    bytes: int
    about: str = ""


@dataclass(frozen=True)
class Accuracy:
    """Both networks on the same samples. integer, float_: fraction right, None without labels or without the float run.

    agreement: fraction of samples with the same prediction. samples: how many of both were compared.
    """

    integer: float | None
    samples: int
    float_: float | None = None
    float_samples: int = 0
    agreement: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether targets fired the same spikes.

    Attributes:
        first: where they first differed, None where they are equal.
        not_compared: names of the populations that not every target recorded.
        notes: what saturated, was clipped, or never fired.
    """

    equal: bool
    targets: tuple[str, ...]
    samples: int
    compared: int
    mismatches: int
    layers: tuple[Row, ...]
    first: Row | None
    origin: str
    not_compared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Potentials:
    """Histograms of the membrane potential. edges: of the bins in thresholds; rows: one per population."""

    samples: int
    edges: tuple[float, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Chip:
    """Cores in use. cores: populations, where each stands, its neurons and how full it is. unit: what stands at one
    place of the mesh, with room for `seats` cores. sites: chip, x and y of every such place, used or not.
    """

    name: str
    title: str
    summary: str
    unit: str
    seats: int
    cores: tuple[Row, ...]
    sites: tuple[tuple[int, int, int], ...]
    used: int
    note: str = ""


@dataclass(frozen=True)
class Timeline:
    """Which population handles which frame at which step of the chip. blocks: population, sample,
    first frame, first step, and how many steps it takes.
    """

    period: int
    latency: int
    blocks: tuple[Row, ...]


@dataclass(frozen=True)
class Costs:
    """Energy and latency by hardware. hardware: a row each; terms: counts times figures, part "energy", "idle" or
    "latency"; layers: energy by population; notes: footnotes.
    """

    counts: Row
    hardware: tuple[Row, ...]
    terms: tuple[Row, ...]
    layers: tuple[Row, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """One page. title: of the network. populations: a row each, in order of depth. warnings: what a reader must know
    first; notes: what he may want to know. made: files that were made for it. path: where the page was written.
    """

    title: str
    run: Row
    sources: tuple[Source, ...]
    accuracy: Accuracy
    verdict: Verdict | Missing
    populations: tuple[Row, ...]
    raster: Raster | Missing
    potentials: Potentials | Missing
    costs: Costs | Missing
    chips: tuple[Chip | Missing, ...]
    timeline: Timeline
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    made: tuple[str, ...] = field(default=(), compare=False)
    path: str | None = field(default=None, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without the bits of the raster."""
        plain = asdict(self)
        for band in (plain["raster"] or {}).get("bands", ()):
            band.pop("bits")
        return plain
