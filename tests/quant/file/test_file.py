"""model.int.nir: valid NIR, integers only, and read back as it was written."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import nir
import numpy as np
import pytest
import small_networks
from hypothesis import HealthCheck, given, settings
from integer_networks import integer_networks
from specified import run_all

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.primitives.fields import make_node
from inflor.quant import file as integer_nir
from inflor.quant.fix.pipeline import quantize
from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.operators import Linear, Weighted


@given(network=integer_networks(asymmetric=False, delays=True, current=True, recurrent=True))
@settings(max_examples=80, suppress_health_check=list(HealthCheck))
def test_read_back_identically(network: IntegerNetwork, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("nir") / "drawn.int.nir"
    integer_nir.write(path, network)
    back = integer_nir.read(path)
    assert back.outputs == network.outputs
    assert back.info == network.info
    assert [p.name for p in back.populations] == [p.name for p in network.populations]
    for old, new in zip(network.populations, back.populations, strict=True):
        assert (old.shape, old.kind, old.role, old.weight_bits) == (new.shape, new.kind, new.role, new.weight_bits)
        assert np.array_equal(old.broadcast(old.scale), new.broadcast(new.scale))
        a, b = old.rule, new.rule
        assert (a.reset_kind, a.refractory, a.current_decay is None) == (
            b.reset_kind,
            b.refractory,
            b.current_decay is None,
        )
        assert (a.fraction_bits, a.decay_bits) == (b.fraction_bits, b.decay_bits)
        for field in ("threshold", "reset_value", "v_reset", "bias", "decay", "drift", "current_decay"):
            if getattr(a, field) is not None:
                assert np.array_equal(old.broadcast(getattr(a, field)), new.broadcast(getattr(b, field))), field
    order = {q.name: i for i, q in enumerate(network.projections)}
    again = sorted(back.projections, key=lambda q: order[q.name])
    for before, after in zip(network.projections, again, strict=True):
        assert (before.source, before.target, before.exponent) == (after.source, after.target, after.exponent)
        assert before.delay == after.delay
        assert [type(o) for o in before.operators] == [type(o) for o in after.operators]
        for one, other in zip(before.operators, after.operators, strict=True):
            assert one.name == other.name
            if isinstance(one, Weighted) and isinstance(other, Weighted):
                assert np.array_equal(np.broadcast_to(one.weight, other.weight.shape), other.weight)
            else:
                assert one == other


def _small(path: Path) -> nir.NIRGraph:
    """input -> l -> n -> lo -> out -> output as a file, and what that holds."""
    made = small_networks.population
    populations = [made("input", (4,), "input"), made("n", (3,), threshold=50), made("out", (2,), "readout")]
    weights = [("input", "n", "l", (3, 4)), ("n", "out", "lo", (2, 3))]
    projections = [Projection(a, b, (Linear(name, np.full(shape, 9)),)) for a, b, name, shape in weights]
    network = small_networks.network(populations, projections, 4)
    integer_nir.write(path, replace(network, info=replace(network.info, stage="integer")))
    graph = nir_file.read(path)
    whole: nir.NIRGraph = object.__new__(nir.NIRGraph)
    whole.nodes, whole.edges = dict(graph.nodes), list(graph.edges)
    whole.metadata = {**graph.metadata, METADATA_KEY: graph.info.to_json()}
    return whole


def test_an_output_that_reads_no_population_is_refused(tmp_path: Path) -> None:
    """Without its readout, as `inflor.converter.passes.portable` would leave it; and an Output that reads the Input."""
    without, more = _small(tmp_path / "a.nir"), _small(tmp_path / "b.nir")
    del without.nodes["out"]
    without.edges = [("input", "l"), ("l", "n"), ("n", "lo"), ("lo", "output")]
    more.nodes["more"] = make_node(nir.Output, {"output_type": {"output": np.array([4])}}, {})
    more.edges.append(("input", "more"))
    for graph, node in ((without, "lo"), (more, "input")):
        with pytest.raises(InputError, match=f"cut.nir: node '{node}' .*leads to an Output.*put a neuron or a readout"):
            integer_nir.from_graph(validate(graph, "cut.nir"))


FEW = settings(max_examples=12, suppress_health_check=list(HealthCheck))
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


def test_names_that_are_taken_are_not_given_again(tmp_path: Path) -> None:
    """An identity from one to two, and a Delay before w, must not take the names of neurons."""
    one, size = np.ones(3), np.array([3])
    nodes = {
        "input": nir.Input(input_type={"input": size}),
        "delay": nir.Delay(one),
        "w": nir.Linear(2 * np.eye(3)),
        "v": nir.Linear(np.eye(3)),
        "w_delay": nir.IF(one, one),
        "one": nir.IF(one, one),
        "one_to_two": nir.IF(one, one),
        "two": nir.IF(one, one),
        "end": nir.Output(output_type={"output": size}),
    }
    edges = [("input", "delay"), ("delay", "w"), ("w", "one"), ("input", "v"), ("v", "w_delay"), ("w_delay", "two")]
    edges += [("one", "two"), ("one", "one_to_two"), ("one_to_two", "two"), ("two", "end")]
    graph = replace(validate(nir.NIRGraph(nodes, edges, type_check=False), "names.nir"), info=ModelInfo(timesteps=6))
    x = np.random.default_rng(0).normal(0, 1, (30, 3)).astype(np.float32)
    network, _ = quantize(graph, x)
    integer_nir.write(tmp_path / "names.int.nir", network)
    back = integer_nir.read(tmp_path / "names.int.nir")
    assert [(q.name, q.delay) for q in back.projections] == [(q.name, q.delay) for q in network.projections]
    inputs = network.quantize_input(x)
    before, after = (run_all(n, inputs) for n in (network, back))
    assert all(np.array_equal(before[name], after[name]) for name in ("one", "one_to_two", "w_delay", "two"))


@pytest.mark.parametrize(
    ("field", "value"),
    [("decay", np.zeros(3)), ("current_decay", "x"), ("drift", [1, 2]), ("bias", [1, 2, 3]), ("scale", np.ones(3))],
)
def test_metadata_of_a_wrong_shape_or_type_are_refused_by_node(field: str, value: object, tmp_path: Path) -> None:
    neurons = small_networks.population("n", (4,), "spiking", 9, "zero", decay=1)
    populations = (
        small_networks.population("input", (4,), "input"),
        neurons.with_rule(current_decay=np.ones((), np.int64)),
    )
    projections = (Projection("input", "n", (Linear("w", np.eye(4, dtype=np.int64)),)),)
    network = IntegerNetwork(populations, projections, ("n",), ModelInfo(stage="integer"))
    integer_nir.write(tmp_path / "n.int.nir", network)
    graph = nir_file.read(tmp_path / "n.int.nir")
    graph.nodes["n"].metadata[field] = value
    with pytest.raises(InputError, match=rf"n\.int\.nir: node 'n': .*'{field}' (has shape|holds <U1)"):
        integer_nir.from_graph(graph)


@pytest.mark.parametrize("bits", [8, 0])
def test_a_weight_beyond_its_bits_is_refused(tmp_path: Path, bits: int) -> None:
    network = small_networks.network(
        [
            small_networks.population("x", (2,), "input"),
            replace(small_networks.population("sum", (1,), "readout"), weight_bits=bits),
        ],
        [Projection("x", "sum", (Linear("w", np.array([[3, 1000]])),))],
        2,
    )
    integer_nir.write(tmp_path / "wide.int.nir", replace(network, info=ModelInfo(timesteps=2, stage="integer")))
    with pytest.raises(InputError, match=rf"wide\.int\.nir: node 'w': a mantissa of 1000 does not fit the {bits} bits"):
        integer_nir.read(tmp_path / "wide.int.nir")


def integers(**weights: np.ndarray):
    """A graph of an integer file: x, these Linear nodes in a row, and a readout."""
    shapes = {name: weight.shape for name, weight in weights.items()}
    nodes: dict[str, nir.NIRNode] = {"x": nir.Input(input_type={"input": np.array([next(iter(shapes.values()))[1]])})}
    nodes |= {name: make_node(nir.Linear, {"weight": weight}, {}) for name, weight in weights.items()}
    size = [weight.shape[0] for weight in weights.values()][-1]
    readout = nir.I(r=np.ones(size), metadata={"weight_bits": 8})
    nodes |= {"sum": readout, "end": nir.Output(output_type={"output": np.array([size])})}
    graph = validate(nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), type_check=False), "hand.int.nir")
    about = {"inflor_integer": {"input_bits": 8}}
    return replace(graph, info=ModelInfo(timesteps=2, stage="integer"), metadata=about)


@pytest.mark.parametrize("exponent", [40, 62, 63])
def test_an_exponent_that_no_weight_can_have_is_refused(exponent: int) -> None:
    graph = integers(w=np.zeros((1, 2), np.int32))
    graph.nodes["w"].metadata["exponent"] = 39
    assert integer_nir.from_graph(graph).projections[0].exponent == 39
    graph.nodes["w"].metadata["exponent"] = exponent
    with pytest.raises(InputError, match=rf"hand\.int\.nir: node 'w': metadata 'exponent' is {exponent}.* most 39"):
        integer_nir.from_graph(graph)


def test_weights_that_would_have_to_be_multiplied_are_refused() -> None:
    """Float64, in which chains are made, would round large products."""
    first, second = np.array([[2**30], [2**30 + 1]]), np.array([[2**30 + 1, -(2**30)]])
    graph = integers(w=first, v=second)
    with pytest.raises(InputError, match=r"hand\.int\.nir: x -> w -> v -> sum: .*one node with weights"):
        integer_nir.from_graph(graph)


def test_neurons_that_remember_and_never_reset_are_not_written_as_others(tmp_path: Path) -> None:
    """A file would say that they reset to 0."""
    fires = small_networks.population("n", (3,), threshold=10).with_rule(reset=None)
    links = [Projection("input", "n", (Linear("w", np.eye(3, dtype=np.int64)),))]
    network = small_networks.network([small_networks.population("input", (3,), "input"), fires], links, 4)
    with pytest.raises(InputError, match="node 'n': remembers its potential and has no reset"):
        integer_nir.write(tmp_path / "n.int.nir", network)
    assert not list(tmp_path.iterdir())
