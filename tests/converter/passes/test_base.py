"""Passes in their order, what they need, and what is dumped of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import float_graphs as build
import nir
import pytest

from inflor.api.dumping import dumping_to
from inflor.converter.passes.base import Pass, dumping, run_passes
from inflor.quant.passes.pipeline import ADD_READOUTS, fuse


@dataclass(frozen=True)
class Words:
    nodes: tuple[str, ...]


def add(word: str) -> Pass[Words]:
    return Pass(f"add {word}", lambda words: Words((*words.nodes, word)), ensures=frozenset({word}))


def test_passes_run_in_their_order_and_each_is_dumped() -> None:
    seen: list[tuple[int, str, int]] = []
    with dumping(lambda number, name, graph: seen.append((number, name, len(graph.nodes)))):
        assert run_passes(Words(()), [add("a"), add("b")]).nodes == ("a", "b")
    assert seen == [(0, "add a", 1), (1, "add b", 2)]


def test_a_pass_that_lacks_what_it_requires_is_an_error() -> None:
    needs = Pass[Words]("use a", lambda words: words, requires=frozenset({"a"}))
    assert run_passes(Words(()), [add("a"), needs]).nodes == ("a",)
    assert run_passes(Words(()), [needs], frozenset({"a"})).nodes == ()
    with pytest.raises(ValueError, match="'use a' requires a"):
        run_passes(Words(()), [add("b"), needs])


def test_what_dumping_itself_runs_is_not_dumped(tmp_path: Path) -> None:
    """A dumped graph is written as NIR, and writing validates, with passes of its own."""
    graph = build.between(build.pool(nir.AvgPool2d, 2), shape=(2, 4, 4), end=(2, 2, 2))
    with dumping_to(tmp_path):
        fuse(run_passes(graph, [ADD_READOUTS]))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files[:3] == ["00-add-readouts.nir", "01-pools-to-sums.nir", "02-chains-to-projections.txt"]
    assert len({name[:2] for name in files}) == len(files) == 9
    assert "input -> lif: input_to_lif (scale)" in (tmp_path / "07-mark-identities.txt").read_text()
