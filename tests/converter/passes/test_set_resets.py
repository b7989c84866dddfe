"""How a neuron resets: what it says itself, else what is given, else the default."""

from __future__ import annotations

import nir
import pytest
from float_graphs import graph_of, sink, source
from primitive_examples import N, full

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.set_resets import set_resets


def made(**metadata: object) -> Graph:
    neuron = nir.LIF(full(2), full(1), full(0), full(1), full(0))
    neuron.metadata = metadata
    readout = nir.LI(full(2), full(1), full(0))
    return graph_of({"input": source((N,)), "n": neuron, "readout": readout, "output": sink((N,))})


@pytest.mark.parametrize(
    ("said", "given", "default", "reset"),
    [
        (None, None, "zero", "zero"),
        (None, None, "subtract", "subtract"),
        (None, "zero", "subtract", "zero"),
        ("subtract", None, "zero", "subtract"),
        ("subtract", "subtract", "zero", "subtract"),
    ],
)
def test_the_reset(said, given, default, reset):
    graph = made(**({"reset": said} if said else {}), kept=3)
    after = run_passes(graph, [set_resets(given, default)])
    assert after.nodes["n"].metadata == {"reset": reset, "kept": 3}
    assert graph.nodes["n"].metadata.get("reset") == said
    assert after.nodes["readout"] is graph.nodes["readout"]


def test_another_reset_than_the_node_says():
    with pytest.raises(
        InputError, match=r"drawn\.nir: node 'n': its metadata say reset 'subtract'.*contradicts `reset='zero'`"
    ):
        run_passes(made(reset="subtract"), [set_resets("zero", "zero")])
