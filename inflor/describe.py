"""What is in a file, for a person: any of the four artifacts, told apart by what they hold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from inflor.api.loading import PathLike, is_record, kind_of
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import ASSUMED_KEY, Graph, assumptions, reset_of
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.passes.conventions import Conventions
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.pool import is_max_pool
from inflor.converter.train import checkpoint
from inflor.quant import file as integer_nir
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.ports import Group
from inflor.quant.ir.ranges import state_ranges
from inflor.quant.operators import weighted
from inflor.summary import summarize
from inflor.targets.record import file as record

Row = dict[str, Any]


@dataclass(frozen=True)
class Description:
    """kind: what the file is. facts: about the whole. tables: by title, rows of the same keys; plain data all."""

    kind: str
    facts: Mapping[str, Any]
    tables: Mapping[str, tuple[Row, ...]]

    def as_dict(self) -> dict[str, Any]:
        """One flat mapping, for JSON."""
        return {"kind": self.kind, **self.facts, **self.tables}


def info(path: PathLike, conventions: Conventions | None = None) -> Description:
    """Describe a model.pt, a .nir (float or integer) or a record.

    conventions: what a float .nir does not say about time.

    Raises:
        InputError: the file is none of these, damaged, or contradicts the conventions.
    """
    if kind_of(path) == "checkpoint":
        return _checkpoint(path)
    if is_record(path):
        return _record(path)
    graph = nir_file.read(path, conventions)
    if graph.info.stage == "integer":
        return _integer(path, integer_nir.from_graph(graph))
    return _float(path, graph)


def _checkpoint(path: PathLike) -> Description:
    network, about, training = checkpoint.load_checkpoint(path)
    architecture, shapes = network.architecture, network.architecture.shapes()
    nodes = tuple(
        {
            "name": node.name,
            "op": node.op,
            "from": " ".join(node.inputs),
            "shape": shapes[node.name],
            "parameters": sum(p.numel() for p in network.layers[node.name].parameters()) or None,
        }
        for node in architecture.layers
    )
    facts = {
        "input_shape": architecture.input_shape,
        "classes": architecture.classes,
        "parameters": sum(p.numel() for p in network.parameters()),
        "neuron": asdict(network.neuron),
        "epochs_trained": None if training is None else len(training.get("history", ())),
    }
    kind = "trained network (model.pt)" if training is None else "checkpoint of a training"
    return Description(kind, {**_size(path), **facts, **_about(about)}, {"nodes": nodes})


def _float(path: PathLike, graph: Graph) -> Description:
    nodes = tuple(_node(graph, name) for name in graph.order)
    facts = {
        "inputs": {name: graph.output_shapes[name] for name in graph.inputs()},
        "outputs": {name: graph.input_shapes[name] for name in graph.outputs()},
        "recurrent_edges": [f"{source} -> {target}" for source, target in graph.recurrent] or None,
        "assumed": assumptions(graph.metadata) or None,
        "other_metadata": sorted(set(graph.metadata) - {ASSUMED_KEY}) or None,
    }
    return Description("float network (NIR)", {**_size(path), **facts, **_about(graph.info)}, {"nodes": nodes})


def _node(graph: Graph, name: str) -> Row:
    node, form = graph.nodes[name], primitive(graph.nodes[name])
    weight = next((getattr(node, field) for field in form.of_role("weights")), None)
    row: Row = {
        "name": name,
        "type": "SumPool2d (max)" if is_max_pool(node) else type(node).__name__,
        "from": " ".join(graph.predecessors(name)),
        "shape": graph.output_shapes[name],
        "weights": None if weight is None else np.shape(weight),
        "range": None if weight is None else _ends(weight),
        "tau": None,
        "threshold": None,
        "reset": None,
    }
    if times := form.of_role("time"):
        row["tau"] = ", ".join(_one(getattr(node, field)) for field in times)
    for field in form.of_role("threshold"):
        row["threshold"] = _ends(getattr(node, field))
    if form.resets:
        reset, value = reset_of(node)
        later = ", loses a step" if node.metadata.get("refractory") else ""
        row["reset"] = f"{'minus' if reset == 'subtract' else 'to'} {_one(value)}{later}"
    return row


def _integer(path: PathLike, network: IntegerNetwork) -> Description:
    ranges = state_ranges(network)
    populations = tuple(
        {
            "name": p.name,
            "kind": p.kind,
            "shape": p.shape,
            "depth": network.depth[p.name],
            "bits": p.weight_bits or network.input_bits,
            "threshold": _ends(p.rule.threshold) if p.role not in ("input", "readout") else None,
            "reset": _reset(p),
            "bias": _ends(p.rule.bias) if p.role != "input" else None,
            "unit": _ends(p.scale),
            "state_bits": ranges[p.name].state_bits if p.name in ranges else None,
        }
        for p in network.populations
    )
    projections = []
    for q in network.projections:
        operator = weighted(q.operators)
        projections.append(
            {
                "name": q.name,
                "from": q.source,
                "to": q.target,
                "chain": " > ".join(map(str, (*q.operators, *_pool(network, q)))),
                "weights": None if operator is None else operator.weight.shape,
                "range": None if operator is None else _ends(operator.weight),
                "zeros": None if operator is None else int((operator.weight == 0).sum()),
                "exponent": q.exponent,
                "delay": q.delay,
            }
        )
    facts = {"outputs": network.outputs, "input_bits": network.input_bits, "input_range": network.input_limits}
    return Description(
        "integer network (NIR)",
        {**_size(path), **facts, **_about(network.info)},
        {"populations": populations, "projections": tuple(projections)},
    )


def _pool(network: IntegerNetwork, projection: Projection) -> tuple[Group, ...]:
    """The group of input ports that a projection leads to, where it leads to one."""
    group = network.by_name[projection.target].group(projection.group)
    return () if group is None else (group,)


def _reset(population: Population) -> str | None:
    if population.rule.reset_kind == "none":
        return None
    if population.rule.reset_kind == "subtract":
        return f"minus {_one(population.rule.reset_value)}"
    return f"to {_one(population.rule.v_reset)}"


def _record(path: PathLike) -> Description:
    plain = summarize(record.read(path))
    populations = tuple({**p, "shape": tuple(p["shape"])} for p in plain.pop("populations"))
    provenance = plain.pop("provenance")
    facts = {key: value for key, value in plain.items() if key != "record" and value not in (None, {})}
    return Description("record of a run", {**_size(path), **facts, **provenance}, {"populations": populations})


def _about(about: ModelInfo) -> Row:
    """What a model file says about itself; how it was made comes last."""
    if not about.known:
        return {
            "timesteps": about.timesteps if about.says_timesteps else None,
            "assumed": "Euler steps of 1, unscaled input, numbered classes",
        }
    return {
        "timesteps": about.timesteps if about.says_timesteps else None,
        "dt": about.dt,
        "integration": about.integration,
        "framework": about.framework or None,
        "encoding": about.encoding or None,
        "input_mean": about.input_mean,
        "input_std": about.input_std,
        "class_names": about.class_names or None,
        "dataset": about.dataset or None,
        "architecture": about.architecture or None,
        "written_by": f"inflor {about.version}",
        **about.provenance,
    }


def _size(path: PathLike) -> Row:
    return {"bytes": os.path.getsize(path)}


def _ends(values: Any) -> tuple[Any, Any]:
    """Least and greatest, as Python numbers."""
    array = np.asarray(values)
    return array.min().item(), array.max().item()


def _one(values: Any) -> str:
    """All values the same: that one; else least..greatest."""
    low, high = _ends(values)
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"
