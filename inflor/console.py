"""What the command line prints: tables and lines on standard output, progress on standard error, or one JSON object.

On a terminal tables are drawn and progress moves; in a pipe there is plain text, one row a line, and no progress.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from inflor import interrupts
from inflor.converter.errors import with_flags

Row = Mapping[str, Any]
AS_TYPED = {
    ("framework", ""): "--from",
    ("learning_rate", ""): "--lr",
    ("spikes", "True"): "without --no-spikes",
    ("resume", "False"): "without --resume",
}
"""Arguments of functions whose option has another name."""
MESSAGES = ("notes", "violations", "warnings", "broken", "refused", "reason", "table", "why", "mend", "missing")
"""Keys of plain data under which texts for people stand."""


@dataclass(frozen=True)
class Column:
    """key: of the rows. heading: what stands above. show: makes a value a text. left: how it is aligned."""

    key: str
    heading: str
    show: Callable[[Any], str] = str
    left: bool = False


def as_typed(message: str) -> str:
    """A text of the library with the arguments that it names as they are typed: --reset zero for `reset='zero'`."""
    return with_flags(message, _flag)


def _flag(name: str, value: str) -> str:
    if (name, value) in AS_TYPED:
        return AS_TYPED[name, value]
    typed = AS_TYPED.get((name, ""), f"--{name.replace('_', '-')}")
    return typed if value in ("", "True") else f"{typed} {value}"


def print_json(value: Mapping[str, Any], sign: bool = False) -> None:
    """One JSON object on one line. Arrays become lists, paths become texts.

    Args:
        sign: with its checksum, as another command will read it.
    """
    text = json.dumps(typed(value), default=_plain, allow_nan=False)
    if sign:
        from inflor.converter.reading.checksum import signed

        text = json.dumps(signed(json.loads(text)))
    print(visible(text), file=sys.stdout)


def typed(value: Any, key: str = "") -> Any:
    """Plain data in which messages name options as they are typed; names and paths stay as they are.

    Args:
        key: where the value stands.
    """
    if isinstance(value, Mapping):
        return {k: typed(v, str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [typed(v, key) for v in value]
    return as_typed(value) if isinstance(value, str) and key in MESSAGES else value


def print_line(text: str = "") -> None:
    """A line of text; arguments that it names are options, and control characters are shown and not obeyed."""
    print(visible(as_typed(text)), file=sys.stdout)


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
    """A table with one row a line; None is shown as "-".

    On a narrow terminal texts are broken and numbers are not; where that is not enough, each row is a paragraph.
    """
    cells = [
        [visible("-" if row.get(c.key) is None else c.show(row[c.key])).replace("\n", " ") for c in columns]
        for row in rows
    ]
    across = width()
    if across is not None:
        _print_on_terminal(columns, cells, across)
        return
    headings = [column.heading for column in columns]
    widths = [max(len(line[i]) for line in (headings, *cells)) for i in range(len(columns))]
    for line in (headings, *cells):
        aligned = (
            text.ljust(width) if column.left else text.rjust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        )
        print("  ".join(aligned).rstrip())


def print_paragraph(text: str) -> None:
    """Lines as long as the terminal, or one."""
    for line in textwrap.wrap(text, width() or max(len(text), 1), subsequent_indent="   "):
        print_line(line)


LEAST_TEXT = 12
"""Characters that a column of text has at least, where it is broken."""


def _print_on_terminal(columns: Sequence[Column], cells: Sequence[Sequence[str]], across: int) -> None:
    heads = [column.heading for column in columns]
    natural = [max(map(len, texts)) for texts in zip(heads, *cells, strict=True)]
    whole = [  # of a number no part stands alone
        max(map(len, texts)) for texts in zip((max(h.split() or [""], key=len) for h in heads), *cells, strict=True)
    ]
    least = [min(n, LEAST_TEXT) if c.left else w for c, n, w in zip(columns, natural, whole, strict=True)]
    if sum(natural) + 2 * len(columns) <= across:
        _print_rich(columns, cells, [None] * len(columns))
    elif sum(least) + 2 * len(columns) <= across:
        _print_rich(columns, cells, [None if c.left else w for c, w in zip(columns, whole, strict=True)])
    else:
        for line in cells:
            _print_row(heads, line, across)


def _print_row(heads: Sequence[str], line: Sequence[str], across: int) -> None:
    """The first cell, and below it the others with their headings, broken between them only."""
    print(line[0])
    said = [f"{head} {text}".replace(" ", "\0") for head, text in zip(heads[1:], line[1:], strict=True) if text != "-"]
    for part in textwrap.wrap("; ".join(said), across - 2, break_on_hyphens=False, break_long_words=False):
        print("  " + part.replace("\0", " "))


def _print_rich(columns: Sequence[Column], cells: Sequence[Sequence[str]], widths: Sequence[int | None]) -> None:
    """widths: of columns that are not to be broken."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column, width_ in zip(columns, widths, strict=True):
        justify: Literal["left", "right"] = "left" if column.left else "right"
        heading = Text(column.heading)
        table.add_column(heading, justify=justify, overflow="fold", min_width=width_, max_width=width_)
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
