"""Makes the stub and the page of the public names from the table `inflor._public`."""

from __future__ import annotations

from inspect import getdoc
from pathlib import Path

import inflor
from inflor._public import PUBLIC, TYPES, VERBS

ROOT = Path(__file__).resolve().parents[2]
STUB, PAGE = ROOT / "inflor" / "__init__.pyi", ROOT / "docs" / "api.md"
BEGIN, END = "<!-- made by python tests/support/public_names.py: begin -->", "<!-- end -->"


def stub() -> str:
    """The text of `inflor/__init__.pyi`, from which type checkers and editors know what `inflor.NAME` is."""
    imports = [
        f"from {module} import {name} as {name}" for name, module in sorted(PUBLIC.items(), key=lambda p: p[::-1])
    ]
    return "\n".join(
        ['"""Made by `python tests/support/public_names.py`."""', "", *imports, "", "__version__: str", ""]
    )


def document() -> str:
    """The lists of docs/api.md."""
    lines: list[str] = []
    for heading, names in (("Functions", VERBS), ("Types", TYPES)):
        lines += ["", f"## {heading}", "", "| name | where | what |", "|---|---|---|"]
        for name, module in names.items():
            first = (getdoc(getattr(inflor, name)) or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
            lines.append(f"| `inflor.{name}` | `{module}` | {first} |")
    return "\n".join([BEGIN, *lines, "", END])


def main() -> None:
    """Write the stub and the lists anew, in a checkout."""
    STUB.write_text(stub(), encoding="utf-8")
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(before + document() + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
