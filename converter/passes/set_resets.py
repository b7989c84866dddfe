"""Writes into the metadata of every neuron that fires how it resets.

Before: LIF(v_threshold, v_reset), of a framework that subtracts
After:  LIF(v_threshold, v_reset), metadata reset "subtract"
"""

from __future__ import annotations

from inflor.converter.errors import InputError
from inflor.converter.nir.frameworks import Reset
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.fields import changed


def set_resets(given: Reset | None, default: Reset) -> Pass[Graph]:
    """Set the reset: the one that the node says, else the one given, else `default`.

    Raises:
        InputError: a node says another one than is given; names it.
    """
    return Pass("set resets", lambda graph: _reset(graph, given, default), ensures=frozenset({"resets"}))


def _reset(graph: Graph, given: Reset | None, default: Reset) -> Graph:
    nodes = {}
    for name, node in graph.nodes.items():
        if primitive(node).resets:
            said = node.metadata.get("reset")
            if said is not None and given not in (None, said):
                raise InputError(
                    f"its metadata say reset {said!r}, which contradicts `reset='{given}'`",
                    path=graph.source,
                    node=name,
                    option="reset",
                    mend="leave the option out",
                )
            nodes[name] = changed(node, {}, {"reset": said or given or default})
    return graph.with_nodes(nodes)
