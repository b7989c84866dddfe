"""Graphs that leave their Input or Output out."""

from __future__ import annotations

import nir
import numpy as np
import pytest

from inflor.converter.errors import InputError
from inflor.converter.nir.validate import validate

N = 3
ONE = np.ones(N)


def graph(nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]]) -> nir.NIRGraph:
    made = object.__new__(nir.NIRGraph)
    made.nodes, made.edges, made.metadata = nodes, edges, {}
    return made


def ends() -> dict[str, nir.NIRNode]:
    return {"input": nir.Input(np.array([N])), "output": nir.Output(None)}


def neuron() -> nir.IF:
    return nir.IF(ONE, ONE)


def refused(made: nir.NIRGraph, *parts: str) -> None:
    with pytest.raises(InputError) as caught:
        validate(made, "x.nir")
    message = str(caught.value)
    assert message.startswith("x.nir: "), message
    for part in parts:
        assert part in message, message


def test_ends_that_are_not_there():
    flat = validate(graph({"fc": nir.Linear(np.ones((N, 2))), "n": neuron()}, [("fc", "n")]), "x.nir")
    assert flat.output_shapes == {"fc": (N,), "n": (N,), "input": (2,), "output": (N,)}
    assert flat.edges == (("fc", "n"), ("input", "fc"), ("n", "output"))
    named = {"input": nir.Linear(np.ones((N, 2))), "output": neuron()}
    flat = validate(graph(named, [("input", "output")]), "x.nir")
    assert flat.inputs() == ["input_2"]
    assert flat.outputs() == ["output_2"]
    two = {"a": neuron(), "b": neuron(), "c": neuron()}
    refused(graph(two, [("a", "c"), ("b", "c")]), "no Input node", "not clear", "add one")
    refused(graph({**ends(), **two}, [("input", "a"), ("a", "output"), ("b", "c")]), "node 'b'", "not connected")
    output = {"input": nir.Input(np.array([N])), **two}
    refused(graph(output, [("input", "a"), ("a", "b"), ("a", "c")]), "no Output node", "not clear")
    pool = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    refused(graph({"p": pool}, []), "node 'p' (SumPool2d)", "shape", "add an Input")
    refused(graph({"n": nir.IF(np.ones(1), np.ones(1))}, []), "node 'n' (IF)", "add an Input")
