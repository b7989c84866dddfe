"""Networks of other frameworks, exported by their own exporters, with what their own forward pass fires.

A module for each framework gives

    PACKAGES    what it needs: first the framework itself, then what reads and writes NIR for it
    EXPORTS     name of a case -> a function that makes it
    DT, load    the step that it knows, and a function (path, x, names of neurons) -> spikes; none where it reads no NIR
    CANNOT      name of a case of ours -> why the framework does not compute it as we do

and imports the framework within its functions only.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.base import primitive
from inflor.converter.primitives.dynamics import Dynamics, dynamics
from inflor.converter.simulate.execute import run

NAMES = ("snntorch", "spikingjelly", "norse", "sinabs", "rockpool", "nengo")
NEAR = 1e-5
"""How close to the threshold a potential may lie for two float programs to differ in a spike."""

Spikes = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """A network of a peer. graph: as its exporter made it. x: [T, B, *shape]. spikes: by node, [T, B, *shape].

    options: what a user has to say beside --from, for what the file does not say.
    """

    graph: nir.NIRGraph
    x: Tensor
    spikes: Mapping[str, Spikes]
    options: Mapping[str, Any] = field(default_factory=dict)


def module(name: str) -> ModuleType:
    return importlib.import_module(f"peers.{name}")


def missing(name: str) -> str | None:
    """Why the peer cannot be asked, or None."""
    for package in module(name).PACKAGES:
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed (make peers)"
    return None


def versions(name: str) -> str:
    return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in module(name).PACKAGES[:2])


def recorded(
    net: nn.Module, neurons: Mapping[str, nn.Module], step: Callable[[int], object], steps: int
) -> dict[str, Spikes]:
    """Spikes [T, B, *shape] of modules whose output, or first output, is their spikes, over `steps` calls."""
    kept: dict[str, list[Tensor]] = {name: [] for name in neurons}

    def keep(name: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: kept[name].append(output[0] if isinstance(output, tuple) else output)

    handles = [neuron.register_forward_hook(keep(name)) for name, neuron in neurons.items()]
    with torch.no_grad():
        for t in range(steps):
            step(t)
    for handle in handles:
        handle.remove()
    return {name: torch.stack(spikes).numpy() > 0 for name, spikes in kept.items()}


def stepped(net: nn.Module, x: Tensor, names: Iterable[str], restart: Callable[[], None]) -> dict[str, Spikes]:
    """Spikes [T, B, *shape] of the named modules of a network (x, state) -> (y, state), sample by sample, unbatched.

    A loader that takes NIR's dimensions for torch's, as most do with Flatten, is right where there is no batch.
    """
    names, samples = tuple(names), []
    for sample in range(x.shape[1]):
        restart()
        state: list[Any] = [None]

        def step(t: int, sample: int = sample, state: list[Any] = state) -> None:
            _, state[0] = net(x[t, sample], state[0])

        with contextlib.redirect_stdout(io.StringIO()):
            samples.append(recorded(net, {name: net.get_submodule(name) for name in names}, step, len(x)))
    return {name: np.stack([spikes[name] for spikes in samples], 1) for name in names}


@dataclass(frozen=True)
class Agreement:
    """compared, fired: spikes and no spikes, and spikes. near: samples that part within NEAR of the threshold."""

    compared: int
    fired: int
    near: int


def agreement(graph: Graph, x: Tensor, theirs: Mapping[str, Spikes]) -> Agreement:
    """Compare every spike of every neuron that `theirs` has.

    Raises:
        AssertionError: a sample parts elsewhere than at a potential within NEAR of the threshold; names the place.
    """
    spiking = {name for name, node in graph.nodes.items() if primitive(node).resets}
    assert set(theirs) == spiking, f"they record {sorted(theirs)}, the graph's neurons are {sorted(spiking)}"
    result = run(graph, x, len(x), currents=spiking)
    order = [name for name in graph.order if name in spiking]
    near = 0
    for sample in range(x.shape[1]):
        apart = [(np.nonzero(_differ(result, theirs, name, sample))[0], name) for name in order]
        firsts = [(int(steps[0]), place, name) for place, (steps, name) in enumerate(apart) if len(steps)]
        if not firsts:
            continue
        step, _, name = min(firsts)
        margin = _margins(dynamics(graph, name), result.currents[name][:, sample].double().numpy())[step]
        here = result.spikes[name][step, sample].numpy() != theirs[name][step, sample]
        assert np.abs(margin[here]).max() < NEAR, (
            f"{name} parts at step {step} of sample {sample}: potential minus threshold is {margin[here].flat[0]:g}, "
            f"they fire {theirs[name][step, sample][here].flat[0]}"
        )
        near += 1
    compared = sum(spikes.size for spikes in theirs.values())
    return Agreement(compared, sum(int(spikes.sum()) for spikes in theirs.values()), near)


def _differ(result: Any, theirs: Mapping[str, Spikes], name: str, sample: int) -> Spikes:
    ours = result.spikes[name][:, sample].numpy()
    assert ours.shape == theirs[name][:, sample].shape, f"{name}: {ours.shape} here, {theirs[name].shape} there"
    return (ours != theirs[name][:, sample]).reshape(len(ours), -1).any(1)


def _margins(neuron: Dynamics, currents: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """v - threshold before the reset, [T, *shape], of one sample in float64."""
    assert neuron.threshold is not None
    u = v = np.zeros(currents.shape[1:])
    fired, margins = np.zeros(v.shape, bool), []
    for a in currents:
        u_before, u = u, neuron.current_gain * a + (0 if neuron.current_keep is None else neuron.current_keep * u)
        h = neuron.keep * v + neuron.gain * (u_before if neuron.late_current else u) + neuron.drift
        if neuron.refractory:
            h = np.where(fired, v, h)
        margins.append(h - neuron.threshold)
        fired = h > neuron.threshold if neuron.strict else h >= neuron.threshold
        v = h - fired * neuron.reset_value if neuron.reset == "subtract" else h
        v = np.where(fired, neuron.v_reset, v) if neuron.reset == "zero" else v
    return np.stack(margins)
