"""A graph of populations and chains: what the passes behind `chains_to_projections` rewrite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from inflor.converter.nir.graph import Graph
from inflor.quant.ir.ports import Group
from inflor.quant.ir.types import FloatArray
from inflor.quant.operators import Operator


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatProjection:
    """A chain with real weights (float64).

    Attributes:
        source: the population that sends.
        target: the population that receives.
        operators: applied from left to right; at most one has weights once `merge_linear` has run.
        nodes: the NIR nodes that the chain was made of, in order; none for a bare edge.
        weights: how many of these had weights; where none had, the projection is a residual identity.
        factor: what its average pools divide by, as a factor, until `fold_means` multiplies it into the weights.
        delay: steps of its Delay nodes, and one for every edge of the path that closes a cycle.
        group: the target's group of input ports that it adds to, "" for none.
    """

    source: str
    target: str
    operators: tuple[Operator, ...]
    nodes: tuple[str, ...]
    weights: int
    factor: float = 1.0
    delay: int = 0
    group: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class FusedGraph:
    """What is left of a graph: neuron nodes and the chains between them.

    Attributes:
        graph: the graph that it was made of.
        populations: the neuron nodes and inputs, in evaluation order.
        projections: the chains, in the order of their targets.
        bias: per population, float64 at its full shape; empty until `carry_biases` has run.
        groups: of input ports, by population.
    """

    graph: Graph
    populations: tuple[str, ...]
    projections: tuple[FloatProjection, ...]
    bias: Mapping[str, FloatArray] = field(default_factory=dict)
    groups: Mapping[str, tuple[Group, ...]] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Populations and operators, a line each."""
        operators = (f"{q.source} -> {q.target}: {op.name} ({op})" for q in self.projections for op in q.operators)
        return (*self.populations, *operators)


def map_projections(fused: FusedGraph, rewrite: Callable[[FloatProjection], FloatProjection]) -> FusedGraph:
    """The graph with every projection rewritten."""
    return replace(fused, projections=tuple(map(rewrite, fused.projections)))
