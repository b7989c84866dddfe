"""What a pass is, and how a list of passes runs: in order, checked, logged, and dumped where somebody looks.

A pass rewrites a graph into a graph of the same kind. What it relies on and what it leaves behind are properties,
named by short texts such as "flat" or "ends"; a pipeline whose passes do not fit each other is a programming error.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

log = logging.getLogger(__name__)


class Rewritable(Protocol):
    """A graph of any stage: it has named nodes."""

    @property
    def nodes(self) -> Collection[Any]: ...


G = TypeVar("G", bound=Rewritable)
Dump = Callable[[str, Rewritable], None]
"""Called after each pass with its name and the graph that it made."""
_dump: contextvars.ContextVar[Dump | None] = contextvars.ContextVar("dump", default=None)
_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("inside", default=False)
"""Whether a pass is running."""


@dataclass(frozen=True)
class Pass(Generic[G]):
    """One rewrite.

    Attributes:
        name: a verb with its object, such as "merge linear"; also the name of its file.
        rewrite: graph -> graph; the graph that it is given stays as it is.
        requires: properties that the graph must have.
        ensures: properties that the graph has afterwards.
    """

    name: str
    rewrite: Callable[[G], G]
    requires: frozenset[str] = frozenset()
    ensures: frozenset[str] = frozenset()


def run_passes(graph: G, passes: Iterable[Pass[G]], has: frozenset[str] = frozenset()) -> G:
    """The graph after all passes, in their order.

    Passes that run inside a pass, to validate what it made, are a part of it: neither logged nor dumped.

    Args:
        has: properties that the graph has before the first pass.

    Raises:
        ValueError: a pass requires what no earlier one ensures; a programming error.
    """
    inside = _inside.get()
    token = _inside.set(True)
    try:
        for step in passes:
            if missing := step.requires - has:
                raise ValueError(f"pass {step.name!r} requires {', '.join(sorted(missing))}")
            before, started = len(graph.nodes), time.perf_counter()
            graph = step.rewrite(graph)
            has |= step.ensures
            if not inside:
                _show(step.name, before, graph, time.perf_counter() - started)
    finally:
        _inside.reset(token)
    return graph


def _show(name: str, before: int, graph: Rewritable, seconds: float) -> None:
    log.info("%s: %d -> %d nodes, %.1f ms", name, before, len(graph.nodes), 1e3 * seconds)
    if (dump := _dump.get()) is not None:
        dump(name, graph)


@contextlib.contextmanager
def dumping(dump: Dump) -> Iterator[None]:
    """Hand the graph to `dump` after every pass that runs in the block."""
    token = _dump.set(dump)
    try:
        yield
    finally:
        _dump.reset(token)


def dump_name(folder: Path, number: int, name: str, suffix: str) -> Path:
    """The file of a dumped graph: 03-merge-linear.nir."""
    return folder / f"{number:02d}-{name.replace(' ', '-')}{suffix}"
