"""A node of every NIR primitive, and graphs of one node between an Input and an Output."""

from __future__ import annotations

from collections.abc import Callable

import nir
import numpy as np

from inflor.converter.nir.graph import Graph, nir_graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate

N = 4
DT = 0.5
STEPS = 6
IMAGE = (2, 5, 4)


def full(value: float) -> np.ndarray:
    return np.full(N, value, np.float32)


def eighths(*shape: int) -> np.ndarray:
    """Weights whose sums are exact in float32."""
    return np.random.default_rng(len(shape)).integers(-8, 9, shape).astype(np.float32) / 8


def _conv2d() -> nir.Conv2d:
    return nir.Conv2d((5, 4), eighths(4, 1, 3, 2), (2, 1), (1, 1), (1, 1), 2, eighths(4))


EXAMPLES: dict[type[nir.NIRNode], tuple[Callable[[], nir.NIRNode], tuple[int, ...], tuple[int, ...]]] = {
    nir.Input: (lambda: nir.Input(np.array([N])), (N,), (N,)),
    nir.Output: (lambda: nir.Output(np.array([N])), (N,), (N,)),
    nir.Linear: (lambda: nir.Linear(eighths(3, N)), (N,), (3,)),
    nir.Affine: (lambda: nir.Affine(eighths(3, N), eighths(3)), (N,), (3,)),
    nir.Conv1d: (lambda: nir.Conv1d(7, eighths(3, 2, 3), 2, 1, 1, 1, eighths(3)), (2, 7), (3, 4)),
    nir.Conv2d: (_conv2d, IMAGE, (4, 3, 5)),
    nir.SumPool2d: (lambda: nir.SumPool2d(np.array([2, 2]), np.array([2, 1]), np.array([1, 0])), IMAGE, (2, 3, 3)),
    nir.AvgPool2d: (lambda: nir.AvgPool2d(np.array([2, 2]), np.array([2, 1]), np.array([1, 0])), IMAGE, (2, 3, 3)),
    nir.Flatten: (lambda: nir.Flatten({"input": np.array(IMAGE)}, 1, 2), IMAGE, (2, 20)),
    nir.Scale: (lambda: nir.Scale(eighths(N)), (N,), (N,)),
    nir.Delay: (lambda: nir.Delay(DT * np.arange(N, dtype=np.float32)), (N,), (N,)),
    nir.Threshold: (lambda: nir.Threshold(full(0.25)), (N,), (N,)),
    nir.I: (lambda: nir.I(full(2)), (N,), (N,)),
    nir.LI: (lambda: nir.LI(full(2), full(1), full(0.25)), (N,), (N,)),
    nir.CubaLI: (lambda: nir.CubaLI(full(1), full(2), full(1), full(0.25), full(2)), (N,), (N,)),
    nir.IF: (lambda: nir.IF(full(2), full(0.5), full(-0.25)), (N,), (N,)),
    nir.LIF: (lambda: nir.LIF(full(2), full(2), full(0.25), full(0.5), full(-0.25)), (N,), (N,)),
    nir.CubaLIF: (
        lambda: nir.CubaLIF(full(1), full(2), full(1), full(0.25), full(0.5), full(-0.25), full(2)),
        *((N,), (N,)),
    ),
}
"""How to make a node, the shape that arrives and the shape that it gives. Its numbers are exact in float32."""


def graph_of(node: nir.NIRNode, arriving: tuple[int, ...], dt: float = DT) -> Graph:
    """input -> n -> output, or the bare ends where the node is one of them."""
    nodes = {"input": nir.Input(np.array(arriving)), "n": node, "output": nir.Output(None)}
    if type(node) in (nir.Input, nir.Output):
        del nodes["n"]
        nodes[name_of(type(node))] = node
    edges = list(zip(nodes, list(nodes)[1:], strict=False))
    return validate(nir_graph(nodes, edges, {METADATA_KEY: ModelInfo(dt=dt, timesteps=STEPS).to_json()}), "x.nir")


def example(kind: type[nir.NIRNode]) -> Graph:
    """The graph of the example of a primitive."""
    make, arriving, _ = EXAMPLES[kind]
    return graph_of(make(), arriving)


def name_of(kind: type[nir.NIRNode]) -> str:
    """What the node of the example is called in its graph."""
    return kind.__name__.lower() if kind in (nir.Input, nir.Output) else "n"
