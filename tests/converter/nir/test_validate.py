"""What a graph must be, checked on graphs in memory and on the files that issue a refusal by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import Graph, reset_of
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.primitives.shapes import MAX_ELEMENTS

ONE = np.ones(3)
CHAIN = [("input", "fc"), ("fc", "if"), ("if", "output")]


def nodes(**changes: Any) -> dict[str, nir.NIRNode]:
    made = {
        "input": nir.Input(np.array([2])),
        "fc": nir.Affine(np.ones((3, 2)), np.zeros(3)),
        "if": nir.IF(ONE, ONE, 0 * ONE),
        "output": nir.Output(np.array([3])),
    }
    return made | changes


def graph(nodes: dict[str, nir.NIRNode], edges: list[Any], metadata: dict[str, Any] | None = None) -> nir.NIRGraph:
    made = nir.NIRGraph(dict(nodes), list(edges), type_check=False)
    made.metadata = metadata or {}
    return made


def chain(*between: nir.NIRNode, shape: tuple[int, ...], output: tuple[int, ...] | None = None) -> Graph:
    named = {"input": nir.Input(np.array(shape)), **{f"n{i}": node for i, node in enumerate(between)}}
    named["output"] = nir.Output(None if output is None else np.array(output))
    return validate(graph(named, list(zip(named, list(named)[1:], strict=False))), "x.nir")


def bare(kind: type[nir.NIRNode], **fields: Any) -> nir.NIRNode:
    """A node that NIR's constructor would not make."""
    node = object.__new__(kind)
    node.metadata = {}
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def conv(weight: tuple[int, ...], **changes: Any) -> nir.NIRNode:
    fields = {"input_shape": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": np.zeros(weight[0])}
    return bare(nir.Conv2d, weight=np.ones(weight), **(fields | changes))


def refused(made: nir.NIRGraph, *parts: str) -> None:
    with pytest.raises(InputError) as caught:
        validate(made, "x.nir")
    message = str(caught.value)
    assert message.startswith("x.nir: "), message
    assert "\n" not in message
    for part in parts:
        assert part in message, message


def test_a_valid_graph():
    valid = validate(graph(nodes(), CHAIN, {"color": "blue"}), "x.nir")
    assert valid.order == ("input", "fc", "if", "output")
    assert valid.input_shapes == {"input": (2,), "fc": (2,), "if": (3,), "output": (3,)}
    assert valid.output_shapes == {"input": (2,), "fc": (3,), "if": (3,), "output": (3,)}
    assert valid.inputs() == ["input"]
    assert valid.outputs() == ["output"]
    assert valid.recurrent == ()
    assert valid.metadata == {"color": "blue"}
    assert not valid.info.known


def test_the_given_graph_is_left_as_it_is():
    given_nodes = nodes(fc=nir.Linear(np.ones((3, 2))))
    given_nodes["if"] = nir.IF(np.ones(1), np.ones(1))
    before = {name: dict(vars(node)) for name, node in given_nodes.items()}
    valid = validate(graph(given_nodes, CHAIN), "x.nir")
    assert valid.nodes["if"].r.shape == (3,)
    for name, node in given_nodes.items():
        assert all(value is before[name][field] for field, value in vars(node).items())


def test_validating_twice_changes_nothing():
    valid = chain(conv((4, 1, 3, 3), groups=2, padding="same"), nir.Flatten(None, 0, -1), shape=(2, 6, 6))
    again = validate(graph(dict(valid.nodes), list(valid.edges)), "x.nir")
    assert (
        again.output_shapes
        == valid.output_shapes
        == {"input": (2, 6, 6), "n0": (4, 6, 6), "n1": (144,), "output": (144,)}
    )
    assert (again.nodes["n1"].start_dim, again.nodes["n1"].end_dim) == (0, 2)


# --- structure ---


def test_edges():
    refused(graph(nodes(), [*CHAIN, ("fc", "nope")]), "edge 'fc' -> 'nope'", "no such node")
    refused(graph(nodes(), [*CHAIN, ("fc", "if")]), "edge 'fc' -> 'if' is there twice")
    refused(graph(nodes(), [*CHAIN, ("fc", "if", "x")]), "not a pair")
    refused(graph(nodes(), [*CHAIN, ("output", "fc")]), "node 'output' (Output)", "'fc'")
    refused(graph(nodes(), [*CHAIN, ("fc", "input")]), "node 'input' (Input)", "'fc'")


def test_what_is_not_connected():
    refused(graph(nodes(lost=nir.IF(ONE, ONE)), CHAIN), "node 'lost' (IF): is not connected")
    refused(graph(nodes(lost=nir.IF(ONE, ONE)), [*CHAIN, ("lost", "if")]), "node 'lost' (IF)", "no Input leads to it")
    refused(graph(nodes(lost=nir.IF(ONE, ONE)), [*CHAIN, ("fc", "lost")]), "node 'lost' (IF)", "leads to no Output")
    refused(graph({}, []), "0 nodes")


def test_a_cycle_without_a_neuron():
    square = nir.Linear(np.ones((3, 3)))
    looped = nodes(a=square, b=nir.Scale(ONE))
    refused(
        graph(looped, [*CHAIN[:1], ("fc", "a"), ("a", "b"), ("b", "a"), ("b", "if"), CHAIN[2]]),
        "cycle",
        "'a' -> 'b' -> 'a'",
    )
    refused(graph(nodes(fc=square, input=nir.Input(ONE.shape)), [*CHAIN, ("fc", "fc")]), "cycle", "'fc' -> 'fc'")
    # A cycle that hides behind one with a neuron.
    edges = [*CHAIN, ("if", "a"), ("a", "if"), ("a", "b"), ("b", "a")]
    refused(graph(looped, edges), "cycle without a neuron", "'a' -> 'b' -> 'a'")


def test_a_cycle_with_a_neuron_is_recurrent():
    recurrent = validate(graph(nodes(rec=nir.Linear(np.eye(3))), [*CHAIN, ("if", "rec"), ("rec", "if")]), "x.nir")
    assert recurrent.recurrent == (("rec", "if"),)
    assert set(recurrent.order) == set(recurrent.nodes)
    assert validate(graph(nodes(), [*CHAIN, ("if", "if")]), "x.nir").recurrent == (("if", "if"),)
    wrong = nodes(rec=nir.Linear(np.ones((4, 3))))
    refused(
        graph(wrong, [*CHAIN, ("if", "rec"), ("rec", "if")]),
        "node 'rec' (Linear) makes [4]",
        "node 'if' (IF) takes [3]",
    )


@settings(max_examples=60)
@given(data=st.data())
def test_order_and_recurrence_of_random_graphs(data):
    """Every node after all that it reads, but for the recurrent edges; none of those in a graph without cycles."""
    count = data.draw(st.integers(1, 7))
    shuffled = data.draw(st.permutations(range(count)))
    acyclic = data.draw(st.booleans())
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    edges = [(a, b) for a, b in data.draw(st.sets(pairs, max_size=15)) if not acyclic or a < b]
    made = {f"n{i}": nir.IF(ONE, ONE) for i in shuffled}
    made |= {"input": nir.Input(np.array([3])), "output": nir.Output(np.array([3]))}
    names = [("input", name) for name in made if name.startswith("n")]
    names += [(f"n{a}", f"n{b}") for a, b in edges] + [(a, "output") for _, a in names]
    valid = validate(graph(made, names), "x.nir")
    position = {name: i for i, name in enumerate(valid.order)}
    assert set(position) == set(made)
    for a, b in valid.edges:
        assert position[a] < position[b] or (a, b) in valid.recurrent
    if acyclic:
        assert valid.recurrent == ()
    # Among nodes that are ready at the same time the order of the file decides.
    for i, name in enumerate(valid.order):
        seen = set(valid.order[:i])
        ready = [
            other
            for other in made
            if other not in seen and all(a in seen or (a, other) in valid.recurrent for a in valid.predecessors(other))
        ]
        assert ready[0] == name


def test_a_deep_graph_needs_no_recursion():
    made = {f"n{i}": nir.IF(ONE, ONE) for i in range(5000)}
    named = {"input": nir.Input(np.array([3])), **made, "output": nir.Output(np.array([3]))}
    assert len(validate(graph(named, list(zip(named, list(named)[1:], strict=False))), "x.nir").order) == 5002


# --- nodes ---


def test_types():
    class Strange(nir.NIRNode):
        def __init__(self) -> None:
            self.metadata = {}

    refused(graph(nodes(fc=Strange()), CHAIN), "node 'fc'", "unknown type 'Strange'", "Affine, AvgPool2d, Conv1d")
    with pytest.raises(InputError, match=r"x\.nir: is a Linear, not a NIR graph"):
        validate(nir.Linear(np.ones((2, 2))), "x.nir")


LIF = {"tau": ONE, "r": ONE, "v_leak": ONE, "v_threshold": ONE, "v_reset": ONE}
POOL = {"kernel_size": np.array([2, 2]), "stride": np.array([2, 2]), "padding": np.array([0, 0])}
NAN = np.array([1.0, np.nan, 1.0])


@pytest.mark.parametrize(
    ("node", "parts"),
    [
        (bare(nir.LIF, **LIF | {"tau": NAN}), ["field 'tau'", "not finite"]),
        (bare(nir.LIF, **LIF | {"v_threshold": np.array([np.nan] * 3)}), ["field 'v_threshold'", "not finite"]),
        (bare(nir.LIF, **LIF | {"tau": 0 * ONE}), ["field 'tau' holds 0.0", "above 0"]),
        (bare(nir.LIF, **LIF | {"tau": -ONE}), ["field 'tau' holds -1.0"]),
        (bare(nir.LIF, **LIF | {"r": np.array([1, 0, 1])}), ["field 'r' holds 0"]),
        (bare(nir.LIF, **LIF | {"r": np.array(["a", "b", "c"])}), ["field 'r' holds <U1", "integers or floats"]),
        (bare(nir.LIF, **LIF | {"r": ONE.astype(complex)}), ["field 'r' holds complex128"]),
        (bare(nir.LIF, **LIF | {"r": ONE.astype(bool)}), ["field 'r' holds bool"]),
        (bare(nir.LIF, **LIF | {"r": ONE.astype(np.longdouble)}), ["field 'r' holds"]),
        (bare(nir.LIF, **LIF | {"r": np.ones(0)}), ["field 'r' is empty"]),
        (bare(nir.LIF, **LIF | {"r": np.ones((3, 1))}), ["field 'r' has shape [3, 1], but [3] arrives"]),
        (bare(nir.LIF, **LIF | {"v_leak": np.ones(2)}), ["field 'v_leak' has shape [2], but [3] arrives"]),
        (bare(nir.LIF, **{k: v for k, v in LIF.items() if k != "v_leak"}), ["has no field 'v_leak'"]),
        (nir.CubaLI(-ONE, ONE, ONE, ONE), ["field 'tau_syn' holds -1.0"]),
        (nir.CubaLI(ONE, 0 * ONE, ONE, ONE), ["field 'tau_mem' holds 0.0"]),
        (nir.Delay(-ONE), ["field 'delay' holds -1.0"]),
        (nir.Scale(NAN), ["field 'scale'", "not finite"]),
        (nir.Threshold(np.ones((3, 3))), ["makes [3]", "takes [3, 3]"]),
        (nir.IF(ONE, ONE, metadata={"reset": "soft"}), ["metadata 'reset' is 'soft'", "'subtract' or 'zero'"]),
        (nir.IF(ONE, ONE, metadata={"reset": ONE}), ["metadata 'reset'"]),
        (nir.IF(ONE, ONE, metadata={"reset": "subtract", "reset_value": NAN}), ["metadata 'reset_value'", "finite"]),
        (nir.IF(ONE, ONE, metadata={"reset": "subtract", "reset_value": np.ones(2)}), ["'reset_value' has shape [2]"]),
    ],
)
def test_neurons(node, parts):
    refused(graph(nodes(**{"if": node}), CHAIN), f"node 'if' ({type(node).__name__})", *parts)


@pytest.mark.parametrize(
    ("node", "parts"),
    [
        (conv((4, 2, 3, 3), stride=0), ["field 'stride' holds 0"]),
        (conv((4, 2, 3, 3), stride=(1, 1, 1)), ["field 'stride' has 3 entries; it takes 2"]),
        (conv((4, 2, 3, 3), stride=1.5), ["field 'stride' is 1.5"]),
        (conv((4, 2, 3, 3), dilation=np.array([0, 1])), ["field 'dilation' holds 0"]),
        (conv((4, 2, 3, 3), padding=-1), ["field 'padding' holds -1"]),
        (conv((4, 2, 3, 3), padding="full"), ["field 'padding' is 'full'"]),
        (conv((4, 2, 3, 3), padding="same", stride=2), ["padding 'same'", "stride [2, 2]"]),
        (conv((4, 2, 3, 3), padding=2**40), ["field 'padding' holds"]),
        (conv((4, 2, 3, 3), padding=2**20), ["output", f"more than {MAX_ELEMENTS} elements"]),
        (conv((4, 2, 3, 3), groups=0), ["field 'groups' holds 0"]),
        (conv((3, 1, 3, 3), groups=2), ["2 groups do not divide its 3 output channels"]),
        (conv((4, 1, 3, 3)), ["'input' (Input) makes [2, 6, 6]", "'n' (Conv2d) takes [1, any, any]"]),
        (conv((4, 2, 3, 3), input_shape=(6, 5)), ["makes [2, 6, 6]", "takes [2, 6, 5]"]),
        (conv((4, 2, 7, 3)), ["its kernel does not fit into its input of shape [2, 6, 6]"]),
        (conv((4, 2, 3, 3), bias=np.zeros(3)), ["has 4 outputs but 3 biases"]),
        (conv((4, 2, 3, 3), bias=None), ["has no field 'bias'"]),
        (conv((4, 2, 3)), ["field 'weight' has shape [4, 2, 3]; it takes 4 dimensions"]),
        (nir.AvgPool2d(**POOL | {"stride": np.array([0, 2])}), ["field 'stride' holds 0"]),
        (nir.SumPool2d(**POOL | {"kernel_size": np.array([0, 2])}), ["field 'kernel_size' holds 0"]),
        (nir.AvgPool2d(**POOL | {"kernel_size": np.array([7, 2])}), ["its kernel does not fit"]),
        (bare(nir.Flatten, input_type={"input": None}, start_dim=4, end_dim=5), ["cannot flatten dimensions 4 to 5"]),
        (bare(nir.Flatten, input_type={"input": None}, start_dim=2, end_dim=1), ["cannot flatten dimensions 2 to 1"]),
        (nir.Flatten(np.array([2, 6, 5]), 0, -1), ["says its input has shape [2, 6, 5], but [2, 6, 6] arrives"]),
        (nir.Linear(np.ones((3, 72))), ["'input' (Input) makes [2, 6, 6]", "'n' (Linear) takes [72]"]),
        (nir.Affine(np.ones((3, 6)), np.ones(3)), ["makes [2, 6, 6]", "takes [6]"]),
    ],
)
def test_layers(node, parts):
    made = {"input": nir.Input(np.array([2, 6, 6])), "n": node, "output": nir.Output(None)}
    refused(graph(made, [("input", "n"), ("n", "output")]), "node 'n'", *parts)


def test_inputs_and_outputs_need_shapes():
    refused(
        graph(nodes(input=bare(nir.Input, input_type={"input": None})), CHAIN), "node 'input' (Input): says no shape"
    )
    refused(graph(nodes(input=nir.Input(np.array([0]))), CHAIN), "node 'input' (Input)", "holds 0")
    refused(graph(nodes(input=nir.Input(np.array([2.5]))), CHAIN), "node 'input' (Input)", "whole numbers")
    refused(graph(nodes(input=nir.Input(np.array([2**20, 2**20]))), CHAIN), "node 'input'", "elements")
    refused(
        graph(nodes(output=nir.Output(np.array([4]))), CHAIN),
        "node 'if' (IF) makes [3]",
        "node 'output' (Output) takes [4]",
    )


def test_branches_that_meet_have_one_shape():
    made = nodes(other=nir.Linear(np.ones((4, 2))))
    made["if"] = nir.IF(np.ones(1), np.ones(1))
    refused(
        graph(made, [("input", "other"), ("other", "if"), *CHAIN]),
        "node 'fc' (Affine) makes [3]",
        "node 'if' (IF) takes [4]",
    )


# --- shapes ---


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@settings(max_examples=60)
@given(
    groups=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    padding=st.one_of(st.integers(0, 3), st.sampled_from(["same", "valid"])),
    dilation=st.integers(1, 2),
    size=st.tuples(st.integers(7, 12), st.integers(7, 12)),
)
def test_convolution_and_pool_shapes_are_torchs(groups, kernel, stride, padding, dilation, size):
    stride = 1 if padding == "same" else stride
    weight = (2 * groups, 2, *kernel)
    node = conv(weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
    x = torch.zeros(1, 2 * groups, *size)
    expected = torch.conv2d(x, torch.zeros(weight), None, stride, padding, dilation, groups)
    assert chain(node, shape=(2 * groups, *size)).output_shapes["n0"] == expected.shape[1:]
    if not isinstance(padding, str) and 2 * padding <= min(kernel):
        pool = nir.SumPool2d(np.array(kernel), np.array(stride), np.array([padding, padding]))
        pooled = torch.nn.functional.avg_pool2d(x, kernel, stride, padding)
        assert chain(pool, shape=(2 * groups, *size)).output_shapes["n0"] == pooled.shape[1:]


def test_conv1d_shapes_and_normal_form():
    node = nir.Conv1d(9, np.ones((4, 2, 3)), 2, 1, 1, 1, np.zeros(4))
    valid = chain(node, shape=(2, 9))
    assert valid.output_shapes["n0"] == (4, 5)
    assert (valid.nodes["n0"].stride, valid.nodes["n0"].padding, valid.nodes["n0"].input_shape) == ((2,), (1,), 9)


def test_flatten_counts_without_batch_unless_that_cannot_be_meant():
    def flattened(start: int, end: int, *after: nir.NIRNode, recorded=None, shape=(2, 3, 4)) -> tuple[int, ...]:
        node = bare(nir.Flatten, input_type={"input": recorded}, start_dim=start, end_dim=end)
        return chain(node, *after, shape=shape).output_shapes["n0"]

    assert flattened(0, -1) == (24,)
    assert flattened(1, -1) == (2, 12)
    assert flattened(0, 1) == (6, 4)
    assert flattened(-2, -1) == (2, 12)
    # As torch counts: what follows, the recorded shape or the dimension's absence says so.
    assert flattened(1, -1, nir.Linear(np.ones((3, 24)))) == (24,)
    assert flattened(1, 3, nir.Linear(np.ones((3, 24)))) == (24,)
    assert flattened(1, 3) == (24,)
    assert flattened(1, -1, nir.IF(np.ones(24), np.ones(24))) == (24,)
    assert flattened(1, -1, recorded=np.array([1, 2, 3, 4])) == (24,)
    assert flattened(1, -1, shape=(5,)) == (5,)
    assert flattened(1, -1, nir.IF(np.ones((2, 12)), np.ones((2, 12)))) == (2, 12)
    assert flattened(1, -1, nir.IF(np.ones(1), np.ones(1))) == (2, 12)


def test_one_value_stands_for_all_neurons():
    node = bare(
        nir.LIF, tau=np.float32(2), r=np.ones(1), v_leak=np.zeros(()), v_threshold=np.ones((2, 3, 3)), v_reset=None
    )
    valid = chain(node, shape=(2, 3, 3))
    for field in ("tau", "r", "v_leak", "v_threshold", "v_reset"):
        assert getattr(valid.nodes["n0"], field).shape == (2, 3, 3)
    assert (valid.nodes["n0"].tau == 2).all()
    assert valid.nodes["n0"].tau.dtype == np.float32
    assert (valid.nodes["n0"].v_reset == 0).all()


def test_reset_of():
    def reset(**metadata: Any) -> tuple[str, list[float]]:
        node = nir.IF(ONE, 2 * ONE, -ONE, metadata=metadata)
        kind, value = reset_of(chain(node, shape=(3,)).nodes["n0"])
        return kind, np.broadcast_to(value, 3).tolist()

    assert reset() == ("zero", [-1, -1, -1])
    assert reset(reset="zero") == ("zero", [-1, -1, -1])
    assert reset(reset="subtract", reset_value=1.5) == ("subtract", [1.5, 1.5, 1.5])
    assert reset(reset="subtract", reset_value=ONE) == ("subtract", [1, 1, 1])
    assert reset(reset="subtract") == ("subtract", [2, 2, 2])


def test_info_is_read_from_the_metadata():
    info = ModelInfo(timesteps=9, dataset="digits")
    assert validate(graph(nodes(), CHAIN, {"inflor": info.to_json()}), "x.nir").info == info
    refused(graph(nodes(), CHAIN, {"inflor": "{"}), "inflor metadata are not JSON")
    refused(graph(nodes(), CHAIN, {"inflor": 3}), "inflor metadata are not a text")


# --- the same through files, written by the stock writer ---


@pytest.mark.parametrize(
    ("changes", "edges", "parts"),
    [
        ({"fc": nir.Affine(np.full((3, 2), np.nan), np.zeros(3))}, CHAIN, ["node 'fc' (Affine)", "'weight'", "NaN"]),
        ({"lost": nir.Linear(np.ones((3, 3)))}, CHAIN, ["node 'lost' (Linear): is not connected"]),
        (
            {"fc": nir.Affine(np.ones((4, 2)), np.zeros(4))},
            CHAIN,
            ["shapes do not chain", "'fc'", "[4]", "'if'", "[3]"],
        ),
        (
            {"a": nir.Scale(ONE), "b": nir.Scale(ONE)},
            [*CHAIN, ("fc", "a"), ("a", "b"), ("b", "a"), ("b", "if")],
            ["a cycle without a neuron: 'a' -> 'b' -> 'a'"],
        ),
        (
            {"fc": nir.Affine(np.ones((3, 2)), np.zeros(3))},
            [*CHAIN, ("x", "if")],
            ["names 'x', but there is no such node"],
        ),
    ],
)
def test_bad_files(tmp_path: Path, changes, edges, parts):
    path = tmp_path / "bad.nir"
    nir.write(path, graph(nodes(**changes), edges))
    with pytest.raises(InputError) as caught:
        nir_file.read(path)
    for part in (str(path), *parts):
        assert part in str(caught.value)


def test_a_padding_beyond_all_memory_is_refused():
    """Found by mutants: a small output of a padded input that nothing could hold."""
    far = conv((1, 1, 3, 3), padding="same", dilation=2**20)
    pool = nir.SumPool2d(np.array([1, 1]), np.array([2**20, 2**20]), np.array([2**20, 2**20]))
    for node in (far, conv((1, 1, 3, 3), padding=2**20, stride=2**20), pool):
        with pytest.raises(InputError, match="its padded input of shape"):
            chain(node, shape=(1, 8, 8))


def test_a_convolution_along_time_on_a_cycle():
    named = {
        "input": nir.Input(np.array([1, 4])),
        "conv": nir.Conv1d(None, np.ones((1, 1, 3)), 1, 1, 1, 1, np.zeros(1)),
        "if": nir.IF(np.ones((1, 4)), np.ones((1, 4))),
        "output": nir.Output(np.array([1, 4])),
    }
    edges = [("input", "conv"), ("conv", "if"), ("if", "conv"), ("if", "output")]
    assert validate(graph(named, edges), "x.nir").recurrent == (("if", "conv"),)


def test_edges_named_as_closing_into_a_node_without_others():
    made = nodes(rec=nir.Linear(np.eye(3)))
    edges = [*CHAIN, ("if", "rec"), ("rec", "if")]

    def named(edge, more=made):
        made = graph(more, edges)
        made.metadata["recurrent"] = json.dumps([edge])
        return validate(made, "x.nir")

    assert named(("if", "rec")).recurrent == (("if", "rec"),)
    unshaped = nodes(rec=nir.Flatten({"input": None}, 0, -1))
    with pytest.raises(InputError, match=r"x\.nir: node 'rec' \(Flatten\): .*every edge to it closes a cycle"):
        named(("if", "rec"), unshaped)


@pytest.mark.parametrize("name", [".", "/", "a/b", "/a", "a/", "n\0m", "\ud800", "a\udcff"])
def test_a_node_name_that_no_file_holds(name: str) -> None:
    """HDF5 takes slashes for groups and '.' for the group itself, and has neither NULs nor lone surrogates."""
    named = {name if old == "fc" else old: node for old, node in nodes().items()}
    edges = [tuple(name if end == "fc" else end for end in edge) for edge in CHAIN]
    refused(graph(named, edges), "cannot stand in a file", "rename the node")
