"""Nodes that pass on given spikes: their readers see these, and what they computed themselves is returned."""

from __future__ import annotations

import nir
import numpy as np
import pytest
import torch

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph, nir_graph
from inflor.converter.nir.validate import validate
from inflor.converter.simulate.execute import run


def graph(recurrent: bool) -> Graph:
    """input -> a -> w -> b, and b's spikes back to a where it is recurrent."""
    one = np.ones(2, np.float32)
    nodes = {
        "input": nir.Input(np.array([2])),
        "a": nir.IF(r=one, v_threshold=one, v_reset=0 * one),
        "w": nir.Linear(weight=np.array([[1.0, 0.5], [0.25, 1.0]], np.float32)),
        "b": nir.IF(r=one, v_threshold=0.9 * one, v_reset=0 * one),
        "output": nir.Output(np.array([2])),
    }
    edges = [("input", "a"), ("a", "w"), ("w", "b"), ("b", "output")]
    if recurrent:
        nodes["back"] = nir.Linear(weight=np.array([[0.0, 0.7], [0.6, 0.0]], np.float32))
        edges += [("b", "back"), ("back", "a")]
    return validate(nir_graph(nodes, edges), "made")


def by_loop(x: torch.Tensor, given: torch.Tensor, given_b: torch.Tensor, recurrent: bool) -> dict[str, list]:
    """The same in plain Python: what a and b compute, while b hears the given spikes of a, and a those of b."""
    weight, back = [[1.0, 0.5], [0.25, 1.0]], [[0.0, 0.7], [0.6, 0.0]]
    fired = {"a": [], "b": []}
    state = {"a": [0.0, 0.0], "b": [0.0, 0.0]}
    for t in range(len(x)):
        current = x[t, 0].tolist()
        if recurrent and t:
            heard = given_b[t - 1, 0].tolist()
            current = [
                c + sum(w * h for w, h in zip(row, heard, strict=True)) for c, row in zip(current, back, strict=True)
            ]
        arriving = {
            "a": current,
            "b": [sum(w * s for w, s in zip(row, given[t, 0].tolist(), strict=True)) for row in weight],
        }
        for name, threshold in (("a", 1.0), ("b", 0.9)):
            state[name] = [v + c for v, c in zip(state[name], arriving[name], strict=True)]
            spikes = [v > threshold for v in state[name]]
            state[name] = [0.0 if s else v for v, s in zip(state[name], spikes, strict=True)]
            fired[name].append(spikes)
    return fired


@pytest.mark.parametrize("recurrent", [False, True])
def test_readers_hear_what_is_given_and_the_node_returns_its_own(recurrent):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 8, (20, 1, 2), generator=generator) / 8
    given = {name: torch.randint(0, 2, (20, 1, 2), generator=generator).float() for name in ("a", "b")}
    result = run(graph(recurrent), x, 20, given=given)
    expected = by_loop(x, given["a"], given["b"], recurrent)
    for name in ("a", "b"):
        assert result.spikes[name][:, 0].tolist() == expected[name]
    assert torch.equal(result.outputs["output"], given["b"])
    free = run(graph(recurrent), x, 20)
    assert not torch.equal(free.spikes["b"], result.spikes["b"])


def test_given_its_own_spikes_nothing_changes():
    x = torch.rand(20, 3, 2, generator=torch.Generator().manual_seed(1))
    free = run(graph(True), x, 20)
    driven = run(graph(True), x, 20, given=free.spikes)
    assert all(torch.equal(free.spikes[name], driven.spikes[name]) for name in free.spikes)


def test_what_does_not_fit_is_refused():
    x = torch.rand(4, 3, 2)
    with pytest.raises(
        InputError, match=r"node 'a' \(IF\): is given values of shape \[4, 2, 2\] instead of \[4, 3, 2\]"
    ):
        run(graph(False), x, 4, given={"a": torch.zeros(4, 2, 2)})
    with pytest.raises(InputError, match="there is no node 'c'"):
        run(graph(False), x, 4, given={"c": torch.zeros(4, 3, 2)})
