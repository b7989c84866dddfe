"""What the tracer knows of a framework's stateful modules, and the registry of the frameworks.

A framework is one file in `frameworks/`, called as its package, with one `Framework` called FRAMEWORK. A new one is
a new file and no other change. The file is imported when a module of the package is met, and imports nothing of the
package itself before that.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import nir
from torch import Tensor, nn

from inflor.converter.modules import frameworks
from inflor.converter.modules.values import Axis
from inflor.converter.nir.graph import Shape


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a call of a stateful module takes.

    Attributes:
        arriving: its input, [B, *shape], or with all steps, as the form's `lead` says.
        states: what it goes on from, given by the caller or kept by the module, always in the same order; None where
            that is as before a sample.
        weight: of a layer of its own that its input goes through, [out, in].
        bias: of that layer, [out].
    """

    arriving: Tensor
    states: tuple[Tensor | None, ...]
    weight: Tensor | None = None
    bias: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Giving:
    """What a call of a stateful module gives.

    Attributes:
        spikes: of the shape of its input.
        states: what the next call goes on from, as in `Reading`; of a call that takes all steps, none need be given.
        potential: which of the states is the potential; None where none is given.
        after_reset: whether that is the potential after the step's reset, so that it is not known what made it fire.
    """

    spikes: Tensor
    states: tuple[Tensor, ...] = ()
    potential: int | None = None
    after_reset: bool = False


@dataclass(frozen=True, kw_only=True)
class Population:
    """A stateful module as nodes, in the convention of its framework with dt = 1 and Euler's rule.

    Attributes:
        node: the neuron; its metadata say `reset` where it subtracts. Fields are numbers or arrays that broadcast to
            its shape; float64 keeps what float32 parameters mean.
        readout: the node that computes its potential, where it never resets or never fires; None where nothing does.
        back: nodes, by the names of their modules within it, that lead its spikes back to it in the next step.
        late: whether a subtraction acts in the step after the spike.
        reached: whether it fires at v >= threshold.
        start: the field that holds the potential before the first step; "zero" for 0.
        notes: what changed its form, for the user.
    """

    node: nir.NIRNode
    readout: nir.NIRNode | None = None
    back: Mapping[str, nir.NIRNode] = field(default_factory=dict)
    late: bool = False
    reached: bool = False
    start: Literal["zero", "v_leak", "v_reset"] = "zero"
    notes: tuple[str, ...] = ()


def _one_step(module: nn.Module) -> tuple[Axis, ...]:
    return ("batch",)


def _as_it_is(module: nn.Module, batch: int) -> None:
    """Most modules take any number of samples."""


@dataclass(frozen=True, kw_only=True)
class NeuronForm:
    """How a class of stateful modules is followed.

    Attributes:
        reads: (module, args, kwargs) -> what the call takes; looked at before the call.
        gives: (module, output) -> what the call gave; looked at after it.
        population: (module, shape, name) -> its nodes; raises InputError, naming what has no form, without the name.
        reset: puts the module's own states to what they are before a sample.
        lead: module -> the axes before the values' own of what a call takes: ("batch",) for one step; ("time",
            "batch"), ("batch", "time") or ("joined_second",), [batch * time, ...], for all.
        prepare: (module, samples) -> tells it how many samples a call has, where it keeps that.
    """

    reads: Callable[[Any, tuple[Any, ...], dict[str, Any]], Reading]
    gives: Callable[[Any, Any], Giving]
    population: Callable[[Any, Shape, str], Population]
    reset: Callable[[Any], None]
    lead: Callable[[Any], tuple[Axis, ...]] = _one_step
    prepare: Callable[[Any, int], None] = _as_it_is


@dataclass(frozen=True, kw_only=True)
class Framework:
    """A framework's modules, by the name of their class. What is in neither table is run, and its functions followed.

    Attributes:
        neurons: stateful modules.
        refused: modules without a form, and what to write instead.
    """

    neurons: Mapping[str, NeuronForm] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def known() -> set[str]:
    """The packages whose modules have forms."""
    return {module.name for module in pkgutil.iter_modules(frameworks.__path__)}


@functools.cache
def framework_of(package: str) -> Framework | None:
    """The forms of a package's modules; None where it has no file."""
    if package not in known():
        return None
    found: Framework = importlib.import_module(f"{frameworks.__name__}.{package}").FRAMEWORK
    return found


def form_of(module: nn.Module) -> NeuronForm | str | None:
    """How a module is followed: a neuron; the reason why it has no form; None where its own functions are followed.

    A class of the user's that only inherits is what it inherits from; one with a `forward` of its own is followed.
    """
    for kind in type(module).__mro__:
        if kind is nn.Module:
            break
        package = kind.__module__.partition(".")[0]
        framework = framework_of(package)
        if framework is not None:
            if kind.__name__ in framework.neurons:
                return framework.neurons[kind.__name__]
            if kind.__name__ in framework.refused:
                return framework.refused[kind.__name__]
        if "forward" in vars(kind):
            break
    return None
