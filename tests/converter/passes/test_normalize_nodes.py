"""The one normal form of nodes, and what has none."""

from __future__ import annotations

import nir
import numpy as np
import pytest
from float_graphs import conv
from primitive_examples import full

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import nir_graph
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.normalize_nodes import MAX_NAME, normalize_nodes
from inflor.converter.primitives.fields import make_node

HAS = frozenset({"flat"})


def normal(nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]] | None = None) -> nir.NIRGraph:
    return run_passes(nir_graph(nodes, edges or []), [normalize_nodes("x.nir")], HAS)


def test_the_example_of_the_docstring():
    given = conv(np.ones((2, 1, 3, 3)), stride=2, padding=np.array([1, 1]), bias=[0.5, 1])
    lif = make_node(nir.LIF, {"tau": full(1), "r": full(1), "v_leak": full(0), "v_threshold": full(1)})
    nodes = normal({"conv": given, "lif": lif}, [("conv", "lif")]).nodes
    assert (nodes["conv"].stride, nodes["conv"].padding) == ((2, 2), (1, 1))
    assert isinstance(nodes["conv"].bias, np.ndarray)
    assert np.array_equal(nodes["lif"].v_reset, full(0))
    assert given.stride == 2
    assert lif.v_reset is None


@pytest.mark.parametrize("name", ["", ".", "a/b", "a\0b", "\ud800", "n" * (MAX_NAME + 1), 3])
def test_names_that_cannot_stand_in_a_file(name):
    with pytest.raises(InputError, match=r"x\.nir: the node name .*(characters|rename)"):
        normal({name: nir.Scale(full(1))})
    assert normal({"n" * MAX_NAME: nir.Scale(full(1))}).nodes


def test_edges_that_lead_nowhere_or_are_there_twice():
    nodes = {"a": nir.Scale(full(1)), "b": nir.Scale(full(1))}
    with pytest.raises(InputError, match=r"x\.nir: the edge 'a' -> 'c' names 'c', but there is no such node"):
        normal(nodes, [("a", "b"), ("a", "c")])
    with pytest.raises(InputError, match=r"x\.nir: the edge 'a' -> 'b' is there twice"):
        normal(nodes, [("a", "b"), ("b", "a"), ("a", "b")])


def test_an_unknown_primitive_is_named():
    with pytest.raises(InputError, match=r"x\.nir: node 'n' has the unknown type 'NIRNode'"):
        normal({"n": make_node(nir.NIRNode, {})})
