"""Writes into a graph what a step of it is.

Before: LIF(tau = 5e-4), and nothing is known of dt
After:  LIF(tau = 5e-4), dt = 1e-4, Euler's rule
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import lambertw

from inflor.converter.errors import InputError
from inflor.converter.nir.frameworks import FRAMEWORKS, Framework
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.passes.base import Pass
from inflor.converter.passes.conventions import Conventions
from inflor.converter.primitives.base import primitive

_SAME = 1e-3
"""Two steps that differ by less are the same, recovered from float32."""


def set_time(given: Conventions) -> Pass[Graph]:
    """Set dt and the rule of integration: those given, else the framework's, else 1 and Euler's.

    Raises:
        InputError: another integration than the framework's is given; the file does not say one step for all neurons.
    """
    return Pass("set time", lambda graph: _timed(graph, given), ensures=frozenset({"time"}))


def _timed(graph: Graph, given: Conventions) -> Graph:
    framework = None if given.framework is None else FRAMEWORKS[given.framework]
    integration = _integration(graph, given, framework)
    dt = given.dt or _dt(graph, framework)
    info = ModelInfo(dt=dt, integration=integration, framework=given.framework or "", encoding="")
    said = graph.info
    return replace(graph, info=replace(info, timesteps=said.timesteps, says_timesteps=said.says_timesteps))


def _integration(graph: Graph, given: Conventions, framework: Framework | None) -> str:
    if framework is None:
        return given.integration or "euler"
    if given.integration not in (None, framework.integration):
        raise InputError(
            f"{given.framework} integrates by {framework.integration}, which contradicts "
            f"`integration='{given.integration}'`",
            path=graph.source,
            option="integration",
            mend="leave one of the options out",
        )
    return framework.integration


def _dt(graph: Graph, framework: Framework | None) -> float:
    """The framework's own step; Rockpool's from its r = tau / dt exp(-dt / tau): x e^x = 1 / r with x = dt / tau."""
    if framework is None:
        return 1.0
    if framework.dt is not None:
        return framework.dt
    steps = []
    for node in graph.nodes.values():
        for field, entry in primitive(node).fields.items():
            if entry.gain == "r":
                tau, r = (np.asarray(values, np.float64) for values in (getattr(node, field), node.r))
                steps.append((tau * lambertw(1 / r).real).ravel())
    found = np.concatenate(steps) if steps else np.ones(1)
    if np.ptp(found) > _SAME * found.max():
        raise InputError(
            f"its neurons have steps from {found.min():g} to {found.max():g}, so that the file does not say which",
            path=graph.source,
            option="dt",
            mend="give `dt`",
        )
    return float(f"{np.median(found):.5g}")
