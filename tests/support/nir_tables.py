"""Writes the tables of docs/nir.md, by asking the code: what every target takes, and what other frameworks take.

    python tests/support/nir_tables.py [--lava]     # writes them into docs/nir.md; a test fails where they are stale

--lava runs every network in Lava as well, which takes minutes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import nir
import numpy as np
import peers
import torch
from peers import ours

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.primitives.base import PRIMITIVES
from inflor.converter.primitives.fields import MISSING, Field
from inflor.converter.primitives.pool import max_pool
from inflor.converter.primitives.windows import Windows
from inflor.converter.simulate.execute import run
from inflor.quant.fix.pipeline import quantize
from inflor.targets import registry, running
from inflor.targets.equivalence import compare as equivalence

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "nir.md"
TARGETS = ("float", "cpu", "loihi", "spinnaker")
STEPS = 4

Nodes = dict[str, nir.NIRNode]
Edges = list[tuple[str, str]]


def _ones(shape: tuple[int, ...], value: float = 1.0) -> np.ndarray:
    return np.full(shape, value, np.float32)


def _if(shape: tuple[int, ...], **metadata: object) -> nir.IF:
    node = nir.IF(_ones(shape), _ones(shape, 0.5))
    node.metadata = metadata
    return node


def _lif(shape: tuple[int, ...], v_leak: float = 0.0, **metadata: object) -> nir.LIF:
    node = nir.LIF(_ones(shape, 3), _ones(shape), _ones(shape, v_leak), _ones(shape, 0.2))
    node.metadata = metadata
    return node


def _cuba(shape: tuple[int, ...], **metadata: object) -> nir.CubaLIF:
    node = nir.CubaLIF(*(_ones(shape, value) for value in (2, 3, 3, 0, 0.5, 0, 2)))
    node.metadata = metadata
    return node


def _linear(rows: int, columns: int) -> nir.Linear:
    weight = np.random.default_rng(0).normal(0, 0.6, (rows, columns))
    return nir.Linear(weight.astype(np.float32))


def _affine(rows: int, columns: int) -> nir.Affine:
    return nir.Affine(_linear(rows, columns).weight, _ones((rows,), 0.1))


def _weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.5, shape).astype(np.float32)


def _chain(shape: tuple[int, ...], *between: nir.NIRNode) -> tuple[Nodes, Edges]:
    nodes: Nodes = {"input": nir.Input(np.array(shape))}
    nodes |= {f"n{i}": node for i, node in enumerate(between)} | {"output": nir.Output(None)}
    return nodes, list(zip(nodes, list(nodes)[1:], strict=False))


def _flat(*between: nir.NIRNode) -> Callable[[], tuple[Nodes, Edges]]:
    """A layer of weights, and what is asked about between two populations."""
    return lambda: _chain((4,), _affine(4, 4), _if((4,)), *between, _affine(4, 4), _if((4,)))


def _neuron(node: nir.NIRNode, readout: bool = False) -> Callable[[], tuple[Nodes, Edges]]:
    after = () if readout else (_affine(4, 4), _if((4,)))
    return lambda: _chain((4,), _affine(4, 4), node, *after)


def _image(*between: nir.NIRNode, after: tuple[int, ...]) -> Callable[[], tuple[Nodes, Edges]]:
    first = nir.Conv2d((6, 6), _weights(2, 2, 3, 3), 1, 1, 1, 1, _ones((2,), 0.1))
    return lambda: _chain((2, 6, 6), first, _if((2, 6, 6)), *between, _if(after))


def _cycle(neuron: nir.NIRNode, back: nir.NIRNode) -> Callable[[], tuple[Nodes, Edges]]:
    def make() -> tuple[Nodes, Edges]:
        nodes, edges = _chain((4,), _affine(4, 4), neuron)
        return nodes | {"back": back}, [*edges, ("n1", "back"), ("back", "n1")]

    return make


def _two_inputs() -> tuple[Nodes, Edges]:
    nodes, edges = _chain((4,), _affine(4, 4), _if((4,)))
    return {**nodes, "other": nir.Input(np.array([4])), "fc": _linear(4, 4)}, [*edges, ("other", "fc"), ("fc", "n1")]


def _two_outputs() -> tuple[Nodes, Edges]:
    nodes, edges = _chain((4,), _affine(4, 4), _if((4,)))
    more = {"fc": _linear(3, 4), "readout": nir.I(_ones((3,))), "other": nir.Output(None)}
    return nodes | more, [*edges, ("n1", "fc"), ("fc", "readout"), ("readout", "other")]


def _nested() -> tuple[Nodes, Edges]:
    nodes, edges = _chain((4,), _if((4,)))
    inner = nir.NIRGraph(nodes | {"output": nir.Output(np.array([4]))}, edges, type_check=False)
    return _chain((4,), _affine(4, 4), inner)


SOFT = {"reset": "subtract"}
ROWS: dict[str, Callable[[], tuple[Nodes, Edges]]] = {
    "Linear": lambda: _chain((4,), _linear(4, 4), _if((4,))),
    "Affine": _flat(),
    "Conv1d": lambda: _chain((2, 8), nir.Conv1d(8, _weights(3, 2, 3), 1, 1, 1, 1, _ones((3,), 0.1)), _if((3, 8))),
    "Conv2d": _image(nir.Conv2d((6, 6), _weights(2, 2, 3, 3), 2, 1, 1, 1, _ones((2,), 0.1)), after=(2, 3, 3)),
    "Conv2d, padding as text": _image(
        nir.Conv2d((6, 6), _weights(2, 2, 3, 3), 1, "same", 1, 1, _ones((2,))), after=(2, 6, 6)
    ),
    "Conv2d, groups and dilation": _image(
        nir.Conv2d((6, 6), _weights(2, 1, 3, 3), 1, 2, 2, 2, _ones((2,))), after=(2, 6, 6)
    ),
    "SumPool2d": _image(
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.Conv2d((3, 3), _weights(2, 2, 1, 1), 1, 0, 1, 1, _ones((2,))),
        after=(2, 3, 3),
    ),
    "SumPool2d, the maximum": _image(
        nir.Conv2d((6, 6), _weights(2, 2, 3, 3), 1, 1, 1, 1, _ones((2,), 0.1)),
        max_pool(Windows(kernel=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1))),
        after=(2, 3, 3),
    ),
    "AvgPool2d": _image(
        nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([1, 1])),
        nir.Conv2d((4, 4), _weights(2, 2, 1, 1), 1, 0, 1, 1, _ones((2,))),
        after=(2, 4, 4),
    ),
    "Flatten": lambda: _chain((2, 2), nir.Flatten(np.array([2, 2]), 0, -1), _affine(4, 4), _if((4,))),
    "Scale": _flat(nir.Scale(_ones((4,), 0.5))),
    "Delay": _flat(nir.Delay(_ones((4,), 2))),
    "Delay, a time for each element": _flat(nir.Delay(np.arange(4, dtype=np.float32))),
    "Threshold": _neuron(nir.Threshold(_ones((4,), 0.2))),
    "I as the readout": _neuron(nir.I(_ones((4,))), readout=True),
    "I in the middle": _neuron(nir.I(_ones((4,)))),
    "LI as the readout": _neuron(nir.LI(_ones((4,), 3), _ones((4,)), _ones((4,), 0)), readout=True),
    "CubaLI as the readout": _neuron(nir.CubaLI(*(_ones((4,), v) for v in (2, 3, 1, 0, 1))), readout=True),
    "IF": _neuron(_if((4,))),
    "IF, soft reset": _neuron(_if((4,), **SOFT)),
    "LIF": _neuron(_lif((4,))),
    "LIF, soft reset": _neuron(_lif((4,), **SOFT)),
    "LIF, v_leak": _neuron(_lif((4,), 0.1)),
    "CubaLIF": _neuron(_cuba((4,))),
    "CubaLIF, soft reset": _neuron(_cuba((4,), **SOFT)),
    "CubaLIF, refractory": _neuron(_cuba((4,), refractory=True)),
    "recurrent edge to an IF": _cycle(_if((4,)), _linear(4, 4)),
    "recurrent edge to a CubaLIF, with a bias": _cycle(_cuba((4,), **SOFT), _affine(4, 4)),
    "graph in a graph": _nested,
    "several Inputs": _two_inputs,
    "several Outputs": _two_outputs,
}
"""What is asked of every target: a name, and a small network that has it."""


def graph(row: str) -> Graph:
    nodes, edges = ROWS[row]()
    made = nir.NIRGraph(nodes, edges, type_check=False)
    made.metadata = {METADATA_KEY: ModelInfo(timesteps=STEPS).to_json()}
    return validate(made, "")


def refusal(row: str, target: str, run_too: Collection[str] = ("spinnaker",)) -> str | None:
    """Why the target does not take the network, or None. run_too: targets whose spikes are compared with cpu's."""
    try:
        network = graph(row)
        x = {
            name: torch.randn(8, *network.output_shapes[name], generator=torch.Generator().manual_seed(0)).numpy()
            for name in network.inputs()
        }
        if target == "float":
            run(network, x, STEPS)
            return None
        if len(x) > 1:
            quantize(network, x)  # type: ignore[arg-type]  # there is no form to give several in
        chosen = registry.find(target)
        integers = quantize(network, next(iter(x.values())))[0]
        if violations := running.violations(chosen, integers):
            return str(violations[0])
        if chosen.available() is None:
            running.place(chosen, integers)
        if target in run_too:
            found = equivalence.check(integers, ("cpu", target), integers.quantize_input(next(iter(x.values()))[:3]))
            return None if found.equal else f"fires other spikes than cpu: {found.first_mismatch}"
    except InputError as error:
        return str(error)
    return None


def primitives(run_too: Collection[str] = ("spinnaker",)) -> str:
    """The table of primitives and targets."""
    reasons: dict[str, int] = {}
    lines = [f"| | {' | '.join(TARGETS)} |", "|---|" + "---|" * len(TARGETS)]
    for row in ROWS:
        cells = []
        for target in TARGETS:
            reason = refusal(row, target, run_too)
            if reason is None:
                cells.append("yes")
            else:
                reason = re.sub(r"^:? ?", "", reason).replace("|", "\\|")
                cells.append(f"no ({reasons.setdefault(reason, len(reasons) + 1)})")
        lines.append(f"| {row} | {' | '.join(cells)} |")
    notes = [f"{number}. {reason}" for reason, number in reasons.items()]
    return "\n".join([*lines, "", *notes])


def definitions() -> str:
    """The table of what every primitive computes, and of its fields."""
    lines = ["| primitive | computes | fields |", "|---|---|---|"]
    for form in PRIMITIVES.values():
        fields = ", ".join(_field(name, field) for name, field in form.fields.items())
        lines.append(f"| {form.name} | {form.equation} | {fields} |")
    return "\n".join(lines)


def _field(name: str, field: Field) -> str:
    """A field as the table shows it: how its file calls it, and what is to be known of it."""
    said = [*([field.role] if field.role in ("time", "rate") else []), *(["per element"] if field.per_element else [])]
    if field.default is not MISSING:
        said.append("may be left out")
    return f"`{field.key or name}`" + (f" ({', '.join(said)})" if said else "")


def frameworks() -> str:
    """The table of other frameworks, by direction; the tests in tests/peers hold every cell."""
    lines = ["| framework | theirs, read by us | ours, read by them |", "|---|---|---|"]
    reasons: dict[str, int] = {}
    for name in peers.NAMES:
        module = peers.module(name)
        theirs = f"every spike: {'; '.join(module.EXPORTS)}"
        if not hasattr(module, "load"):
            lines.append(f"| {peers.versions(name)} | {theirs} | it reads no NIR |")
            continue
        equal = [case for case in ours.GRAPHS if case not in module.CANNOT]
        cells = [f"every spike: {'; '.join(equal)}"] if equal else []
        for reason in dict.fromkeys(module.CANNOT.values()):
            cases = "; ".join(case for case, why in module.CANNOT.items() if why == reason)
            cells.append(f"not: {cases} ({reasons.setdefault(reason, len(reasons) + 1)})")
        lines.append(f"| {peers.versions(name)} | {theirs} | {'. '.join(cells)} |")
    notes = [f"{number}. {reason}" for reason, number in reasons.items()]
    return "\n".join([*lines, "", *notes])


TABLES = {"definitions": definitions, "primitives": primitives, "frameworks": frameworks}


def sections(text: str) -> Iterator[tuple[str, str]]:
    """The tables of the document: name and what stands between its marks."""
    for name in TABLES:
        found = re.search(f"<!-- {name} -->\n(.*?)<!-- end -->", text, re.S)
        assert found is not None, f"docs/nir.md has no marks of the table {name}"
        yield name, found[1]


if __name__ == "__main__":
    written = DOCUMENT.read_text()
    if "--lava" in sys.argv:
        TABLES["primitives"] = lambda: primitives(("spinnaker", "loihi"))
    for name, before in sections(written):
        written = written.replace(f"<!-- {name} -->\n{before}<!-- end", f"<!-- {name} -->\n{TABLES[name]()}\n<!-- end")
    DOCUMENT.write_text(written)
    print(f"wrote {DOCUMENT}")
