"""inflor targets"""

from __future__ import annotations

from dataclasses import asdict

import click

from inflor import console
from inflor.console import Column
from inflor.options import example, json_option

TARGETS = (
    Column("name", "target", left=True),
    Column("input", "runs", left=True),
    Column("state", "state", left=True),
    Column("summary", "what it is", left=True),
)


@click.command(epilog=example("inflor targets"))
@json_option
def command(as_json: bool) -> None:
    """List the targets, and what is missing to use them."""
    from inflor import api

    found = [asdict(target) for target in api.list_targets()]
    if as_json:
        console.print_json({"targets": found})
        return
    rows = [target | {"state": "missing" if target["missing"] else "ready"} for target in found]
    console.print_table(TARGETS, rows)
    for target in found:
        if target["missing"]:
            console.print_line(f"to use {target['name']}: {target['missing']}")
