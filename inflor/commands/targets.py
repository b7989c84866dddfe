"""inflor targets"""

from __future__ import annotations

from dataclasses import asdict

import click

from inflor import console
from inflor.command import Command
from inflor.console import Column
from inflor.options import example, json_option

TARGETS = (
    Column("name", "target", left=True),
    Column("input", "runs", left=True),
    Column("state", "state", left=True),
    Column("summary", "what it is", left=True),
)
OPTIONS = (
    Column("flag", "option", left=True),
    Column("default", "default", left=True),
    Column("help", "what it does", left=True),
)
MORE = (
    Column("name", "name", left=True),
    Column("what", "what it is", left=True),
)


@click.command(
    cls=Command,
    short_help="List targets, their options and chips.",
    epilog=example("inflor targets loihi"),
)
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the targets and what is missing to use them; of NAME, all it takes.

    Options are those of inflor run, check and place; chips are the hardware
    of inflor estimate; exports are the forms of inflor convert --to.
    """
    if name is not None:
        _print_target(name, as_json)
        return
    import inflor
    from inflor.targets import registry

    found = [asdict(target) for target in inflor.list_targets()]
    broken = [asdict(one) for one in registry.broken()]
    if as_json:
        console.print_json({"targets": found, "broken": broken})
        return
    rows = [target | {"state": "missing" if target["missing"] else "ready"} for target in found]
    console.print_table(TARGETS, rows)
    for target in found:
        if target["missing"]:
            console.print_line(f"to use {target['name']}: {target['missing']}")
    console.print_line("options, chips and exports of one: inflor targets NAME")


def _print_target(name: str, as_json: bool) -> None:
    from inflor.target_options import flag
    from inflor.targets import registry
    from inflor.targets.api import options_of

    target = registry.find(name)
    standard = target.options()
    options = [
        {
            "name": key,
            "flag": f"{flag(key)} {'' if spec.kind == 'flag' else spec.metavar}".strip(),
            "default": getattr(standard, key),
            "choices": list(spec.choices),
            "help": spec.help,
        }
        for key, spec in options_of(target).items()
    ]
    chips = [{"name": key, "what": chip.title} for key, chip in target.chips.items()]
    exports = [{"name": key, "what": export.help} for key, export in target.exports.items()]
    about = {"name": name, "summary": target.summary, "input": target.input, "missing": target.available()}
    if as_json:
        lists = {"options": options, "chips": chips, "exports": exports, "features": sorted(target.features)}
        console.print_json({**about, **lists})
        return
    console.print_line(f"{name}: {target.summary}")
    console.print_line()
    for columns, rows in ((OPTIONS, [_shown(option) for option in options]), (MORE, chips), (MORE, exports)):
        if rows:
            console.print_table(columns, rows)
    if target.features:
        console.print_line(f"runs networks that need: {', '.join(sorted(target.features))}")
    if about["missing"]:
        console.print_line(f"to use it: {about['missing']}")


def _shown(option: dict[str, object]) -> dict[str, object]:
    """An option with its choices in its help, and its default as text."""
    choices = option["choices"]
    more = f": {', '.join(map(str, choices))}" if isinstance(choices, list) and choices else ""
    default = option["default"]
    return option | {"default": "-" if default in (None, False) else str(default), "help": f"{option['help']}{more}"}
