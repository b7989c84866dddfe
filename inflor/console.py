"""What the command line prints: tables and lines on standard output, progress on standard error, or one JSON object.

On a terminal tables are drawn and progress moves; in a pipe there is plain text, one row a line, and no progress.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from inflor import interrupts

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """key: of the rows. heading: what stands above. show: makes a value a text. left: how it is aligned."""

    key: str
    heading: str
    show: Callable[[Any], str] = str
    left: bool = False


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on one line. Arrays become lists, paths become texts."""
    print_line(json.dumps(value, default=_plain, allow_nan=False))


def print_line(text: str = "") -> None:
    """A line of text; control characters, which a file's names may hold, are shown and not obeyed."""
    print(visible(text), file=sys.stdout)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Names and values, one pair a line; None is left out."""
    shown = {name.replace("_", " "): value for name, value in facts.items() if value is not None}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        print_line(f"{name:<{width}}  {_short(value)}")


def width() -> int | None:
    """Characters in a line of the terminal, None where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_table(columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """A table with one row a line; None is shown as "-". On a narrow terminal texts are broken, numbers are not."""
    cells = [
        [visible("-" if row.get(c.key) is None else c.show(row[c.key])).replace("\n", " ") for c in columns]
        for row in rows
    ]
    if sys.stdout.isatty():
        _print_rich(columns, cells)
        return
    headings = [column.heading for column in columns]
    widths = [max(len(line[i]) for line in (headings, *cells)) for i in range(len(columns))]
    for line in (headings, *cells):
        aligned = (
            text.ljust(width) if column.left else text.rjust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        )
        print("  ".join(aligned).rstrip())


def _print_rich(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    natural = [max(len(text) for text in (c.heading, *(line[i] for line in cells))) for i, c in enumerate(columns)]
    narrow = sum(natural) + 2 * len(columns) > (width() or 0)
    for i, column in enumerate(columns):
        justify: Literal["left", "right"] = "left" if column.left else "right"
        whole = [*column.heading.split(), *(line[i] for line in cells)]  # of a number no part stands alone
        most = max(map(len, whole), default=0) if narrow and not column.left else None
        table.add_column(Text(column.heading), justify=justify, overflow="fold", min_width=most, max_width=most)
    for line in cells:
        table.add_row(*map(Text, line))
    Console(file=sys.stdout, highlight=False).print(table)


@contextlib.contextmanager
def progress(label: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on standard error while the block runs, if that is a terminal; the yielded function moves it.

    That function also ends the program if it was asked to end.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda done, total, what: interrupts.check()
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[what]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None, what="")

        def update(done: int, total: int, what: str) -> None:
            interrupts.check()
            bar.update(task, completed=done, total=total, what=escape(visible(what)))

        yield update


def visible(text: str) -> str:
    """The text with every control character but the line feed written out, e.g. as \\x1b."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def percent(fraction: float) -> str:
    """0.9778 as 97.78 %."""
    return f"{100 * fraction:.2f} %"


def brief(value: float) -> str:
    """Three digits, thousands as k and millions as M: 1446.7 as 1.45k, 463.289 as 463, 5.6 as 5.60, 40 as 40."""
    if value == int(value) and value < 1000:
        return f"{value:.0f}"
    value = float(f"{value:.3g}")
    size, letter = next(((s, x) for s, x in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")) if value >= s), (1.0, ""))
    scaled = value / size
    return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{letter}"


def shape(sizes: Sequence[int]) -> str:
    """(16, 8, 8) as 16x8x8."""
    return "x".join(map(str, sizes))


def span(ends: Sequence[float]) -> str:
    """(least, greatest) as least..greatest, or the one value."""
    low, high = (f"{end:.6g}" if isinstance(end, float) else str(end) for end in ends)
    return low if low == high else f"{low}..{high}"


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_short(inner)}" for name, inner in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return " ".join(map(_short, value))
    return str(value)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy's arrays and numbers
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
