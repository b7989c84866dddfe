"""Operators that say no more than they must are quantized, written, read, run and compared."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import float_graphs as build
import nir
import numpy as np
import pytest
import scipy.sparse
from on_target import placed, recorded

from inflor.converter.errors import InputError
from inflor.converter.primitives.fields import make_node
from inflor.quant import file as integer_nir
from inflor.quant import operators
from inflor.quant.fix.pipeline import quantize
from inflor.quant.fix.scales import target_rows
from inflor.quant.operators import Linear, Operator, Weighted
from inflor.targets.equivalence.compare import compare

RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Repeat(Operator):
    """y[k i + j] = x[i], 0 <= j < k, over vectors."""

    times: int
    NODES: ClassVar = (nir.Linear,)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0] * self.times,)

    def matrix(self, shape: tuple[int, ...]) -> Any:
        identity = scipy.sparse.identity(shape[0], dtype=np.int64)
        return scipy.sparse.csr_matrix(scipy.sparse.kron(identity, np.ones((self.times, 1), np.int64)))

    def to_nir(self, shape: tuple[int, ...], bias: Any = None) -> nir.NIRNode:
        return make_node(nir.Linear, {"weight": self.matrix(shape).toarray().astype(np.int32)}, {"repeat": self.times})

    @classmethod
    def from_nir(cls, name: str, node: nir.NIRNode, shape: tuple[int, ...]) -> Repeat | None:
        return cls(name, int(node.metadata["repeat"])) if "repeat" in node.metadata else None


@dataclass(frozen=True, eq=False)
class Halves(Weighted):
    """Two matrices, each for its half of a vector."""

    NODES: ClassVar = (nir.Linear,)
    shared: ClassVar[bool] = False

    @property
    def blocks(self) -> int:
        return 2

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (len(self.weight),)

    def matrix(self, shape: tuple[int, ...]) -> Any:
        return scipy.sparse.csr_matrix(scipy.sparse.block_diag(np.split(self.weight, 2)), dtype=self.weight.dtype)

    def columns(self, x: Any, rng: np.random.Generator, count: int) -> Any:
        return x[:count].T

    def to_nir(self, shape: tuple[int, ...], bias: Any = None) -> nir.NIRNode:
        return make_node(nir.Linear, {"weight": self.matrix(shape).toarray()}, {"halves": 1})

    @classmethod
    def from_nir(cls, name: str, node: nir.NIRNode, shape: tuple[int, ...]) -> Halves | None:
        if "halves" not in node.metadata:
            return None
        out, inner = (n // 2 for n in node.weight.shape)
        weight = np.asarray(node.weight, np.float64)
        return cls(name, np.concatenate([weight[:out, :inner], weight[out:, inner:]]))


def test_two_operators_in_a_file_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(operators, "OPERATORS", (Repeat, Halves, *operators.OPERATORS))
    halves = scipy.sparse.block_diag([RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))]).toarray()
    nodes = {
        "input": build.source((6,)),
        "halves": make_node(nir.Linear, {"weight": halves}, {"halves": 1}),
        "a": build.fire((8,)),
        "repeat": make_node(nir.Linear, {"weight": np.repeat(np.eye(8), 3, axis=0)}, {"repeat": 3}),
        "b": build.fire((24,)),
        "again": make_node(nir.Linear, {"weight": np.repeat(np.eye(24), 2, axis=0)}, {"repeat": 2}),
        "w": nir.Affine(RNG.normal(size=(3, 48)), RNG.normal(size=3)),
        "readout": nir.I(r=np.ones(3)),
        "output": build.sink((3,)),
    }
    x = RNG.uniform(-1, 1, (40, 6)).astype(np.float32)
    network, report = quantize(build.graph_of(nodes, list(itertools.pairwise(nodes))), x)
    assert report.agreement > 0.9
    assert [type(q.operators[0]) for q in network.projections] == [Halves, Repeat, Repeat]
    integer_nir.write(tmp_path / "new.int.nir", network)
    network = integer_nir.read(tmp_path / "new.int.nir")
    assert [type(q.operators[0]) for q in network.projections] == [Halves, Repeat, Repeat]
    inputs = network.quantize_input(x[:3])
    records = {name: recorded(name, placed(name, network), inputs) for name in ("cpu", "spinnaker")}
    assert records["cpu"].spikes("b").any()
    assert compare(network, records, inputs).equal


def test_what_mixes_rows_behind_weights_is_refused_by_name() -> None:
    """No channel behind it has a unit of its own."""

    class Difference(Repeat):
        def matrix(self, shape: tuple[int, ...]) -> Any:
            return scipy.sparse.csr_matrix(np.eye(shape[0], dtype=np.int64) - np.eye(shape[0], k=1, dtype=np.int64))

    chain = (Linear("w", np.ones((3, 2))), Difference("mix", 1))
    with pytest.raises(InputError, match="node 'mix': mixes channels behind weights"):
        target_rows(chain, (2,))
