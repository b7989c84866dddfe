"""Average pools become sums, whose divisor stands in a Scale of its own.

Before: lif -> AvgPool2d(2 x 2) -> Conv2d          After: lif -> SumPool2d(2 x 2) -> Scale(1/4) -> Conv2d
"""

from __future__ import annotations

import math
from dataclasses import replace

import nir
import numpy as np

from inflor.converter.nir.graph import Edge, Graph
from inflor.converter.primitives.fields import make_node

MEAN_OF = "mean_of"
"""Metadata of a Scale: the pool that it makes a mean of, whose weights it is none of."""


def is_mean(node: nir.NIRNode) -> bool:
    """Whether a node is a Scale that this pass made: one number, and no weights of anybody's."""
    return isinstance(node, nir.Scale) and MEAN_OF in node.metadata and bool((node.scale == node.scale.flat[0]).all())


def pools_to_sums(graph: Graph) -> Graph:
    """The graph without average pools."""
    pools = {name: node for name, node in graph.nodes.items() if isinstance(node, nir.AvgPool2d)}
    nodes, means = dict(graph.nodes), dict[str, str]()
    for pool, node in pools.items():
        mean = f"{pool}_mean"
        while mean in nodes:
            mean += "_"
        sizes = {"kernel_size": node.kernel_size, "stride": node.stride, "padding": node.padding}
        nodes[pool] = make_node(nir.SumPool2d, sizes, node.metadata)
        factor = np.broadcast_to(1.0 / math.prod(node.kernel_size), graph.output_shapes[pool])
        nodes[mean] = make_node(nir.Scale, {"scale": factor}, {MEAN_OF: pool})
        means[pool] = mean

    def moved(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
        return tuple((means.get(start, start), end) for start, end in edges)

    shapes = {mean: graph.output_shapes[pool] for pool, mean in means.items()}
    return replace(
        graph,
        nodes=nodes,
        edges=(*moved(graph.edges), *means.items()),
        recurrent=moved(graph.recurrent),
        input_shapes={**graph.input_shapes, **shapes},
        output_shapes={**graph.output_shapes, **shapes},
        order=tuple(n for known in graph.order for n in ((known, means[known]) if known in means else (known,))),
    )
