"""Every registered operator, and every default that it might have kept, against its own matrix."""

from __future__ import annotations

from dataclasses import fields, replace
from math import prod

import nir
import numpy as np
import pytest
import torch
from drawn_operators import DRAWN, has_nir_node
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor.converter.errors import InputError
from inflor.converter.nir.validate import validate
from inflor.quant.operators import OPERATORS, Interval, Operator, Weighted, operator_of, unrolled, weight_tensor
from inflor.targets.cost.connectivity import connectivity

EVERY = pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.__name__)
DTYPES = (torch.float32, torch.float64, torch.int64)


def test_every_registered_operator_is_drawn() -> None:
    assert set(DRAWN) == set(OPERATORS)


def outcome(operator: Operator, x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The definition, in Python integers."""
    matrix = operator.matrix(shape).toarray().astype(object)
    out = [list(matrix @ sample.ravel().astype(object)) for sample in x]
    return np.array(out, np.int64).reshape(len(x), *operator.output_shape(shape))


def both(operator: Operator) -> tuple[tuple[str, type[Operator]], ...]:
    """The operator's own methods, and the defaults that follow from its matrix."""
    return (("own", type(operator)), ("default", Weighted if isinstance(operator, Weighted) else Operator))


@EVERY
@given(st.data())
@settings(max_examples=60)
def test_apply_is_the_matrix(kind: type[Operator], data: st.DataObject) -> None:
    operator, shape = data.draw(DRAWN[kind]())
    x = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-5, 6, (3, *shape))
    expected = outcome(operator, x, shape)
    for dtype in DTYPES:
        weight = weight_tensor((operator,), dtype)
        for which, owner in both(operator):
            made = owner.apply(operator, torch.from_numpy(x).to(dtype), weight)
            assert made.dtype == dtype, which
            np.testing.assert_array_equal(made.numpy(), expected, err_msg=which)
    if operator.adds_bias(expected.shape[1:]):
        bias = np.arange(1, expected.shape[1] + 1)
        for dtype in DTYPES[:2]:
            weight = weight_tensor((operator,), dtype)
            made = operator.apply(torch.from_numpy(x).to(dtype), weight, torch.from_numpy(bias).to(dtype))
            np.testing.assert_array_equal(made.numpy(), expected + bias.reshape(-1, *(1,) * (expected.ndim - 2)))


@EVERY
@given(st.data())
@settings(max_examples=60)
def test_bytes_stay_bytes(kind: type[Operator], data: st.DataObject) -> None:
    """What stands before an 8-bit convolution is computed in bytes, where the sums fit."""
    operator, shape = data.draw(DRAWN[kind]())
    x = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 2, (2, *shape))
    expected = outcome(operator, x, shape)
    if isinstance(operator, Weighted) or expected.min(initial=0) < 0 or expected.max(initial=0) > 255:
        return
    made = operator.apply(torch.from_numpy(x.astype(np.uint8)))
    assert made.dtype == torch.uint8
    np.testing.assert_array_equal(made.numpy(), expected)


@EVERY
@given(st.data())
@settings(max_examples=60)
def test_bounds_hold_every_outcome(kind: type[Operator], data: st.DataObject) -> None:
    operator, shape = data.draw(DRAWN[kind]())
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    ends = np.sort(rng.integers(-9, 10, (2, shape[0])), axis=0)
    x = Interval(ends[0], ends[1])
    wide = [end.reshape(-1, *(1,) * (len(shape) - 1)) for end in ends]
    samples = rng.integers(wide[0], wide[1] + 1, (20, *shape))
    samples[:10] = np.where(rng.integers(0, 2, samples[:10].shape), *wide)  # corners
    out = outcome(operator, samples, shape)
    flat = out.reshape(len(out), out.shape[1], -1)
    for which, owner in both(operator):
        found = owner.bounds(operator, x, shape)
        assert found.low.shape == found.high.shape == (out.shape[1],), which
        assert (found.low <= flat.min((0, 2))).all(), which
        assert (found.high >= flat.max((0, 2))).all(), which
        assert found.peak <= owner.gain(operator, shape) * x.peak, which


@EVERY
@given(st.data())
@settings(max_examples=60)
def test_counts_are_those_of_the_matrix(kind: type[Operator], data: st.DataObject) -> None:
    operator, shape = data.draw(DRAWN[kind]())
    matrix = operator.matrix(shape).toarray()
    assert matrix.shape == (prod(operator.output_shape(shape)), prod(shape))
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(unrolled((operator,), shape).toarray(), matrix)
    connections = connectivity((operator,), shape)
    np.testing.assert_array_equal(connections.fan_out, (matrix != 0).sum(0))
    everywhere = np.arange(len(matrix))
    into_each = sum(connections.events(np.eye(matrix.shape[1], dtype=bool), everywhere, len(matrix)))
    np.testing.assert_array_equal(into_each, (matrix != 0).sum(1))
    largest_row = int(np.abs(matrix).sum(1).max(initial=0))
    full = operator
    if isinstance(operator, Weighted):
        full = replace(operator, weight=np.ones_like(operator.weight))
    least = (full.matrix(shape).toarray() != 0).sum()
    for which, owner in both(operator):
        assert owner.gain(operator, shape) >= largest_row, which
        assert operator.reshapes or owner.products(operator, shape) >= least, which
    if operator.reshapes:
        np.testing.assert_array_equal(matrix, np.eye(len(matrix)))
    assert operator.working_elements(shape) >= prod(shape)


@EVERY
@given(st.data())
@settings(max_examples=60)
def test_channels_are_those_of_the_matrix(kind: type[Operator], data: st.DataObject) -> None:
    operator, shape = data.draw(DRAWN[kind]())
    found = operator.channels(shape)
    out = operator.output_shape(shape)
    blocks = operator.matrix(shape).toarray().reshape(out[0], prod(out[1:]), shape[0], prod(shape[1:]))
    seen = (blocks != 0).any((1, 3))  # [output channel, input channel]
    if found is None:
        assert (seen.sum(1) > 1).any()
    else:
        assert not seen[np.arange(shape[0]) != found[:, None]].any()


@EVERY
@given(st.data())
@settings(max_examples=60)
def test_a_convolution_is_the_same_map(kind: type[Operator], data: st.DataObject) -> None:
    operator, shape = data.draw(DRAWN[kind]())
    convolution = operator.as_convolution(shape) if len(shape) > 1 else None
    if convolution is not None:
        np.testing.assert_array_equal(convolution.matrix(shape).toarray(), operator.matrix(shape).toarray())


@EVERY
@given(st.data())
@settings(max_examples=60)
def test_factors_go_into_weights(kind: type[Operator], data: st.DataObject) -> None:
    operator, shape = data.draw(DRAWN[kind]())
    if not isinstance(operator, Weighted):
        return
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    matrix = operator.matrix(shape).toarray()
    before = rng.integers(-3, 4, (shape[0], *(1,) * (len(shape) - 1)))
    scaled = operator.scaled_inputs(before)
    if scaled is not None:
        expected = matrix * np.broadcast_to(before, shape).ravel()
        np.testing.assert_array_equal(scaled.matrix(shape).toarray(), expected)
    out = operator.output_shape(shape)
    if not operator.elementwise and operator.adds_bias(out):  # its rows are the channels
        after = rng.integers(-3, 4, (out[0], *(1,) * (len(out) - 1)))
        expected = matrix * np.broadcast_to(after, out).ravel()[:, None]
        np.testing.assert_array_equal(operator.scaled_rows(after).matrix(shape).toarray(), expected)
        np.testing.assert_array_equal(operator.rows(shape), np.arange(out[0]))


@EVERY
@given(st.data())
@settings(max_examples=60)
def test_a_row_meets_its_columns(kind: type[Operator], data: st.DataObject) -> None:
    """What calibration draws: each column times a row of the weights is an outcome of the operator."""
    operator, shape = data.draw(DRAWN[kind]())
    if not isinstance(operator, Weighted) or operator.elementwise or not operator.adds_bias(shape):
        return
    rng = np.random.default_rng(0)
    x = rng.integers(-5, 6, (3, *shape))
    drawn = operator.columns(torch.from_numpy(x).double(), rng, 5).numpy()
    columns = drawn.reshape(operator.blocks, -1, drawn.shape[1])
    out = outcome(operator, x, shape)
    rows = operator.weight.reshape(operator.blocks, len(operator.weight) // operator.blocks, -1)
    made = (rows @ columns).reshape(len(operator.weight), -1)
    outcomes = {tuple(place) for place in np.moveaxis(out, 1, -1).reshape(-1, out.shape[1])}
    assert {tuple(column) for column in made.T.astype(int)} <= outcomes


def through_nir(operator: Operator, shape: tuple[int, ...]) -> Operator:
    nodes = {
        "in": nir.Input({"input": np.array(shape)}),
        "op": operator.to_nir(shape),
        "out": nir.Output({"output": np.array(operator.output_shape(shape))}),
    }
    graph = validate(nir.NIRGraph(nodes, [("in", "op"), ("op", "out")], type_check=False), "drawn.nir")
    return operator_of("op", graph.nodes["op"], graph.input_shapes["op"], "drawn.nir")


@EVERY
@given(st.data())
@settings(max_examples=60)
def test_nir_and_back(kind: type[Operator], data: st.DataObject) -> None:
    """Through a validated graph, as files bring it."""
    operator, shape = data.draw(DRAWN[kind]())
    if isinstance(operator, Weighted):
        operator = replace(operator, weight=operator.weight << 3)
    if not has_nir_node(operator, shape):
        with pytest.raises(InputError, match="'op'"):
            through_nir(operator, shape)
        return
    back = through_nir(operator, shape)
    assert type(back) is kind
    for field in fields(operator):
        one, other = getattr(operator, field.name), getattr(back, field.name)
        if field.name == "weight" and isinstance(operator, Weighted) and operator.elementwise:
            one, other = np.broadcast_to(one, shape), np.broadcast_to(other, shape)
        np.testing.assert_array_equal(one, other, err_msg=field.name)
