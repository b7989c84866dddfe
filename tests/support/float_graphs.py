"""Small float graphs for the tests of passes: nodes by name, a chain unless edges are given."""

from __future__ import annotations

import itertools
from functools import reduce
from typing import Any

import nir
import numpy as np

from inflor.converter.nir.graph import Graph
from inflor.converter.nir.validate import validate
from inflor.converter.primitives.fields import make_node
from inflor.quant.operators import Operator


def graph_of(nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]] | None = None) -> Graph:
    edges = list(itertools.pairwise(nodes)) if edges is None else edges
    return validate(nir.NIRGraph(nodes, edges, type_check=False), "drawn.nir")


def between(*links: nir.NIRNode, shape: tuple[int, ...], end: tuple[int, ...] | None = None) -> Graph:
    """An input, the given nodes, called link0, link1, ..., and a neuron."""
    nodes = {"input": source(shape), **{f"link{i}": node for i, node in enumerate(links)}}
    return graph_of({**nodes, "lif": fire(end or shape), "output": sink(end or shape)})


def source(shape: tuple[int, ...]) -> nir.Input:
    return nir.Input(input_type={"input": np.array(shape)})


def sink(shape: tuple[int, ...]) -> nir.Output:
    return nir.Output(output_type={"output": np.array(shape)})


def fire(shape: tuple[int, ...]) -> nir.IF:
    return nir.IF(r=np.ones(shape), v_threshold=np.full(shape, 0.5), v_reset=np.zeros(shape))


def conv(weight: np.ndarray, bias: np.ndarray | None = None, **fields: object) -> nir.Conv2d:
    values = {"input_shape": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    bias = np.zeros(len(weight)) if bias is None else bias
    return make_node(nir.Conv2d, {**values, "weight": weight, "bias": bias, **fields}, {})


def pool(kind: type[nir.NIRNode], kernel: int, padding: int = 0) -> nir.NIRNode:
    return kind(np.array([kernel] * 2), np.array([kernel] * 2), np.array([padding] * 2))


def flatten(shape: tuple[int, ...]) -> nir.Flatten:
    return nir.Flatten({"input": np.array(shape)}, 0, -1)


def matrix_of(operators: tuple[Operator, ...], shape: tuple[int, ...]) -> Any:
    """A chain's matrix, real weights and all."""
    matrices = []
    for operator in operators:
        matrices.append(operator.matrix(shape).toarray().astype(np.float64))
        shape = operator.output_shape(shape)
    return reduce(lambda done, matrix: matrix @ done, matrices)
