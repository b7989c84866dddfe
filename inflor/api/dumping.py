"""Writes the graph after every pass, so that a rewrite can be looked at."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from inflor.converter.errors import InputError
from inflor.converter.files import atomic_path
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import Graph
from inflor.converter.passes.base import Rewritable, dump_name, dumping


@contextlib.contextmanager
def dumping_to(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Write every graph that a pass makes in the block: as .nir once it is validated, before and after that as text.

    Args:
        folder: made where it is missing; files are numbered in the order of the passes: 04-pools-to-sums.nir.

    Raises:
        InputError: the folder holds something already, or cannot be made.
    """
    path, count = Path(folder), 0
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: is not an empty folder; name another for `dump`", path=None, option="dump")

    def write(name: str, graph: Rewritable) -> None:
        nonlocal count
        if isinstance(graph, Graph):
            nir_file.write_graph(dump_name(path, count, name, ".nir"), graph)
        else:
            with atomic_path(dump_name(path, count, name, ".txt")) as temporary:
                temporary.write_text(
                    "\n".join(map(str, graph.nodes)) + "\n", encoding="utf-8", errors="backslashreplace"
                )
        count += 1

    with dumping(write):
        yield
