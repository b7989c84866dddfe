"""I and IF: an integrator without a leak, and one that fires.

dv/dt = r a            IF: a spike where v > v_threshold, then v = v_reset
"""

from __future__ import annotations

import nir

from inflor.converter.primitives.base import Primitive, register
from inflor.converter.primitives.fields import Field, make_node, positive
from inflor.converter.primitives.firing import FIRE, check_reset, firing
from inflor.converter.primitives.neurons import neurons
from inflor.converter.primitives.step import Clock, Dynamics, compact, unrounded

_R = {"r": Field(positive, per_element=True, role="rate")}


def _integrate(node: nir.NIRNode, clock: Clock, where: str) -> Dynamics:
    """v += r dt a."""
    return Dynamics(gain=unrounded(compact(node.r) * clock.dt, 1.0))


_fire = firing(_integrate)

register(
    Primitive(
        node=nir.I, equation="dv/dt = r a; y = v", fields=_R, state=neurons(_integrate), step=_integrate, kind="readout"
    )
)
register(
    Primitive(
        node=nir.IF,
        equation="dv/dt = r a; y = 1 where v > v_threshold, then v = v_reset",
        fields=_R | FIRE,
        check=check_reset,
        state=neurons(_fire),
        step=_fire,
        kind="if",
        plain=lambda node: {"membrane": make_node(nir.I, {"r": node.r})},
        flags=frozenset({"refractory"}),
    )
)
