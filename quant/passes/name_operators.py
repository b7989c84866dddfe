"""Every operator gets a name of its own: a node that feeds two neurons becomes two operators.

Before: lif1 -> conv -> lif2, lif1 -> conv -> lif3
After:  lif1 -> conv__lif2 -> lif2, lif1 -> conv__lif3 -> lif3
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from inflor.quant.passes.fused import FusedGraph


def name_operators(fused: FusedGraph) -> FusedGraph:
    """The graph with operators of different names, none of which is that of another node."""
    count = Counter(op.name for q in fused.projections for op in q.operators)
    seen: set[str] = set(fused.graph.nodes)
    projections = []
    for index, q in enumerate(fused.projections):
        operators = []
        for op in q.operators:
            own = count[op.name] == 1 and (op.name in q.nodes or op.name not in seen)
            name = op.name if own else f"{op.name}__{q.target}"
            while not own and name in seen:
                name = f"{name}_{index}"
            seen.add(name)
            operators.append(replace(op, name=name))
        projections.append(replace(q, operators=tuple(operators)))
    return replace(fused, projections=tuple(projections))
