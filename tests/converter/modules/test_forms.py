"""The registry of frameworks: one file each, nothing of a framework imported, and which class a form is of."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_modules import Over, assert_same, lively, neuron

from inflor.converter.errors import InputError
from inflor.converter.modules import forms, frameworks
from inflor.converter.modules.forms import Framework, NeuronForm, form_of
from inflor.converter.modules.importing import to_graph
from inflor.converter.train.neurons import SpikingNeuron

FOLDER = Path(frameworks.__path__[0])


@pytest.mark.parametrize("name", sorted(forms.known()))
def test_a_framework_is_a_file_that_imports_nothing_of_it(name):
    framework = forms.framework_of(name)
    assert isinstance(framework, Framework)
    assert not set(framework.neurons) & set(framework.refused)
    if name in ("torch", "inflor"):
        return
    nodes = ast.walk(ast.parse((FOLDER / f"{name}.py").read_text("utf-8")))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    nodes = ast.walk(ast.parse((FOLDER / f"{name}.py").read_text("utf-8")))
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    assert [found for found in names if found.split(".")[0] == name] == []


def test_packages_without_a_file_are_not_known():
    assert forms.framework_of("os") is None
    assert form_of(nn.Linear(2, 2)) is None
    assert isinstance(form_of(nn.LayerNorm(2)), str)


class Renamed(SpikingNeuron):
    """Another name, the same forward."""


class Doubled(SpikingNeuron):
    """Its own forward: what it takes is scaled."""

    def __init__(self) -> None:
        super().__init__(neuron().config)
        self.inner = neuron()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(2 * x)


def test_a_class_that_inherits_is_what_it_inherits_from_unless_its_forward_is_its_own():
    assert isinstance(form_of(Renamed(neuron().config)), NeuronForm)
    assert form_of(Doubled()) is None
    for part in (Renamed(neuron().config), Doubled()):
        net = lively(Over(lambda net, x: net.n(net.a(x)), a=nn.Linear(12, 5), n=part), mean=0.05)
        made = assert_same(net, (12,), 6)
        assert ("n.mul" in made.graph.nodes) == isinstance(part, Doubled)


def test_a_neuron_that_is_no_part_of_the_module_is_refused():
    class Hiding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.hidden = nn.Linear(12, 5), [neuron()]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.hidden[0](self.a(x))

    with pytest.raises(InputError, match="SpikingNeuron: is not a part of the module; keep it as an attribute"):
        to_graph(Hiding(), (12,), 6)
