"""Writes into a graph what a step of it is.

Before: LIF(tau = 5e-4), and nothing is known of dt
After:  LIF(tau = 5e-4), dt = 1e-4, Euler's rule
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
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
    """Set dt and the rule of integration: those that the file proves, else those given, the framework's, 1 and Euler's.

    Raises:
        InputError: another integration than the framework's is given; the file does not say one step for all neurons.
    """
    return Pass("set time", lambda graph: _timed(graph, given), ensures=frozenset({"time"}))


def _timed(graph: Graph, given: Conventions) -> Graph:
    framework = None if given.framework is None else FRAMEWORKS[given.framework]
    integration = _integration(graph, given, framework)
    dt = _dt(graph, given, framework)
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


def _dt(graph: Graph, given: Conventions, framework: Framework | None) -> float:
    """The step that the file proves, else the one given, else the framework's own."""
    proved = {} if framework is None else proved_steps(graph, framework)
    if not proved:
        return given.dt or (1.0 if framework is None or framework.dt is None else framework.dt)
    found = np.concatenate(list(proved.values()))
    if np.ptp(found) > _SAME * found.max():
        raise InputError(
            f"its neurons have steps from {found.min():g} to {found.max():g}, so that the file does not say which",
            path=graph.source,
            option="framework",
            mend=f"export it again, with one step for all, if it is of {given.framework}",
        )
    dt = float(f"{np.median(found):.5g}")
    if given.dt is not None and abs(given.dt / dt - 1) > _SAME:
        name = next(iter(proved))
        raise InputError(
            f"was written for a step of {dt:g}, as its time constant and r say, which contradicts `dt={given.dt:g}`",
            path=graph.source,
            node=name,
            option="dt",
            mend="leave the option out",
        )
    return dt


def proved_steps(graph: Graph, framework: Framework) -> dict[str, npt.NDArray[np.float64]]:
    """The steps that the neurons of each node prove, by its name; nodes that prove none are left out."""
    found = {}
    for name, node in graph.nodes.items():
        proof = framework.proofs.get(primitive(node).name)
        if proof is None:
            continue
        r = np.asarray(node.r, np.float64).ravel()
        tau = (
            np.broadcast_to(getattr(node, "tau", getattr(node, "tau_mem", 1.0)), np.shape(node.r)).astype(float).ravel()
        )
        says = (r > 0) & ((r != 1) | (proof != "tau / r unless r is 1"))
        tau, r = tau[says], r[says]
        if proof == "tau / r exponentially":
            steps = tau * lambertw(1 / r).real
        else:
            steps = 1 / r if proof == "1 / r" else tau / r
        sure = proof != "tau / r unless r is 1" or not steps.size or np.ptp(steps) <= _SAME * steps.max()
        if steps.size and sure:  # r of a layer that was written by hand may be anything
            found[name] = steps
    return found
