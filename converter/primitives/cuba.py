"""CubaLI and CubaLIF: a synaptic current that decays and drives an integrator that leaks, and one that fires.

tau_syn du/dt = -u + w_in a
tau_mem dv/dt = (v_leak - v) + r u            CubaLIF: a spike where v > v_threshold, then v = v_reset
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import nir
import numpy as np

from inflor.converter.primitives.base import Primitive, register
from inflor.converter.primitives.fields import Field, make_node, not_zero, positive
from inflor.converter.primitives.firing import FIRE, check_reset, firing
from inflor.converter.primitives.lif import LEAK, leak
from inflor.converter.primitives.neurons import neurons
from inflor.converter.primitives.step import Clock, Dynamics, compact, moved, unrounded

_FILTERS = {
    "tau_syn": Field(positive, per_element=True, role="time", gain="w_in"),
    "tau_mem": Field(positive, per_element=True, role="time", gain="r"),
}
_W_IN = {"w_in": Field(not_zero, 1.0, per_element=True)}


def _integrate(node: nir.NIRNode, clock: Clock, where: str) -> Dynamics:
    """u = (1 - g) u + g w_in a, g from tau_syn; v as of LI, h from tau_mem."""
    g = moved(node.tau_syn, "tau_syn", clock, where)
    return replace(
        leak(node, "tau_mem", clock, where),
        current_keep=1 - g,
        current_gain=unrounded(compact(node.w_in) * g, 1.0),
        late_current=bool(node.metadata.get("late_current", False)),
    )


def _plain(node: nir.NIRNode) -> Mapping[str, nir.NIRNode]:
    current = {"tau": node.tau_syn, "r": node.w_in, "v_leak": np.zeros_like(node.w_in)}
    membrane = {"tau": node.tau_mem, "r": node.r, "v_leak": node.v_leak}
    return {"current": make_node(nir.LI, current), "membrane": make_node(nir.LI, membrane)}


_fire = firing(_integrate)

register(
    Primitive(
        node=nir.CubaLI,
        equation="tau_syn du/dt = -u + w_in a; tau_mem dv/dt = v_leak - v + r u; y = v",
        fields=_FILTERS | LEAK | _W_IN,
        state=neurons(_integrate),
        step=_integrate,
        kind="readout",
        flags=frozenset({"late_current"}),
    )
)
register(
    Primitive(
        node=nir.CubaLIF,
        equation="tau_syn du/dt = -u + w_in a; tau_mem dv/dt = v_leak - v + r u; "
        "y = 1 where v > v_threshold, then v = v_reset",
        fields=_FILTERS | LEAK | FIRE | _W_IN,
        check=check_reset,
        state=neurons(_fire),
        step=_fire,
        kind="cuba_lif",
        plain=_plain,
        flags=frozenset({"refractory", "late_current"}),
    )
)
