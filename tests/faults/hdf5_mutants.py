"""Mutated .nir files: what a model file becomes that is damaged on the way, or made to do harm."""

from __future__ import annotations

import contextlib
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
from flip import flip

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.reading.checksum import signed
from inflor.converter.simulate.execute import run
from inflor.quant import file as integer_nir
from inflor.quant.fix.pipeline import quantize
from inflor.quant.passes.pipeline import fuse

Random = random.Random
KINDS = (
    *("Affine", "AvgPool2d", "Conv1d", "Conv2d", "CubaLI", "CubaLIF", "Delay", "Flatten", "I", "IF", "Input", "LI"),
    *("LIF", "Linear", "NIRGraph", "Output", "Scale", "SumPool2d", "Threshold", "Nonsense"),
)
NUMBERS = (0, 1, -1, 2, 3, 1e-300, 1e300, 1e-9, 2**31, 2**62, -(2**63), np.nan, np.inf, -np.inf, 0.5, 1e-45)
SHAPES = ((), (0,), (1,), (2,), (3, 3), (1, 1, 1), (4, 2, 3, 3), (7,), (2, 0), (1,) * 9)
DTYPES = ("f2", "f4", "f8", "i1", "i2", "i8", "u1", "u8", "?", ">f4", "c8")
LARGEST_RUN = 2**20
"""Elements of a graph's largest node, and of its weights, above which a mutant is read and not run."""


def seeds(folder: Path) -> list[Path]:
    """Files that hold every primitive, recurrent and nested graphs, soft resets, and an integer network."""
    rng = np.random.default_rng(0)
    one, four = np.ones(4), np.full((4,), 0.5)
    soft = nir.IF(np.ones((3, 6, 6)), np.full((3, 6, 6), 0.5))
    soft.metadata = {"reset": "subtract", "reset_value": 1.0, "threshold": 0.5}
    weight = rng.normal(0, 0.5, (3, 2, 3, 3))
    convolutional = {
        "input": nir.Input(np.array([2, 6, 6])),
        "conv": nir.Conv2d((6, 6), weight, 1, "same", 1, 1, np.zeros(3)),
        "soft": soft,
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten(np.array([3, 3, 3]), 0, -1),
        "fc": nir.Affine(rng.normal(0, 0.5, (4, 27)), one),
        "lif": nir.LIF(3 * one, one, 0 * one, four),
        "scale": nir.Scale(two := 2 * one),
        "threshold": nir.Threshold(four),
        "li": nir.LI(two, one, 0 * one),
        "output": nir.Output(np.array([4])),
    }
    recurrent = {
        "input": nir.Input(np.array([4])),
        "fc": nir.Linear(rng.normal(0, 1, (4, 4))),
        "cuba": nir.CubaLIF(two, 3 * one, one, 0 * one, four, 0 * one, two),
        "back": nir.Affine(rng.normal(0, 1, (4, 4)), 0.1 * one),
        "delay": nir.Delay(one),
        "cubali": nir.CubaLI(two, two, one, 0 * one),
        "output": nir.Output(np.array([4])),
    }
    cycle = [("input", "fc"), ("fc", "cuba"), ("cuba", "back"), ("back", "cuba")]
    cycle += [("cuba", "delay"), ("delay", "cubali"), ("cubali", "output")]
    inner = nir.NIRGraph(
        {"input": nir.Input(np.array([4])), "if": nir.IF(one, one, 0 * one), "output": nir.Output(np.array([4]))},
        [("input", "if"), ("if", "output")],
        type_check=False,
    )
    nested = {"input": nir.Input(np.array([4])), "block": inner, "output": nir.Output(np.array([4]))}
    image = np.array([1, 8])
    along = {
        "input": nir.Input(image),
        "conv": nir.Conv1d(8, np.ones((2, 1, 2)), 2, 0, 1, 1, np.zeros(2)),
        "if": nir.IF(np.ones((2, 4)), np.ones((2, 4))),
        "output": nir.Output(np.array([2, 4])),
    }

    def chained(nodes: dict[str, nir.NIRNode]) -> list[tuple[str, str]]:
        return list(zip(nodes, list(nodes)[1:], strict=False))

    nir_file.write(folder / "ours.nir", convolutional, chained(convolutional), ModelInfo(timesteps=3))
    peers = {"recurrent": (recurrent, cycle), "nested": (nested, chained(nested)), "along": (along, chained(along))}
    for name, (nodes, edges) in peers.items():
        nir.write(folder / f"{name}.nir", nir.NIRGraph(nodes, edges, type_check=False))
    kept = {name: node for name, node in convolutional.items() if name not in ("lif", "scale", "threshold", "output")}
    kept |= {"li": nir.I(one), "output": nir.Output(np.array([4]))}
    nir_file.write(folder / "float.nir", kept, chained(kept), ModelInfo())
    images = rng.normal(size=(8, 2, 6, 6)).astype(np.float32)
    integer_nir.write(folder / "integer.int.nir", quantize(nir_file.read(folder / "float.nir"), images)[0])
    return sorted(folder.glob("*.nir"))


def integer_network(path: Path, losses: Path) -> None:
    """Write a small integer network, and the report of its quantization."""
    rng = np.random.default_rng(5)
    soft = nir.IF(np.ones(5), np.full(5, 0.5))
    soft.metadata = {"reset": "subtract", "reset_value": 1.0, "threshold": 0.5}
    nodes = {
        "input": nir.Input(np.array([6])),
        "fc": nir.Affine(rng.normal(0, 0.5, (5, 6)), np.zeros(5)),
        "soft": soft,
        "out": nir.Linear(rng.normal(0, 0.5, (3, 5))),
        "readout": nir.I(np.ones(3)),
        "output": nir.Output(np.array([3])),
    }
    edges = list(zip(nodes, list(nodes)[1:], strict=False))
    nir_file.write(path, nodes, edges, ModelInfo(timesteps=3))
    network, report = quantize(nir_file.read(path), rng.normal(size=(8, 6)).astype(np.float32))
    integer_nir.write(path, network)
    losses.write_text(json.dumps(signed(report.as_dict())))


def change_graph(data: bytes, draw: Random) -> bytes:
    """A mutant of a .nir file: of its bytes, or of the tree that they hold."""
    return flip(data, draw) if draw.random() < 0.4 else _changed(data, STRUCTURAL, draw)


def change_record(data: bytes, draw: Random) -> bytes:
    """The same of a record."""
    return flip(data, draw) if draw.random() < 0.4 else _changed(data, OF_RECORDS, draw)


def _changed(data: bytes, ways: Sequence[Callable[[h5py.File, Random], None]], draw: Random) -> bytes:
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        for _ in range(draw.choice((1, 1, 1, 2, 4))):
            try:
                draw.choice(ways)(file, draw)
            except (ValueError, LookupError, TypeError, OSError, RuntimeError, OverflowError):
                continue  # what one mutation left is nothing that the next can act on
    return buffer.getvalue()


def _objects(file: h5py.File, kind: type) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, entry: found.append(name) if isinstance(entry, kind) else None)
    return found


def _replace(file: h5py.File, name: str, value: Any) -> None:
    del file[name]
    file[name] = value


def _delete(file: h5py.File, draw: Random) -> None:
    del file[draw.choice(_objects(file, h5py.Dataset | h5py.Group))]


def _move(file: h5py.File, draw: Random) -> None:
    names = _objects(file, h5py.Dataset | h5py.Group)
    target = draw.choice((draw.choice(names) + "x", f"node/nodes/{draw.choice(('a', 'input', 'é', ' ', 'a.b'))}"))
    draw.choice((file.move, file.copy))(draw.choice(names), target)


def _number(file: h5py.File, draw: Random) -> None:
    name = draw.choice(_objects(file, h5py.Dataset))
    value = np.array(file[name][()])
    value = value.astype("f8") if value.dtype.kind not in "iuf" or draw.random() < 0.5 else value
    with np.errstate(all="ignore"):
        number = np.asarray(draw.choice(NUMBERS)).astype(value.dtype)
    if value.ndim and draw.random() < 0.5:
        value.reshape(-1)[draw.randrange(value.size)] = number
    else:
        value = np.full_like(value, number)
    _replace(file, name, value)


def _array(file: h5py.File, draw: Random) -> None:
    name = draw.choice(_objects(file, h5py.Dataset))
    with np.errstate(all="ignore"):
        _replace(file, name, np.full(draw.choice(SHAPES), draw.choice(NUMBERS)).astype(draw.choice(DTYPES)))


def _integer(file: h5py.File, draw: Random) -> None:
    """A shape, stride, padding or the like."""
    names = [name for name in _objects(file, h5py.Dataset) if file[name].dtype.kind in "iu"]
    value = np.array(file[draw.choice(names)][()])
    huge = draw.choice((0, -1, 2, 3, 5, 1000, 2**16, 2**20, 2**31 - 1, 2**40))
    name = draw.choice(names)
    if value.ndim and draw.random() < 0.5:
        value.reshape(-1)[draw.randrange(value.size)] = huge
        _replace(file, name, value)
    else:
        _replace(file, name, np.full_like(value, huge, "i8"))


def _text(file: h5py.File, draw: Random) -> None:
    name = draw.choice(_objects(file, h5py.Dataset))
    _replace(file, name, draw.choice(("", "same", "valid", "NaN", "é" * 300, *KINDS)))


def _kind(file: h5py.File, draw: Random) -> None:
    names = [name for name in _objects(file, h5py.Dataset) if name.endswith("/type")]
    _replace(file, draw.choice(names), draw.choice(KINDS))


def _edges(file: h5py.File, draw: Random) -> None:
    names = [name for name in _objects(file, h5py.Dataset) if name.endswith("/edges")]
    name = draw.choice(names)
    edges = [tuple(edge) for edge in file[name].asstr()[()]]
    nodes = [*file[name].parent["nodes"], "ghost"]
    for _ in range(draw.choice((1, 1, 2, 5))):
        change = draw.randrange(4)
        if change == 0 or not edges:
            edges.append((draw.choice(nodes), draw.choice(nodes)))
        elif change == 1:
            edges.pop(draw.randrange(len(edges)))
        elif change == 2:
            edges.append(draw.choice(edges))
        else:
            edges[draw.randrange(len(edges))] = draw.choice(nodes), draw.choice(nodes)
    _replace(file, name, np.array(edges, dtype=h5py.string_dtype()).reshape(-1, 2))


def _nest(file: h5py.File, draw: Random) -> None:
    """The graph, or a copy of it, as a node of itself."""
    for _ in range(draw.choice((1, 1, 3, 12))):
        file.copy("node", "held")
        file.move("held", f"node/nodes/inner{draw.randrange(100)}")
        if len(_objects(file, h5py.Dataset)) > 2000:
            return


def _metadata(file: h5py.File, draw: Random) -> None:
    group = file[draw.choice([name for name in _objects(file, h5py.Group) if "metadata" not in name])]
    metadata = group.require_group("metadata")
    key = draw.choice(("inflor", "inflor_integer", "reset", "reset_value", "threshold", "scale", "exponent", "decay"))
    if key in metadata:
        value = metadata[key][()] if isinstance(metadata[key], h5py.Dataset) else None
        del metadata[key]
        if isinstance(value, bytes) and value[:1] == b"{":
            plain = json.loads(value)
            plain[draw.choice([*plain, "new"])] = draw.choice((None, [], {}, "x", *NUMBERS[:8], 10**400, True))
            metadata[key] = json.dumps(plain)
            return
    metadata[key] = draw.choice(("subtract", "zero", "", "{}", *NUMBERS, np.ones(3), np.zeros((2, 2))))


def _attribute(file: h5py.File, draw: Random) -> None:
    group = file[draw.choice(["/", *_objects(file, h5py.Group)])]
    name = draw.choice([*group.attrs, "new"])
    group.attrs[name] = draw.choice(
        (*NUMBERS[:8], 2**62, "x", "", "{}", '{"notes": ["\\ud800"]}', "[" * 500, np.ones(3), np.arange(2), "é" * 300)
    )


def _link(file: h5py.File, draw: Random) -> None:
    name = draw.choice(_objects(file, h5py.Dataset | h5py.Group))
    del file[name]
    file[name] = draw.choice(
        (h5py.ExternalLink("/dev/zero", "/x"), h5py.SoftLink("/populations"), h5py.SoftLink("/nowhere"))
    )


STRUCTURAL: tuple[Callable[[h5py.File, Random], None], ...] = (
    *(_delete, _move, _number, _number, _array, _integer, _integer, _text, _kind, _edges, _edges, _nest, _metadata),
)


OF_RECORDS: tuple[Callable[[h5py.File, Random], None], ...] = (
    *(_delete, _move, _number, _number, _array, _integer, _text, _attribute, _attribute, _attribute, _link),
)


def read_and_run(path: Path) -> str:
    """How far the product comes with a file: "read", "run", or for an integer network "read" too."""
    graph = nir_file.read(path)
    if graph.info.stage == "integer":
        integer_nir.from_graph(graph)
        return "read"
    if _work(graph) > LARGEST_RUN:
        return "read"
    x = {name: np.ones((1, *graph.output_shapes[name]), np.float32) for name in graph.inputs()}
    run(graph, x, 2)
    with contextlib.suppress(InputError):
        fuse(graph)
    return "run"


def _work(graph: Graph) -> int:
    """About how many elements a step touches."""
    shapes = [int(np.prod(shape)) for shape in graph.output_shapes.values()]
    kernels = [
        int(np.prod(node.weight.shape)) * int(np.prod(graph.output_shapes[name][1:]))
        for name, node in graph.nodes.items()
        if hasattr(node, "weight")
    ]
    return max([*shapes, *kernels], default=0)
