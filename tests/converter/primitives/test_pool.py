"""A SumPool2d that takes the maximum: what it computes, its metadata, and what other readers are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from float_graphs import fire, graph_of, sink, source
from hypothesis import given
from hypothesis import strategies as st
from pooled import maximum, windows

from inflor.api.conversion import convert
from inflor.converter.errors import InputError
from inflor.converter.nir import file
from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.pool import max_pool, windows_of
from inflor.converter.primitives.windows import Windows
from inflor.converter.simulate import execute

SQUARE = Windows(kernel=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1))


def pooled(node: nir.NIRNode, shape: tuple[int, ...] = (2, 5, 6), **nodes: nir.NIRNode) -> Graph:
    return graph_of({"input": source(shape), "pool": node, **nodes, "output": nir.Output(None)})


@given(windows(), st.integers(0, 2**32 - 1))
def test_it_is_the_maximum_over_the_map(drawn: Windows, seed: int) -> None:
    """Of negative values too, beside which a zero of the padding would win."""
    x = np.random.default_rng(seed).normal(-2, 1, (3, 2, 5, 6)).astype(np.float32)
    node = max_pool(drawn)
    graph = pooled(node, n=nir.I(np.ones(drawn.pooled((2, 5, 6)), np.float32)))
    made = execute.run(graph, torch.from_numpy(x), 1).potentials["n"][0].numpy()
    due = np.stack([maximum(image, drawn, drawn.pooled((2, 5, 6))[1:]) for image in x])
    np.testing.assert_array_equal(made, due)
    assert windows_of(graph.nodes["pool"]) == drawn


def test_it_is_written_and_read(tmp_path: Path) -> None:
    drawn = Windows(kernel=(3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), ceil_mode=True)
    graph = pooled(max_pool(drawn), n=fire(drawn.pooled((2, 5, 6))))
    file.write_graph(tmp_path / "pooled.nir", graph)
    assert windows_of(file.read(tmp_path / "pooled.nir").nodes["pool"]) == drawn
    file.write_graph(tmp_path / "plain.nir", pooled(max_pool(SQUARE), n=fire((2, 2, 3))))
    theirs = nir.read(tmp_path / "plain.nir").nodes["pool"]  # a reader of plain NIR, which infers shapes without ours
    assert isinstance(theirs, nir.SumPool2d)
    assert theirs.metadata["combine"] in ("max", b"max")


SIZES = (np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))


@pytest.mark.parametrize(
    ("kind", "metadata", "message"),
    [
        (
            nir.AvgPool2d,
            {"combine": "max"},
            r"'pool' \(AvgPool2d\): metadata 'combine' has no meaning here; write a Sum",
        ),
        (nir.SumPool2d, {"combine": "product"}, "metadata 'combine' is 'product'; it is 'sum' or 'max'"),
        (nir.SumPool2d, {"combine": np.ones(3)}, "metadata 'combine' is an array of float64.*it is 'sum' or 'max'"),
        (
            nir.SumPool2d,
            {"dilation": np.array([2, 2])},
            "metadata 'dilation' has a meaning beside `combine: 'max'` only",
        ),
        (nir.SumPool2d, {"combine": "sum", "ceil_mode": True}, "metadata 'ceil_mode' has a meaning beside"),
        (nir.SumPool2d, {"combine": "max", "dilation": np.array([0, 1])}, "metadata 'dilation' holds 0; .* from 1 to"),
        (nir.SumPool2d, {"combine": "max", "dilation": "2"}, "metadata 'dilation' is '2'; it takes whole numbers"),
        (nir.SumPool2d, {"combine": "max", "ceil_mode": 2}, "metadata 'ceil_mode' is 2; it is true or false"),
        (nir.SumPool2d, {"combine": "max", "dilation": np.array([9, 9])}, "its kernel does not fit into its input"),
    ],
)
def test_other_metadata_are_refused_by_name(kind: Any, metadata: dict[str, Any], message: str) -> None:
    node = kind(*SIZES)
    node.metadata = metadata
    with pytest.raises(InputError, match=message):
        pooled(node)


def test_windows_of_padding_alone_are_refused() -> None:
    with pytest.raises(InputError, match=r"'pool'.* \[2, 5, 6\] holds nothing but padding, which has no maximum"):
        pooled(max_pool(Windows(kernel=(2, 2), stride=(1, 1), padding=(2, 2), dilation=(1, 1))))
    far = Windows(kernel=(2**20, 1), stride=(1, 1), padding=(2**20, 0), dilation=(1, 1))
    with pytest.raises(InputError):
        pooled(max_pool(far))


def test_readers_of_plain_nir_are_told(tmp_path: Path) -> None:
    nodes = {"input": source((2, 5, 6)), "pool": max_pool(SQUARE), "n": fire((2, 2, 3)), "output": sink((2, 2, 3))}
    file.write_graph(tmp_path / "pooled.nir", graph_of(nodes))
    notes = convert(tmp_path / "pooled.nir").notes
    assert any("pool say it in their metadata (combine: max). A reader that ignores these" in note for note in notes)
    with pytest.raises(InputError, match=r"'pool' \(SumPool2d\): takes a maximum, which has no form in plain NIR; put"):
        convert(tmp_path / "pooled.nir", portable=True)
