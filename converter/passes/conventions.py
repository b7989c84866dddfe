"""Reads a graph by the conventions of whoever wrote it: dt, integration, reset, or a whole framework's.

What NIR's fields can say is written into them, the rest into the nodes' metadata, so that the result means the same to
every later stage without an option:

    before   LIF(tau, r, v_threshold)                    of a framework that fires at v >= v_threshold and subtracts it
    after    LIF(tau, r, v_threshold just below), metadata reset "subtract", reset_value and threshold
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace

import nir
import numpy as np
from scipy.special import lambertw

from inflor.converter.errors import InputError
from inflor.converter.nir.frameworks import FRAMEWORKS, Framework, Reset
from inflor.converter.nir.graph import INTEGRATORS, NEURONS, SPIKING, Graph, reset_of
from inflor.converter.nir.metadata import INTEGRATIONS, ModelInfo
from inflor.converter.nir.ordering import components
from inflor.converter.primitives.dynamics import KINDS, Dynamics, FloatArray, delay_steps, dynamics
from inflor.converter.primitives.fields import FIELDS

_NO_LEAK = 1e20
"""A time constant so long that a step's part of it is nothing beside 1."""
_SAME = 1e-3
"""Two steps that differ by less are the same, recovered from float32."""


@dataclass(frozen=True)
class Conventions:
    """What a user says about a file: None leaves it to the file, then to the framework, then to NIR.

    dt: a step in the unit of the file's time constants. integration: "euler" or "exponential". reset: "zero" or
    "subtract". framework: a name of `inflor.converter.nir.frameworks`.

    Raises:
        InputError: a value is none of these.
    """

    dt: float | None = None
    integration: str | None = None
    reset: Reset | None = None
    framework: str | None = None

    def __post_init__(self) -> None:
        if self.dt is not None and not (math.isfinite(self.dt) and self.dt > 0):
            raise InputError(f"dt is {self.dt!r}; give a positive number")
        choices = (("integration", INTEGRATIONS), ("reset", ("zero", "subtract")), ("framework", tuple(FRAMEWORKS)))
        for name, known in choices:
            value = getattr(self, name)
            if value is not None and value not in known:
                raise InputError(f"{name} is {value!r}; it is one of {', '.join(known)}")

    @property
    def given(self) -> bool:
        return any(value is not None for value in (self.dt, self.integration, self.reset, self.framework))


def prepared(graph: nir.NIRGraph, conventions: Conventions) -> nir.NIRGraph:
    """A graph that nothing has checked yet, in place, without what its framework writes against NIR's definitions.

    snnTorch writes a neuron without a leak (beta = 1, alpha = 1) with an infinite tau and gain: made finite, and so
    large that nothing leaks. Norse and Rockpool write the batch (and time) into the shapes of Input and Output: left
    out.
    """
    for node in graph.nodes.values():
        if isinstance(node, nir.NIRGraph):
            prepared(node, conventions)
        elif conventions.framework == "snntorch" and isinstance(node, nir.LIF | nir.CubaLIF):
            dt = conventions.dt or FRAMEWORKS["snntorch"].dt or 1.0
            for tau, gain in (("tau", "r"), ("tau_mem", "r"), ("tau_syn", "w_in")):
                if tau in FIELDS[type(node)]:
                    _make_finite(node, tau, gain, dt)
        elif conventions.framework in ("norse", "rockpool") and isinstance(node, nir.Input | nir.Output):
            field = "input_type" if isinstance(node, nir.Input) else "output_type"
            key = field.removesuffix("_type")
            setattr(node, field, {key: _without_batch(getattr(node, field)[key])})
    return graph


def _without_batch(shape: object) -> object:
    """[1, F] and [1, 1, F] as [F], [1, C, H, W] as [C, H, W]."""
    sizes = np.asarray(shape)
    if sizes.dtype.kind not in "iu" or sizes.ndim != 1:
        return shape
    kept = 1 if len(sizes) in (2, 3) else len(sizes) - (len(sizes) > 3)
    return sizes[-kept:] if kept and (sizes[:-kept] == 1).all() else shape


def _make_finite(node: nir.NIRNode, tau: str, gain: str, dt: float) -> None:
    times, gains = np.asarray(getattr(node, tau)), np.asarray(getattr(node, gain))
    if times.dtype.kind != "f" or gains.dtype.kind != "f" or times.shape != gains.shape:
        return
    leakless = np.isposinf(times) & np.isposinf(gains)
    if leakless.any():
        setattr(node, tau, np.where(leakless, _NO_LEAK, times.astype(np.float64)))
        setattr(node, gain, np.where(leakless, _NO_LEAK / dt, gains.astype(np.float64)))


def with_conventions(graph: Graph, conventions: Conventions) -> Graph:
    """The graph as these conventions read it; a graph whose metadata say its conventions stays as it is.

    Raises:
        InputError: they contradict the file's metadata or the framework's; a time constant or delay does not fit the
            step; a neuron has no such form. Names the node.
    """
    if not conventions.given:
        return graph
    if graph.info.known:
        _check_agreement(graph, conventions)
        return graph
    framework = None if conventions.framework is None else FRAMEWORKS[conventions.framework]
    integration = _integration(graph, conventions, framework)
    dt = conventions.dt or _dt(graph, framework)
    info = replace(
        ModelInfo(dt=dt, integration=integration, framework=conventions.framework or "", encoding=""),
        says_timesteps=False,
    )
    read = replace(graph, info=info, nodes={name: _copy(node) for name, node in graph.nodes.items()})
    on_cycle = _on_cycle(graph)
    for name, node in read.nodes.items():
        if isinstance(node, SPIKING):
            _set_reset(read, name, conventions.reset, framework)
        if type(node) in KINDS:
            step = dynamics(read, name)
            if framework is not None:
                _rewrite(read, name, step, framework, name in on_cycle)
                dynamics(read, name)
        elif isinstance(node, nir.Delay):
            delay_steps(read, name)
    return read


def _copy(node: nir.NIRNode) -> nir.NIRNode:
    result = copy.copy(node)
    result.metadata = dict(node.metadata)
    return result


def _check_agreement(graph: Graph, given: Conventions) -> None:
    info = graph.info
    resets = {reset_of(node)[0] for node in graph.nodes.values() if isinstance(node, SPIKING)}
    for option, value, said in (
        ("--dt", given.dt, info.dt),
        ("--integration", given.integration, info.integration),
        ("--reset", given.reset, given.reset if resets == {given.reset} else ", ".join(sorted(resets)) or "none"),
        ("--from", given.framework, info.framework or "inflor"),
    ):
        if value is not None and value != said:
            raise InputError(
                f"{graph.source}: its metadata say {said}, which contradicts {option} {value}; leave the option out"
            )


def _integration(graph: Graph, given: Conventions, framework: Framework | None) -> str:
    if framework is None:
        return given.integration or "euler"
    if given.integration not in (None, framework.integration):
        raise InputError(
            f"{graph.source}: {given.framework} integrates by {framework.integration}, which contradicts --integration "
            f"{given.integration}; leave one of the options out"
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
        if isinstance(node, nir.LIF | nir.LI | nir.CubaLIF | nir.CubaLI):
            tau = np.asarray(node.tau if isinstance(node, nir.LIF | nir.LI) else node.tau_mem, np.float64)
            steps.append((tau * lambertw(1 / np.asarray(node.r, np.float64)).real).ravel())
    found = np.concatenate(steps) if steps else np.ones(1)
    if np.ptp(found) > _SAME * found.max():
        raise InputError(
            f"{graph.source}: its neurons have steps from {found.min():g} to {found.max():g}, so that the file does "
            "not say which; give --dt"
        )
    return float(f"{np.median(found):.5g}")


def _on_cycle(graph: Graph) -> set[str]:
    parts = components(graph.order, graph.edges)
    return {name for names in parts for name in names if len(names) > 1 or name in graph.successors(name)}


def _set_reset(graph: Graph, name: str, given: Reset | None, framework: Framework | None) -> None:
    node = graph.nodes[name]
    said = node.metadata.get("reset")
    if said is not None and given not in (None, said):
        raise InputError(
            f"{graph.source}: node {name!r}: its metadata say reset {said!r}, which contradicts --reset {given}; leave "
            "the option out"
        )
    node.metadata["reset"] = said or given or ("zero" if framework is None else framework.reset)


@np.errstate(over="ignore", divide="ignore", invalid="ignore")  # the dynamics refuse what float32 cannot hold
def _rewrite(graph: Graph, name: str, step: Dynamics, framework: Framework, on_cycle: bool) -> None:
    """Write into the fields and metadata of a node, in place, what its framework does."""
    node = graph.nodes[name]
    _rewrite_gains(graph, name, step, framework)
    if isinstance(node, SPIKING) and step.reset == "subtract":
        if framework.late_reset and (step.keep == 0).any():
            raise InputError(
                f"{graph.source}: node {name!r} ({type(node).__name__}) keeps nothing from one step to the next, so "
                f"that a reset in the step after the spike has no form here; give --reset zero if it has none"
            )
        # Taken one step later, after the leak, the same amount has to be so much larger now.
        node.metadata["reset_value"] = step.reset_value / step.keep if framework.late_reset else step.reset_value
    elif isinstance(node, SPIKING) and framework.late_reset and (on_cycle or isinstance(node, nir.CubaLIF)):
        node.metadata["refractory"] = True
    if isinstance(node, NEURONS):
        _shift_start(graph, name, framework)
    if framework.reached and step.threshold is not None and "threshold" not in node.metadata:
        field = "threshold" if isinstance(node, nir.Threshold) else "v_threshold"
        reached = getattr(node, field).astype(np.float32)
        node.metadata["threshold"] = reached
        setattr(node, field, np.nextafter(reached, np.float32(-np.inf)))


def _rewrite_gains(graph: Graph, name: str, step: Dynamics, framework: Framework) -> None:
    """Choose r and w_in such that one unit of input adds what the framework lets it add."""
    node = graph.nodes[name]

    def factor(rule: str, keep: FloatArray) -> FloatArray:
        # What NIR scales the input by: the part of the way that a step goes, or dt where nothing leaks.
        scale = np.full_like(keep, graph.info.dt) if isinstance(node, nir.IF | nir.I) else 1 - keep
        return (keep if rule == "kept" else 1.0) / scale

    if type(node).__name__ in framework.gains:
        node.r = factor(framework.gains[type(node).__name__], step.keep)
    if "current" in framework.gains and step.current_keep is not None:
        node.w_in = factor(framework.gains["current"], step.current_keep)


def _shift_start(graph: Graph, name: str, framework: Framework) -> None:
    """Measure the potential from where the framework starts it, which is 0 here."""
    node = graph.nodes[name]
    start = {"leak": "v_leak", "reset": "v_reset", "zero": ""}[framework.start]
    if node.metadata.get("reset") == "subtract" and start == "v_reset":
        return
    offset = np.asarray(getattr(node, start) if start in FIELDS[type(node)] else 0.0, np.float64)
    if not offset.any():
        return
    if isinstance(node, INTEGRATORS):
        raise InputError(
            f"{graph.source}: node {name!r} ({type(node).__name__}) starts at its {start}, which is not 0; a readout "
            "here starts at 0; subtract it from the bias before the node instead"
        )
    for field in ("v_threshold", "v_reset", "v_leak"):
        if field in FIELDS[type(node)]:
            setattr(node, field, getattr(node, field) - offset)
