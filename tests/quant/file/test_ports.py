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
from inflor.targets.conformance.pooled import pooled_networks as examples


@settings(max_examples=30)
@given(pooled_networks(in_time=True))
def test_drawn_networks_come_back(network: IntegerNetwork) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "n.int.nir")
        try:
            file.write(path, network)
        except InputError as error:
            assert "NIR has no padding" in str(error)
            return
        again = file.read(path)
        file.write(Path(folder, "again.int.nir"), again)
        twice = file.read(Path(folder, "again.int.nir"))
    assert [p.groups for p in again.populations] == [p.groups for p in network.populations]
    assert [(q.group, q.exponent, q.delay) for q in again.projections] == [
        (q.group, q.exponent, q.delay) for q in network.projections
    ]
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
    with pytest.raises(InputError, match="'pool1'.*metadata 'combine' is 'product'; it is 'sum' or 'max'"):
        validate(nir_graph({**graph.nodes, "pool1": product}, graph.edges, graph.as_nir().metadata), "n.int.nir")
