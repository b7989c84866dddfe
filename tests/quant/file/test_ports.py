"""Groups of input ports come back from a file as they went into it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import specified
from hypothesis import given, settings
from integer_networks import images
from pooled import pooled_networks

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import nir_graph
from inflor.converter.nir.validate import validate
from inflor.converter.primitives.fields import changed
from inflor.quant import file
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.operators import Conv
from inflor.targets.conformance.pooled import pooled_networks as examples


@settings(max_examples=30)
@given(pooled_networks(in_time=True))
def test_drawn_networks_come_back(network: IntegerNetwork) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "n.int.nir")
        convs = [op for q in network.projections for op in q.operators if isinstance(op, Conv)]
        if not all(conv.symmetric for conv in convs):
            return  # NIR has no word for that
        file.write(path, network)
        again = file.read(path)
        file.write(Path(folder, "again.int.nir"), again)
        twice = file.read(Path(folder, "again.int.nir"))
    assert [p.groups for p in again.populations] == [p.groups for p in network.populations]
    facts = [[(q.name, q.group, q.exponent, q.delay) for q in n.projections] for n in (network, again, twice)]
    assert sorted(facts[0]) == sorted(facts[1])  # those of one group stand together in a file
    assert facts[1] == facts[2]
    assert [p.groups for p in twice.populations] == [p.groups for p in again.populations]
    (image,) = images(network, 1)
    due, got = specified.run(network, image), specified.run(again, image)
    for name in due:
        np.testing.assert_array_equal(got[name], due[name])


def test_what_an_integer_file_may_not_say_is_refused(tmp_path: Path) -> None:
    network = examples(0)[0]
    file.write(tmp_path / "n.int.nir", network)
    graph = nir_file.read(tmp_path / "n.int.nir")
    assert str(graph.nodes["pool1"].metadata["combine"]) == "max"
    assert list(graph.nodes).index("pool1") < list(graph.nodes).index("n1")
    product = changed(graph.nodes["pool1"], {}, {"combine": "product"})
    with pytest.raises(InputError, match=r"'pool1'.*metadata 'combine' is 'product'; it is 'sum' or 'max'"):
        validate(nir_graph({**graph.nodes, "pool1": product}, graph.edges, graph.as_nir().metadata), "n.int.nir")
