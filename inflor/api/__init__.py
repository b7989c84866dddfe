"""The verbs of the command line as functions: they find files, call the stages in order and remember provenance."""

from __future__ import annotations

from inflor.api.checking import check
from inflor.api.comparing import compare
from inflor.api.conversion import Conversion, convert, export_to, exports
from inflor.api.estimating import estimate
from inflor.api.listing import TargetInfo, list_targets
from inflor.api.loading import (
    Network,
    PathLike,
    Progress,
    kind_of,
    load_dataset,
    load_network,
    refuse_overwrite,
    refuse_twice,
)
from inflor.api.placement import Placed, place
from inflor.api.quantisation import Quantised, quantize
from inflor.api.reporting import report
from inflor.api.running import run
from inflor.api.training import train
from inflor.converter.passes.conventions import Conventions
from inflor.page.comparison import Comparison
from inflor.page.contents import Missing, Report

__all__ = [
    "Comparison",
    "Conventions",
    "Conversion",
    "Missing",
    "Network",
    "PathLike",
    "Placed",
    "Progress",
    "Quantised",
    "Report",
    "TargetInfo",
    "check",
    "compare",
    "convert",
    "estimate",
    "export_to",
    "exports",
    "kind_of",
    "list_targets",
    "load_dataset",
    "load_network",
    "place",
    "quantize",
    "refuse_overwrite",
    "refuse_twice",
    "report",
    "run",
    "train",
]
