"""model.int.nir: valid NIR, integers only, and read back as it was written."""

from __future__ import annotations

from dataclasses import replace

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from integer_networks import integer_networks

from converter import nir_file
from converter.errors import InputError
from converter.metadata import ModelInfo
from quant import integer_nir
from quant.network import IntegerNetwork
from quant.operators import WEIGHTED


@given(network=integer_networks(asymmetric=False))
@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
def test_read_back_identically(network: IntegerNetwork, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("nir") / "drawn.int.nir"
    integer_nir.write(path, network)
    back = integer_nir.read(path)
    assert back.outputs == network.outputs
    assert back.info == network.info
    assert [p.name for p in back.populations] == [p.name for p in network.populations]
    for old, new in zip(network.populations, back.populations, strict=True):
        assert (old.shape, old.kind, old.reset, old.weight_bits) == (new.shape, new.kind, new.reset, new.weight_bits)
        for field in ("threshold", "reset_value", "v_reset", "bias", "decay", "scale"):
            assert np.array_equal(old.broadcast(getattr(old, field)), new.broadcast(getattr(new, field))), field
    for before, after in zip(network.projections, back.projections, strict=True):
        assert (before.source, before.target, before.exponent) == (after.source, after.target, after.exponent)
        assert [type(o) for o in before.operators] == [type(o) for o in after.operators]
        for one, other in zip(before.operators, after.operators, strict=True):
            assert one.name == other.name
            if isinstance(one, WEIGHTED) and isinstance(other, WEIGHTED):
                assert np.array_equal(np.broadcast_to(one.weight, other.weight.shape), other.weight)
            else:
                assert one == other


FEW = settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
PLAIN = integer_networks(leaky=False, asymmetric=False)


@given(network=PLAIN)
@FEW
def test_any_nir_reader_opens_it_and_finds_integers(
    network: IntegerNetwork, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("nir") / "drawn.int.nir"
    integer_nir.write(path, network)
    found = 0
    for name, node in nir.read(path, type_check=False).nodes.items():
        for field in ("weight", "bias", "scale", "v_threshold", "v_reset"):
            if hasattr(node, field):
                assert np.asarray(getattr(node, field)).dtype.kind == "i", (name, field)
                found += 1
    assert found >= 3


@given(network=integer_networks(asymmetric=False))
@FEW
def test_the_same_network_gives_the_same_bytes(
    network: IntegerNetwork, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("nir") / "drawn.int.nir"
    integer_nir.write(path, network)
    first = path.read_bytes()
    integer_nir.write(path, integer_nir.read(path))
    assert path.read_bytes() == first


@pytest.mark.parametrize("field", ["weight", "v_threshold"])
@given(network=PLAIN)
@settings(FEW, max_examples=4)
def test_a_fraction_is_refused_by_node(
    field: str, network: IntegerNetwork, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("nir") / "drawn.int.nir"
    integer_nir.write(path, network)
    graph = nir_file.read(path)
    name, node = next((n, d) for n, d in graph.nodes.items() if hasattr(d, field))
    setattr(node, field, np.asarray(getattr(node, field)) + 0.25)
    nir_file.write(path, graph.nodes, graph.edges, graph.info, graph.metadata)
    with pytest.raises(InputError, match=rf"drawn\.int\.nir: node '{name}': .*'{field}'.*fractions"):
        integer_nir.read(path)


@given(network=PLAIN)
@settings(FEW, max_examples=1)
def test_a_float_network_is_sent_to_quantize(network: IntegerNetwork, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("nir") / "float.nir"
    integer_nir.write(path, replace(network, info=ModelInfo(stage="float")))
    with pytest.raises(InputError, match=r"float\.nir: is a float network.*inflor quantize"):
        integer_nir.read(path)
