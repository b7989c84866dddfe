"""The passes that make an integer network's structure of a NIR graph, in their order."""

from __future__ import annotations

from typing import Any

from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import Pass, run_passes
from inflor.quant.passes.add_readouts import add_readouts
from inflor.quant.passes.carry_biases import carry_biases
from inflor.quant.passes.chains_to_projections import chains_to_projections
from inflor.quant.passes.collect_delays import collect_delays
from inflor.quant.passes.fold_means import fold_means
from inflor.quant.passes.fused import FusedGraph
from inflor.quant.passes.mark_identities import mark_identities
from inflor.quant.passes.merge_convolutions import merge_convolutions
from inflor.quant.passes.merge_linear import merge_linear
from inflor.quant.passes.merge_maxima import merge_maxima
from inflor.quant.passes.merge_scales import merge_scales
from inflor.quant.passes.name_operators import name_operators
from inflor.quant.passes.pools_to_sums import pools_to_sums

SUMS, CHAINS, ONE_WEIGHTED = (frozenset({p}) for p in ("sum pools", "chains", "one weighted operator"))

ADD_READOUTS = Pass("add readouts", add_readouts)
"""Before quantization alone; what it adds is run in float as well."""
FUSE: tuple[Pass[Any], ...] = (
    Pass("pools to sums", pools_to_sums, ensures=SUMS),
    Pass("merge maxima", merge_maxima),
    Pass("chains to projections", chains_to_projections, requires=SUMS, ensures=CHAINS),
    Pass("collect delays", collect_delays, requires=CHAINS),
    Pass("carry biases", carry_biases, requires=CHAINS),
    Pass("merge scales", merge_scales, requires=CHAINS),
    Pass("merge convolutions", merge_convolutions, requires=CHAINS),
    Pass("merge linear", merge_linear, requires=CHAINS),
    Pass("mark identities", mark_identities, requires=CHAINS, ensures=ONE_WEIGHTED),
    Pass("fold means", fold_means, requires=ONE_WEIGHTED),
)
"""From a graph to populations and projections of one weighted operator each: for float and for integer files."""
NAME_OPERATORS = Pass("name operators", name_operators, requires=CHAINS)
"""Before quantization alone: the names in a file are unique."""


def fuse(graph: Graph) -> FusedGraph:
    """Populations and projections of a validated graph.

    Raises:
        InputError: a node cannot be part of an integer network (the message names it), or a chain is too large.
    """
    given: Any = graph
    fused: FusedGraph = run_passes(given, FUSE)
    return fused
