"""The composition of a chain, against the chain applied operator by operator (torch, int64) on random numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scipy", reason="scipy comes with the extra 'lava'")

from inflor.quant.operators import Conv, Flatten, Linear, Scale, SumPool, apply_chain, output_shape, weight_tensor
from inflor.targets.loihi.layout.linear import Kernel, as_matrix, compose, digits, unroll


def expected(operators, shape, x):
    out = apply_chain(operators, torch.as_tensor(x)[None], weight_tensor(operators, torch.int64))
    return out[0].numpy().reshape(-1)


def weights(rng, shape):
    return rng.integers(-127, 128, shape)


@st.composite
def chains(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dims = draw(st.sampled_from((1, 2)))
    groups = draw(st.sampled_from((1, 2)))
    channels = groups * draw(st.integers(1, 2))
    shape = (channels, *(draw(st.integers(4, 9)) for _ in range(dims)))

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(dims))

    def conv(channels):
        out = groups * draw(st.integers(1, 2))
        padding = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(dims))
        return Conv("c", weights(rng, (out, channels // groups, *each(1, 3))), each(1, 3), padding, each(1, 2), groups)

    def pool():
        kernel = each(1, 3)
        return SumPool("p", kernel, each(1, 3), tuple(draw(st.integers(0, k // 2)) for k in kernel))

    kind = draw(st.sampled_from(("conv", "pool conv", "conv pool", "pool", "scale", "pool linear", "scale pool", "")))
    operators = []
    here = shape
    for name in kind.split():
        if name == "conv":
            operator = conv(here[0])
        elif name == "pool":
            operator = pool()
        elif name == "scale":
            operator = Scale("s", weights(rng, (here[0], *(1,) * dims)))
        else:
            operators.append(Flatten("f", 0, dims))
            operator = Linear("l", weights(rng, (3, int(np.prod(here)))))
        here = operator.output_shape(here) if name != "linear" else (3,)
        operators.append(operator)
    made = [output_shape(tuple(operators[: i + 1]), shape) for i in range(len(operators))]
    if any(min(here) < 1 for here in made):  # a window larger than its map
        operators = []
    return tuple(operators), shape, rng


@settings(max_examples=300)
@given(chains())
def test_a_chain_becomes_one_exact_connection(drawn):
    operators, shape, rng = drawn
    linear = compose(operators, shape)
    if isinstance(linear, Kernel):
        assert np.prod(linear.out_shape) == np.prod(output_shape(operators, shape))
        linear = unroll(linear)
    x = rng.integers(-5, 6, shape)
    wanted = expected(operators, shape, x)
    np.testing.assert_array_equal(linear.weight @ x.reshape(-1), wanted)
    np.testing.assert_array_equal(as_matrix(operators, shape).weight @ x.reshape(-1), wanted)


def test_a_pool_before_a_convolution_stays_a_convolution():
    rng = np.random.default_rng(0)
    chain = (
        SumPool("p", (2, 2), (2, 2), (0, 0)),
        Conv("c", weights(rng, (4, 3, 3, 3)), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    )
    linear = compose(chain, (3, 8, 8))
    assert isinstance(linear, Kernel)
    assert linear.weight.shape == (4, 3, 6, 6)
    assert np.abs(linear.weight).max() <= 127
    # an odd size leaves a row that the pool drops and the larger kernel would read: no convolution any more
    assert not isinstance(compose(chain, (3, 9, 9)), Kernel)


@given(st.lists(st.integers(-(2**23), 2**23), min_size=1, max_size=6))
def test_digits_sum_to_the_value_and_fit_eight_bits(values):
    values = np.array(values)
    parts = digits(values)
    assert all(m.min() >= -128 and m.max() <= 127 for m, _ in parts)
    np.testing.assert_array_equal(sum((m << e for m, e in parts), np.zeros_like(values)), values)


def test_digits_need_one_part_for_eight_bits_and_a_power_of_two():
    assert [e for _, e in digits(np.array([127, -128, 3]))] == [0]
    assert [e for _, e in digits(np.array([254 << 3, -256 << 3, 0]))] == [4]
    assert digits(np.zeros(3, np.int64)) == []
