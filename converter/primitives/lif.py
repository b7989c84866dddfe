"""LI and LIF: an integrator that leaks, and one that fires.

tau dv/dt = (v_leak - v) + r a            LIF: a spike where v > v_threshold, then v = v_reset
"""

from __future__ import annotations

import nir

from inflor.converter.primitives.base import Primitive, register
from inflor.converter.primitives.fields import Field, make_node, numbers, positive
from inflor.converter.primitives.firing import FIRE, check_reset, firing
from inflor.converter.primitives.neurons import neurons
from inflor.converter.primitives.step import Clock, Dynamics, compact, moved, unrounded

LEAK = {
    "r": Field(positive, per_element=True),
    "v_leak": Field(numbers, per_element=True, role="potential"),
}
"""The fields of a membrane that leaks, but for its time constant."""
_FIELDS = {"tau": Field(positive, per_element=True, role="time", gain="r")} | LEAK


def leak(node: nir.NIRNode, tau: str, clock: Clock, where: str) -> Dynamics:
    """v = (1 - h) v + h (v_leak + r u), h from the time constants in the field `tau`."""
    h = moved(getattr(node, tau), tau, clock, where)
    return Dynamics(keep=1 - h, gain=unrounded(compact(node.r) * h, 1.0), drift=compact(node.v_leak) * h)


def _integrate(node: nir.NIRNode, clock: Clock, where: str) -> Dynamics:
    return leak(node, "tau", clock, where)


_fire = firing(_integrate)

register(
    Primitive(
        node=nir.LI,
        equation="tau dv/dt = v_leak - v + r a; y = v",
        fields=_FIELDS,
        state=neurons(_integrate),
        step=_integrate,
        kind="readout",
    )
)
register(
    Primitive(
        node=nir.LIF,
        equation="tau dv/dt = v_leak - v + r a; y = 1 where v > v_threshold, then v = v_reset",
        fields=_FIELDS | FIRE,
        check=check_reset,
        state=neurons(_fire),
        step=_fire,
        kind="lif",
        plain=lambda node: {"membrane": make_node(nir.LI, {"tau": node.tau, "r": node.r, "v_leak": node.v_leak})},
        flags=frozenset({"refractory"}),
    )
)
