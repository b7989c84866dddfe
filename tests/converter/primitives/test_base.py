"""Every primitive in the table keeps the contract, and an unknown class is refused by its name."""

from __future__ import annotations

from dataclasses import dataclass, replace

import nir
import numpy as np
import pytest
import torch
from float_graphs import graph_of

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.retime import retime
from inflor.converter.primitives.base import PRIMITIVES, Primitive, primitive, primitive_called, register
from inflor.converter.primitives.fields import Field, numbers
from inflor.converter.simulate.execute import run

N = 4
RNG = np.random.default_rng(0)


def drawn(*shape: int) -> np.ndarray:
    return RNG.integers(-8, 9, shape) / 8


def full(value: float) -> np.ndarray:
    return np.full(N, value)


def pair(size: int) -> np.ndarray:
    return np.array([size, size])


# What stands between Input and Output: a node, the shape that arrives, and the shape that it gives by NIR's definition.
CASES: dict[type[nir.NIRNode], tuple[nir.NIRNode, tuple[int, ...], tuple[int, ...]]] = {
    nir.Input: (nir.Input(np.array([N])), (N,), (N,)),
    nir.Output: (nir.Output(np.array([N])), (N,), (N,)),
    nir.Linear: (nir.Linear(drawn(3, N)), (N,), (3,)),
    nir.Affine: (nir.Affine(drawn(3, N), drawn(3)), (N,), (3,)),
    nir.Conv1d: (nir.Conv1d(9, drawn(6, 2, 3), 2, 1, 2, 2, drawn(6)), (4, 9), (6, 4)),
    nir.Conv2d: (nir.Conv2d((7, 9), drawn(6, 4, 3, 2), (2, 1), (1, 0), 1, 1, drawn(6)), (4, 7, 9), (6, 4, 8)),
    nir.SumPool2d: (nir.SumPool2d(pair(2), pair(2), pair(0)), (3, 6, 4), (3, 3, 2)),
    nir.AvgPool2d: (nir.AvgPool2d(pair(2), pair(2), pair(1)), (3, 6, 4), (3, 4, 3)),
    nir.Flatten: (nir.Flatten({"input": np.array([2, 3, 4])}, 1, -1), (2, 3, 4), (2, 12)),
    nir.Scale: (nir.Scale(drawn(N)), (N,), (N,)),
    nir.Threshold: (nir.Threshold(drawn(N)), (N,), (N,)),
    nir.Delay: (nir.Delay(np.array([0.0, 1, 2, 5])), (N,), (N,)),
    nir.I: (nir.I(full(0.5)), (N,), (N,)),
    nir.IF: (nir.IF(full(0.5), full(0.75), full(-0.25)), (N,), (N,)),
    nir.LI: (nir.LI(full(4), full(2), full(0.5)), (N,), (N,)),
    nir.LIF: (nir.LIF(full(4), full(2), full(0.5), full(0.25), full(0.125)), (N,), (N,)),
    nir.CubaLI: (nir.CubaLI(full(2), full(4), full(2), full(0.5), full(4)), (N,), (N,)),
    nir.CubaLIF: (nir.CubaLIF(full(2), full(4), full(2), full(0.5), full(0.25), full(0), full(4)), (N,), (N,)),
}


def graph_with(kind: type[nir.NIRNode]):
    node, shape, given = CASES[kind]
    nodes = {"input": nir.Input(np.array(shape)), "node": node, "output": nir.Output(np.array(given))}
    if kind in (nir.Input, nir.Output):
        del nodes["node"]
    return graph_of(nodes)


def same(one: object, other: object) -> bool:
    if isinstance(one, dict):
        return all(same(value, other[name]) for name, value in one.items())
    return np.array_equal(one, other)


def test_every_primitive_has_a_case_here():
    assert set(CASES) == set(PRIMITIVES)


@pytest.mark.parametrize("form", PRIMITIVES.values(), ids=lambda form: form.name)
class TestContract:
    def test_it_either_applies_or_remembers(self, form: Primitive):
        assert (form.apply is None) != (form.state is None)
        assert form.fires + form.integrates <= 1
        assert form.equation.startswith(("y", "dv/dt", "tau"))

    def test_its_fields_are_those_of_nir_in_their_order(self, form: Primitive):
        own = [name for name in form.node.__dataclass_fields__ if name not in ("input_type", "output_type", "metadata")]
        ports = {nir.Input: ["input_type"], nir.Output: ["output_type"], nir.Flatten: ["input_type"]}
        assert list(form.fields) == ports.get(form.node, []) + own

    def test_the_shape_that_it_says_is_the_one_that_it_gives(self, form: Primitive):
        graph, (_, shape, given) = graph_with(form.node), CASES[form.node]
        assert graph.input_shapes["output"] == given
        x = torch.from_numpy(RNG.normal(0, 2, (5, 2, *shape)))
        assert run(graph, x, 5, dtype=torch.float64).outputs["output"].shape == (5, 2, *given)

    def test_a_file_brings_it_back(self, form: Primitive, tmp_path):
        graph, path = graph_with(form.node), tmp_path / "a.nir"
        nir_file.write_graph(path, graph)
        ours, theirs = nir_file.read(path), nir.read(path, type_check=False)
        for name, node in graph.nodes.items():
            assert type(ours.nodes[name]) is type(theirs.nodes[name]) is type(node)
            for field in primitive(node).fields:
                assert same(getattr(ours.nodes[name], field), getattr(node, field)), field
                if not field.endswith("_type"):  # NIR has a number for one size
                    assert same(*(np.ravel(getattr(each, field)) for each in (theirs.nodes[name], node))), field
        nir_file.write_graph(tmp_path / "b.nir", ours)
        assert path.read_bytes() == (tmp_path / "b.nir").read_bytes()

    def test_another_unit_of_time_is_the_same(self, form: Primitive):
        graph, shape = graph_with(form.node), CASES[form.node][1]
        other = run_passes(graph, [retime(2.0**-10)])
        x = torch.from_numpy(RNG.normal(0, 2, (7, 2, *shape)))
        before, after = (run(each, x, 7, dtype=torch.float64).outputs["output"] for each in (graph, other))
        assert torch.equal(before, after)
        nodes = graph.nodes.get("node"), other.nodes.get("node")
        changed = {name for name in form.fields if not same(*(getattr(node, name, 0) for node in nodes))}
        assert changed == set(form.of_role("time", "rate"))

    def test_it_may_be_on_a_cycle_if_it_is_a_neuron(self, form: Primitive):
        node, shape, given = CASES[form.node]
        if shape != given or form.node in (nir.Input, nir.Output, nir.Flatten):
            return
        nodes = {"input": nir.Input(np.array(shape)), "node": node, "output": nir.Output(np.array(shape))}
        edges = [("input", "node"), ("node", "node"), ("node", "output")]
        if form.is_neuron:
            assert graph_of(nodes, edges).recurrent == (("node", "node"),)
        else:
            with pytest.raises(InputError, match="cycle without a neuron"):
                graph_of(nodes, edges)


def test_what_gives_spikes_and_what_gives_a_potential():
    names = {form.name for form in PRIMITIVES.values() if form.fires}
    assert names == {"IF", "LIF", "CubaLIF", "Threshold"}
    assert {form.name for form in PRIMITIVES.values() if form.integrates} == {"I", "LI", "CubaLI"}
    assert {form.name for form in PRIMITIVES.values() if form.resets} == names - {"Threshold"}
    assert {form.name for form in PRIMITIVES.values() if form.state is not None and not form.is_neuron} == {"Delay"}


@dataclass(eq=False)
class Strange(nir.NIRNode):
    """A class that nobody registered."""


def test_an_unknown_class_is_refused_by_its_name():
    with pytest.raises(
        InputError, match=r"x\.nir: node 'n' has the unknown type 'Strange'; known are Affine, AvgPool2d"
    ):
        primitive(Strange(), "x.nir", "n")
    with pytest.raises(InputError, match=r"x\.nir: node 'n' has the unknown type 'Strange'"):
        primitive_called("Strange", "x.nir", "n")
    assert primitive_called("LIF", "x.nir", "n") is PRIMITIVES[nir.LIF]


def test_what_the_table_does_not_take():
    with pytest.raises(ValueError, match="Scale is registered twice"):
        register(PRIMITIVES[nir.Scale])
    with pytest.raises(ValueError, match="Strange: give either `apply` or `state`"):
        Primitive(node=Strange, equation="y = x", fields={"gain": Field(numbers)})
    both = PRIMITIVES[nir.Scale].apply
    with pytest.raises(ValueError, match="give either"):
        replace(PRIMITIVES[nir.LIF], apply=both)
