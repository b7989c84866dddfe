"""How a list of passes runs: in order, checked against each other, logged and dumped."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import pytest

from inflor.converter.passes.base import Pass, dump_name, dumping, run_passes


@dataclass(frozen=True)
class Letters:
    nodes: tuple[str, ...]


def added(letter: str) -> Pass[Letters]:
    return Pass(f"add {letter}", lambda graph: Letters((*graph.nodes, letter)), ensures=frozenset({letter}))


def doubled(requires: str = "") -> Pass[Letters]:
    return Pass("double", lambda graph: Letters(graph.nodes * 2), frozenset(requires))


NESTED = Pass("nest", lambda graph: run_passes(graph, [added("y"), added("z")]))


def test_passes_run_in_their_order():
    assert run_passes(Letters(()), [added("a"), doubled("a"), added("b")]).nodes == ("a", "a", "b")
    assert run_passes(Letters(("a",)), []).nodes == ("a",)


def test_what_a_pass_requires_an_earlier_one_ensures():
    with pytest.raises(ValueError, match="pass 'double' requires b, c"):
        run_passes(Letters(()), [added("a"), doubled("abc"), added("b")])
    assert run_passes(Letters(("c",)), [doubled("c")], has=frozenset("c")).nodes == ("c", "c")


def test_every_pass_is_logged_and_dumped_but_for_those_inside_one(caplog):
    seen = []
    caplog.set_level(logging.INFO)
    with dumping(lambda number, name, graph: seen.append((number, name, graph.nodes))):
        run_passes(Letters(("a",)), [doubled(), NESTED, added("b")])
    assert seen == [
        (0, "double", ("a", "a")),
        (1, "nest", ("a", "a", "y", "z")),
        (2, "add b", ("a", "a", "y", "z", "b")),
    ]
    assert [text.rsplit(",", 1)[0] for text in caplog.messages] == [
        "double: 1 -> 2 nodes",
        "nest: 2 -> 4 nodes",
        "add b: 4 -> 5 nodes",
    ]
    run_passes(Letters(()), [added("a")])
    assert len(seen) == 3


def test_a_pass_that_fails_leaves_nothing_behind():
    def fail(graph: Letters) -> Letters:
        raise KeyError("x")

    seen = []
    with pytest.raises(KeyError), dumping(lambda number, name, graph: seen.append(name)):
        run_passes(Letters(()), [added("a"), Pass("fail", fail)])
    with dumping(lambda number, name, graph: seen.append(name)):
        run_passes(Letters(()), [added("b")])
    assert seen == ["add a", "add b"]


def test_the_file_of_a_dump():
    assert dump_name(Path("d"), 3, "merge linear", ".nir") == Path("d/03-merge-linear.nir")
