"""Every public name and every command, and where each of them is: the one table.

`inflor.NAME`, `inflor.__all__`, the stub `inflor/__init__.pyi`, the list in docs/api.md and the command line are made
from it. After a change: python tests/support/public_names.py
"""

from __future__ import annotations

from collections.abc import Mapping

COMMANDS = (
    *(
        "train",
        "import",
        "convert",
        "quantize",
        "place",
        "run",
        "check",
        "estimate",
        "report",
        "compare",
        "info",
        "targets",
    ),
    "demo",
)
"""Modules of `inflor.commands`, each with a click command named `command`; in the order of the work."""

VERBS: Mapping[str, str] = {
    "train": "inflor.api.training",
    "from_torch": "inflor.api.importing",
    "convert": "inflor.api.conversion",
    "quantize": "inflor.api.quantization",
    "place": "inflor.api.placement",
    "violations": "inflor.api.placement",
    "run": "inflor.api.running",
    "check": "inflor.api.checking",
    "estimate": "inflor.api.estimating",
    "report": "inflor.api.reporting",
    "compare": "inflor.api.comparing",
    "demo": "inflor.demonstrate",
    "info": "inflor.describe",
    "load": "inflor.api.loading",
    "load_dataset": "inflor.api.loading",
    "export_to": "inflor.api.conversion",
    "exports": "inflor.api.conversion",
    "list_targets": "inflor.api.listing",
    "dumping_to": "inflor.api.dumping",
}
"""Functions."""

TYPES: Mapping[str, str] = {
    "Conventions": "inflor.converter.passes.conventions",
    "Dataset": "inflor.converter.datasets.dataset",
    "Graph": "inflor.converter.nir.graph",
    "NeuronConfig": "inflor.converter.train.neurons",
    "TrainResult": "inflor.converter.train.loop",
    "Imported": "inflor.api.importing",
    "ImportComparison": "inflor.converter.modules.compare",
    "Conversion": "inflor.api.conversion",
    "IntegerNetwork": "inflor.quant.ir.network",
    "Population": "inflor.quant.ir.network",
    "Projection": "inflor.quant.ir.network",
    "QuantReport": "inflor.quant.fix.report",
    "Quantized": "inflor.api.quantization",
    "Placed": "inflor.api.placement",
    "Violation": "inflor.targets.api",
    "Record": "inflor.targets.record.file",
    "Equivalence": "inflor.targets.equivalence.compare",
    "CostReport": "inflor.targets.cost.result",
    "Report": "inflor.page.contents",
    "Comparison": "inflor.page.comparison",
    "Description": "inflor.describe",
    "DemoResult": "inflor.demonstrate",
    "TargetInfo": "inflor.api.listing",
    "InflorError": "inflor.converter.errors",
    "InputError": "inflor.converter.errors",
    "MissingPartError": "inflor.converter.errors",
    "SimulationError": "inflor.converter.errors",
}
"""What the functions take, return and raise."""

PUBLIC: Mapping[str, str] = {**VERBS, **TYPES}
