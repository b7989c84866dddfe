"""A batch of 1 in an Input's shape is taken off; a batch or time of more is named, with the shape to write."""

from __future__ import annotations

import float_graphs as build
import nir
import numpy as np
import pytest

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph

WEIGHT = np.random.default_rng(0).normal(size=(3, 2, 3, 3))


def convolved(shape: tuple[int, ...]) -> Graph:
    nodes = {"input": build.source(shape), "c": build.conv(WEIGHT, input_shape=(6, 6)), "n": build.fire((3, 4, 4))}
    return build.graph_of({**nodes, "output": build.sink((3, 4, 4))})


def dense(shape: tuple[int, ...]) -> Graph:
    nodes = {
        "input": build.source(shape),
        "w": nir.Linear(np.ones((3, 8))),
        "n": build.fire((3,)),
        "output": build.sink((3,)),
    }
    return build.graph_of(nodes)


@pytest.mark.parametrize("lead", [(), (1,), (1, 1)])
def test_sizes_of_one(lead: tuple[int, ...]) -> None:
    assert convolved((*lead, 2, 6, 6)).output_shapes["input"] == (2, 6, 6)
    assert dense((*lead, 8)).output_shapes["input"] == (8,)


def test_more_than_one() -> None:
    with pytest.raises(
        InputError, match=r"'input' \(Input\): its shape \[20, 8\] begins with a batch or time of \[20\].*write \[8\]"
    ):
        dense((20, 8))
    with pytest.raises(InputError, match=r"begins with a batch or time of \[32\].*write \[2, 6, 6\]"):
        convolved((32, 2, 6, 6))


def test_what_fits_nothing_is_as_it_was() -> None:
    with pytest.raises(InputError, match="shapes do not chain"):
        dense((1, 7))


def test_an_output_may_leave_its_shape_open() -> None:
    nodes = {
        "input": build.source((3,)),
        "n": build.fire((3,)),
        "output": nir.Output(output_type={"output": np.array([], int)}),
    }
    assert build.graph_of(nodes).output_shapes["output"] == (3,)
    with pytest.raises(InputError, match=r"'input' \(Input\): says no shape"):
        build.graph_of(
            {**nodes, "input": nir.Input(input_type={"input": np.array([], int)}), "output": build.sink((3,))}
        )
