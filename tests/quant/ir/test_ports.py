"""Groups of input ports: the definition against loops, and what follows from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import specified
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from integer_networks import images
from operator_loops import operate
from pooled import maximum, pooled_networks, windows

from inflor.converter.errors import InputError
from inflor.converter.primitives.windows import Windows
from inflor.quant.ir.features import Feature
from inflor.quant.ir.network import IntegerNetwork, check_network
from inflor.quant.ir.ports import Group
from inflor.quant.ir.ranges import state_ranges
from inflor.targets import registry, running

SQUARE = Windows(kernel=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1))


@settings(max_examples=150)
@given(windows(), st.integers(0, 2**32 - 1), st.booleans())
def test_ports_read_the_windows_of_the_map(drawn: Windows, seed: int, flat: bool) -> None:
    """The definition, the selection, and the fast maximum in floats and integers, against loops and against torch."""
    group = Group(name="pool", shape=(2, 5, 6), windows=drawn)
    shape = (int(np.prod(group.pooled)),) if flat else group.pooled
    x = np.random.default_rng(seed).integers(-9, 0, (2, 5, 6))  # negative: a padded zero would win
    due = maximum(x, drawn, group.pooled[1:])
    places = group.ports(shape)
    assert places.shape == (group.count, *shape)
    assert places.max() < x.size
    by_port = np.where(places < 0, -99, x.ravel()[np.maximum(places, 0)])
    np.testing.assert_array_equal(by_port.max(0).reshape(due.shape), due)
    channels = np.broadcast_to(np.arange(2)[:, None, None], group.pooled).reshape(*shape[:1], -1)[:, 0]
    np.testing.assert_array_equal(group.channels(shape), channels)
    selected = operate(group.selection(), x).reshape(2, group.count, *group.pooled[1:])
    np.testing.assert_array_equal(
        np.moveaxis(selected, 1, 0).reshape(places.shape), np.where(places < 0, 0, x.ravel()[np.maximum(places, 0)])
    )
    for dtype in (torch.float32, torch.float64, torch.int64):
        fast = drawn.maximum(torch.from_numpy(x)[None].to(dtype))
        assert fast.dtype == dtype
        np.testing.assert_array_equal(fast[0].numpy(), due)
    if any(2 * p > k for p, k in zip(drawn.padding, drawn.kernel, strict=True)):
        return  # torch refuses that
    theirs = torch.nn.functional.max_pool2d(
        torch.from_numpy(x)[None].double(), drawn.kernel, drawn.stride, drawn.padding, drawn.dilation, drawn.ceil_mode
    )
    np.testing.assert_array_equal(theirs[0].numpy(), due)


@given(windows(), st.integers(1, 7), st.integers(1, 7))
def test_a_window_of_nothing_but_padding_is_noticed(drawn: Windows, height: int, width: int) -> None:
    shape = (1, height, width)
    for padding in range(3):
        padded = replace(drawn, padding=(padding, padding))
        if min(padded.pooled(shape)) < 1:
            continue
        lists = [padded.places(axis, n) for axis, n in enumerate(shape[1:])]
        assert padded.hold_something(shape) == all(max(window) >= 0 for windows in lists for window in windows)


@settings(max_examples=30)
@given(pooled_networks(in_time=True), st.booleans())
def test_the_emulator_computes_what_is_specified(network: IntegerNetwork, frames: bool) -> None:
    """Negative currents, biases, several projections in a group, cycles and delays."""
    inputs = images(network, 2, frames=frames)
    target = registry.load("cpu")
    record = running.record(target, running.place(target, network), network, inputs)
    for sample, image in enumerate(inputs):
        for name, due in specified.run(network, image).items():
            if network.by_name[name].role == "readout":
                np.testing.assert_array_equal(record.outputs[name][sample].reshape(due.shape), due)
            else:
                np.testing.assert_array_equal(record.spikes(name)[sample], due)


@settings(max_examples=30)
@given(pooled_networks())
def test_the_specification_is_a_maximum_of_sums(network: IntegerNetwork) -> None:
    """The input of the first population, by the loops of its convolution and of its pool; and the proved range."""
    (image,) = images(network, 1)
    population, (group,) = network.by_name["n1"], network.by_name["n1"].groups
    (q,) = network.incoming["n1"]
    current = maximum(operate(q.operators[0], image.astype(np.int64)), group.windows, group.pooled[1:])
    due = current + population.broadcast(population.rule.bias)
    held = state_ranges(network)["n1"]
    assert (held.current.low[:, None, None] <= due).all()
    assert (due <= held.current.high[:, None, None]).all()
    assume(population.rule.fraction_bits == 0)
    v = specified.states(network, image)["n1"][1]
    np.testing.assert_array_equal(v[0], due)  # nothing is kept before the first step


def test_what_needs_it_says_so() -> None:
    group = Group(name="pool", shape=(1, 4, 4), windows=SQUARE)
    assert (group.pooled, group.count, str(group)) == ((1, 2, 2), 4, "max 2x2 stride 2x2")
    with pytest.raises(InputError, match="'pool': combines its ports by 'product'; it is one of 'max'"):
        replace(group, combine="product")


@given(pooled_networks())
def test_a_network_is_checked(network: IntegerNetwork) -> None:
    assert Feature.MAX in network.features()
    first, n1, *others = network.populations
    wrong = replace(n1.groups[0], shape=(2, 9, 9))
    for groups, message in (((wrong,), "pools|makes"), ((*n1.groups, replace(wrong, name="other")), "pools|nothing")):
        changed = replace(network, populations=(first, replace(n1, groups=groups), *others))
        with pytest.raises(ValueError, match=message):
            check_network(changed)


def test_more_ports_than_can_be_listed_are_refused_and_emulated() -> None:
    """A file may say windows of a thousand places over a large map."""
    wide = Windows(kernel=(64, 64), stride=(1, 1), padding=(32, 32), dilation=(1, 1))
    group = Group(name="wide", shape=(1, 200, 200), windows=wide)
    assert group.channels(group.pooled).tolist() == [0]
    with pytest.raises(InputError, match="'wide': the windows of its 40401 neurons have 4096 places each, more than"):
        group.ports(group.pooled)
    x = torch.arange(40000.0).reshape(1, 1, 200, 200)
    assert wide.maximum(x)[0, 0, -1, -1] == 39999
