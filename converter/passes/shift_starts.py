"""Measures potentials from where a framework starts them, which is 0 here.

Before: LIF(v_leak = 0.2, v_threshold = 1, v_reset = 0) of Norse, whose v starts at v_leak
After:  LIF(v_leak = 0, v_threshold = 0.8, v_reset = -0.2)
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.fields import changed


def shift_starts(start: Literal["v_leak", "v_reset"], only: Collection[str] | None = None) -> Pass[Graph]:
    """Subtract the potential before the first step from all potentials of a neuron.

    Args:
        start: the field that it starts at; a v_reset only where there is a reset to it.
        only: the nodes to shift; None for all.

    Raises:
        InputError: a readout starts at another potential than 0; names it.
    """
    return Pass("shift starts", lambda graph: _shifted(graph, start, only), frozenset({"resets"}))


def _shifted(graph: Graph, start: str, only: Collection[str] | None) -> Graph:
    nodes = {}
    for name, node in graph.nodes.items():
        form = primitive(node)
        subtracts = start == "v_reset" and node.metadata.get("reset") == "subtract"
        if not form.is_neuron or start not in form.fields or subtracts or (only is not None and name not in only):
            continue
        offset = np.asarray(getattr(node, start), np.float64)
        if not offset.any():
            continue
        if form.integrates:
            raise InputError(
                f"{graph.where(name)} starts at its {start}, which is not 0; a readout here starts at 0; subtract it "
                "from the bias before the node instead"
            )
        potentials = form.of_role("threshold", "potential")
        nodes[name] = changed(node, {field: getattr(node, field) - offset for field in potentials})
    return graph.with_nodes(nodes)
