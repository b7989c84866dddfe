"""Writes into the metadata of every neuron that fires what a spike takes off it, and when.

Before: LIF(v_threshold = 1), reset "subtract", of a framework whose reset acts in the step after the spike
After:  LIF(v_threshold = 1), reset "subtract", reset_value = 1 / keep, of which the next step leaves 1

Before: CubaLIF, reset "zero", of such a framework
After:  CubaLIF, reset "zero", refractory: the step after a spike does not integrate
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.ordering import components
from inflor.converter.passes.base import Pass
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.dynamics import dynamics
from inflor.converter.primitives.fields import changed


def place_resets(late: bool, only: Collection[str] | None = None) -> Pass[Graph]:
    """Set reset_value, and refractory where a reset to v_reset comes late.

    Args:
        late: whether a reset acts in the step after the spike.
        only: the nodes to set it of; None for all.

    Raises:
        InputError: a neuron keeps nothing from one step to the next, so that a late subtraction has no form.
    """
    return Pass("place resets", lambda graph: _placed(graph, late, only), frozenset({"time", "resets"}))


@np.errstate(over="ignore", divide="ignore", invalid="ignore")  # the dynamics refuse what float32 cannot hold
def _placed(graph: Graph, late: bool, only: Collection[str] | None) -> Graph:
    parts = components(graph.order, graph.edges)
    on_cycle = {name for names in parts for name in names if len(names) > 1 or name in graph.successors(name)}
    nodes = {}
    for name, node in graph.nodes.items():
        form = primitive(node)
        if not form.resets or form.step is None or (only is not None and name not in only):
            continue
        step = dynamics(graph, name)
        if step.reset == "subtract":
            if late and (step.keep == 0).any():
                raise InputError(
                    f"{graph.where(name)} keeps nothing from one step to the next, so that a reset in the step after "
                    "the spike has no form here; give `reset='zero'` if it has none"
                )
            # Taken one step later, after the leak, the same amount has to be so much larger now.
            amount = step.reset_value / step.keep if late else step.reset_value
            nodes[name] = changed(node, {}, {"reset_value": amount})
        elif late and (name in on_cycle or step.current_keep is not None):
            nodes[name] = changed(node, {}, {"refractory": True})
    return graph.with_nodes(nodes)
