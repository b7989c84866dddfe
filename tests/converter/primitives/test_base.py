"""What holds for every primitive of the table: shapes, a map or a state, files, units of time, a description."""

from __future__ import annotations

import dataclasses

import nir
import nir_tables
import numpy as np
import pytest
import torch
from primitive_examples import EXAMPLES, STEPS, example, graph_of, name_of

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.retime import retime
from inflor.converter.primitives import base
from inflor.converter.primitives.base import PRIMITIVES, Primitive, primitive, primitive_called, register
from inflor.converter.simulate.execute import run

every = pytest.mark.parametrize("kind", list(PRIMITIVES), ids=lambda kind: kind.__name__)
BEGUN = ("input_type", "output_type", "metadata")
"""What every NIR class has, beside its own fields."""


def inputs(graph: Graph, seed: int = 0) -> torch.Tensor:
    """Multiples of 1/8, so that sums are exact: [T, B, *shape]."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(-16, 17, (STEPS, 3, *graph.input_shapes["input"]), generator=draw) / 8


def outputs(graph: Graph, x: torch.Tensor) -> torch.Tensor:
    return run(graph, x, len(x)).outputs["output"]


def test_every_primitive_has_an_example():
    assert set(EXAMPLES) == set(PRIMITIVES)


@every
def test_the_fields_are_those_of_nirs_class(kind):
    own = [field.name for field in dataclasses.fields(kind) if field.name not in BEGUN]
    form = PRIMITIVES[kind]
    assert set(form.fields) - set(BEGUN) == set(own)
    assert all(field.gain in form.fields for field in form.fields.values() if field.gain)


@every
def test_the_shape_is_that_of_what_runs(kind):
    _, arriving, given = EXAMPLES[kind]
    graph = example(kind)
    name = name_of(kind)
    assert (graph.input_shapes[name], graph.output_shapes[name]) == (arriving, given)
    assert outputs(graph, inputs(graph)).shape == (STEPS, 3, *given)


@every
def test_it_maps_or_it_remembers(kind):
    """A map gives in each step what it gives for that step alone; a state is what makes the others differ."""
    graph, form = example(kind), PRIMITIVES[kind]
    assert (form.apply is None) != (form.state is None)
    x = inputs(graph)
    whole = outputs(graph, x)
    alone = torch.cat([outputs(graph, x[step : step + 1]) for step in range(STEPS)])
    assert torch.equal(whole, alone) == (form.state is None)
    assert whole.any()


@every
def test_what_it_gives_says_its_kind(kind):
    graph, form = example(kind), PRIMITIVES[kind]
    result = run(graph, inputs(graph), STEPS)
    name = name_of(kind)
    assert (name in result.spikes, name in result.potentials) == (form.fires, form.integrates)
    if form.fires:
        assert set(outputs(graph, inputs(graph)).unique().tolist()) == {0.0, 1.0}
    assert form.kind is None or form.step is not None


@every
def test_a_file_gives_it_back(kind, tmp_path):
    graph = example(kind)
    nir_file.write_graph(tmp_path / "a.nir", graph)
    again = nir_file.read(tmp_path / "a.nir")
    name = name_of(kind)
    for field, entry in PRIMITIVES[kind].fields.items():
        before, after = (getattr(g.nodes[name], field) for g in (graph, again))
        before, after = ((v[entry.port] if entry.port else v) for v in (before, after))
        assert np.array_equal(before, after), field
        assert np.asarray(before).dtype == np.asarray(after).dtype, field
    x = inputs(graph)
    assert torch.equal(outputs(graph, x), outputs(again, x))
    theirs = nir.read(tmp_path / "a.nir", type_check=False).nodes[name]
    assert type(theirs) is kind


@every
@pytest.mark.parametrize("dt", [0.125, 1e-4])
def test_in_another_unit_of_time_it_does_the_same(kind, dt):
    graph = example(kind)
    other = run_passes(graph, [retime(dt)])
    name, form = name_of(kind), PRIMITIVES[kind]
    for field in form.fields:
        before, after = getattr(graph.nodes[name], field), getattr(other.nodes[name], field)
        factor = {"time": dt / graph.info.dt, "rate": graph.info.dt / dt}.get(form.fields[field].role)
        if factor is None:
            assert before is after, field
        else:
            np.testing.assert_allclose(after, before * factor, rtol=1e-6)
    x = inputs(graph)
    assert torch.equal(outputs(graph, x), outputs(other, x))


@every
def test_it_is_described(kind):
    form = PRIMITIVES[kind]
    assert form.equation.startswith(("y", "d", "tau"))
    assert "y" in form.equation
    row = next(line for line in nir_tables.definitions().splitlines() if line.startswith(f"| {form.name} |"))
    assert form.equation in row
    assert all(f"`{entry.key or name}`" in row for name, entry in form.fields.items())


@every
def test_a_field_that_is_missing_or_wrong_is_refused_by_name(kind):
    make, arriving, _ = EXAMPLES[kind]
    for name, field in PRIMITIVES[kind].fields.items():
        if field.port:
            continue
        if field.default is base.MISSING:
            node = make()
            setattr(node, name, None)
            with pytest.raises(InputError, match=rf"x\.nir: node 'n' \({kind.__name__}\): has no field '{name}'"):
                graph_of(node, arriving)
        node = make()
        setattr(node, name, np.array(["a"] * 3))
        with pytest.raises(InputError, match=rf"x\.nir: node 'n' \({kind.__name__}\): field '{name}'"):
            graph_of(node, arriving)


@dataclasses.dataclass(eq=False)
class Fourier(nir.NIRNode):
    """A primitive that nobody knows."""

    order: int = 3


def test_an_unknown_class_is_refused_by_its_name():
    with pytest.raises(InputError, match=r"x\.nir: node 'n' has the unknown type 'Fourier'; known are Affine, Avg"):
        graph_of(Fourier(), (3,))
    with pytest.raises(InputError, match="a node has the unknown type 'Fourier'"):
        primitive(Fourier())
    with pytest.raises(InputError, match=r"a\.nir: node 'f' has the unknown type 'Fourier'"):
        primitive_called("Fourier", "a.nir", "f")


def test_a_primitive_is_a_map_or_a_state():
    linear = PRIMITIVES[nir.Linear]
    with pytest.raises(ValueError, match="Fourier: give either `apply` or `state`"):
        Primitive(node=Fourier, equation="y = x", fields={})
    with pytest.raises(ValueError, match="Fourier: give either `apply` or `state`"):
        Primitive(node=Fourier, equation="y = x", fields={}, apply=linear.apply, state=PRIMITIVES[nir.IF].state)


def test_a_class_is_registered_once():
    with pytest.raises(ValueError, match="the primitive Linear is registered twice"):
        register(PRIMITIVES[nir.Linear])
