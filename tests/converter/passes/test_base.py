"""Passes run in their order, are checked against each other, logged, and shown to whoever looks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import float_graphs as build
import nir
import pytest

from inflor.api.dumping import dumping_to
from inflor.converter.passes.base import Pass, dump_name, dumping, run_passes
from inflor.quant.passes.pipeline import ADD_READOUTS, fuse


@dataclass(frozen=True)
class Letters:
    nodes: str


def add(letter: str, **properties: frozenset[str]) -> Pass[Letters]:
    return Pass(f"add {letter}", lambda graph: Letters(graph.nodes + letter), **properties)


def test_passes_run_in_their_order():
    given = Letters("x")
    assert run_passes(given, [add("a"), add("b"), add("c")]).nodes == "xabc"
    assert run_passes(given, []) is given


def test_a_pass_whose_requirement_nobody_ensures():
    flat = frozenset({"flat"})
    first, second = add("a", ensures=flat), add("b", requires=flat)
    assert run_passes(Letters(""), [first, second]).nodes == "ab"
    assert run_passes(Letters(""), [second], has=flat).nodes == "b"
    with pytest.raises(ValueError, match="pass 'add b' requires flat"):
        run_passes(Letters(""), [second, first])


def test_every_pass_is_logged(caplog):
    with caplog.at_level(logging.INFO, "inflor.converter.passes.base"):
        run_passes(Letters("x"), [add("a"), add("b")])
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("add a: 1 -> 2 nodes, ")
    assert second.startswith("add b: 2 -> 3 nodes, ")
    assert second.endswith(" ms")


def test_every_graph_is_shown_while_somebody_looks(tmp_path):
    seen: list[tuple[str, str]] = []
    with dumping(lambda name, graph: seen.append((name, graph.nodes))):
        run_passes(Letters("x"), [add("a"), add("b")])
    run_passes(Letters("x"), [add("c")])
    assert seen == [("add a", "xa"), ("add b", "xab")]
    assert dump_name(tmp_path, 3, "merge linear", ".nir") == tmp_path / "03-merge-linear.nir"


def test_passes_inside_a_pass_are_a_part_of_it(caplog):
    """As of a pass that validates what it made."""
    inner = Pass("rebuild", lambda graph: run_passes(graph, [add("y"), add("z")]))
    seen: list[tuple[str, str]] = []
    with caplog.at_level(logging.INFO), dumping(lambda name, graph: seen.append((name, graph.nodes))):
        run_passes(Letters("x"), [add("a"), inner, add("b")])
    assert seen == [("add a", "xa"), ("rebuild", "xayz"), ("add b", "xayzb")]
    assert [text.split(":")[0] for text in caplog.messages] == ["add a", "rebuild", "add b"]


def test_a_pass_that_fails_leaves_nothing_behind():
    seen: list[str] = []
    fails = Pass[Letters]("fail", lambda graph: Letters(graph.nodes[9]))
    with pytest.raises(IndexError), dumping(lambda name, graph: seen.append(name)):
        run_passes(Letters("x"), [add("a"), fails, add("b")])
    with dumping(lambda name, graph: seen.append(name)):
        run_passes(Letters("x"), [add("c")])
    assert seen == ["add a", "add c"]


def test_what_dumping_itself_runs_is_not_dumped(tmp_path: Path) -> None:
    """A dumped graph is written as NIR, and writing validates, with passes of its own."""
    graph = build.between(build.pool(nir.AvgPool2d, 2), shape=(2, 4, 4), end=(2, 2, 2))
    with dumping_to(tmp_path):
        fuse(run_passes(graph, [ADD_READOUTS]))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files[:3] == ["00-add-readouts.nir", "01-pools-to-sums.nir", "02-merge-maxima.nir"]
    assert len({name[:2] for name in files}) == len(files) == 11
    assert "input -> lif: input_to_lif (scale)" in (tmp_path / "09-mark-identities.txt").read_text()
