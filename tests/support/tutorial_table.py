"""From a tutorial's network to its report in two commands, and a table of what came out.

python tests/support/tutorial_table.py [NAME ...]    # all of them; writes the table in README.md and docs/import.md
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tutorial_data
import tutorial_networks as tutorials
from command_line import invoke
from torch import nn
from tutorial_data import TESTED
from tutorial_networks import TUTORIALS

import inflor
from inflor.targets.record import file as records

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs" / "import.md")
MADE = ROOT / "tests" / "peers" / "tutorials.json"
BEGIN, END = "<!-- made by python tests/support/tutorial_table.py: begin -->", "<!-- end -->"
TARGETS = ("cpu", "loihi", "spinnaker")
COMPARED = 8


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of a network.

    Attributes:
        title: the network.
        steps: per sample.
        samples: of the test split.
        same: how many of them the float network and the framework itself give the same class.
        ties: how many of the others are a tie of float32: with the sample alone in its batch both give the same class,
            or a population that is driven by the framework's spikes differs at its threshold alone.
        framework, float_, integer: accuracies.
        spikes: of the framework's own populations that were compared, each driven by the framework's own spikes.
        compared: spikes and no spikes.
        differing: neurons of a sample whose first difference does not lie at the threshold.
        silent: populations that never or always fired.
        targets: whose spikes are equal.
        values: spikes and silences that were compared between them.
        judged: samples of the test split on which it was measured what 8 bits cost.
        lost: accuracy of the float network on these, less that of the integer one.
        seconds: of import and report.
    """

    title: str
    steps: int
    samples: int
    same: int
    ties: int
    framework: float
    float_: float
    integer: float
    spikes: int
    compared: int
    differing: int
    silent: tuple[str, ...]
    targets: tuple[str, ...]
    values: int
    judged: int
    lost: float
    seconds: float


def measure(name: str, folder: Path, compared: int = COMPARED) -> Row:
    """Train a network, take it from its module to its page in two commands, and look at what they say."""
    tutorial, data = TUTORIALS[name], tutorial_data.data(TUTORIALS[name].data)
    module = tutorials.trained(name)
    weights, samples, model, page = (folder / f for f in ("w.pt", "data.npz", "model.nir", "report.html"))
    torch.save(module.state_dict(), weights)
    np.savez(samples, **data)
    shape = tutorial.shape
    how = (
        "--example",
        ",".join(map(str, shape)),
        "--timesteps",
        tutorial.steps,
        "--weights",
        weights,
        *tutorial.options,
    )
    layout = ("--layout", "chw") if len(shape) == 3 else ()
    began = time.perf_counter()
    how += (*tutorial.options, "--dataset", samples, *layout)
    found = _json("import", f"{tutorial.path}:{tutorial.name}", *how, "--out", model)
    shown = _json(
        *("report", model, "--dataset", samples, "--bits", 8, "--targets", *TARGETS, "--check-samples", compared),
        *("--out", page, *layout),
    )
    seconds = time.perf_counter() - began
    both = (folder / "report.files" / "model.int.nir",) * 2
    _json("compare", *both, "--dataset", samples, "--samples", 4, *layout, "--out", folder / "compare.html")
    mine, there = tutorials.predictions(name, module), data["y_test"][:TESTED]
    theirs = records.read(folder / "report.files" / "float.h5").predictions
    populations = found["comparison"]["populations"]
    return Row(
        title=tutorial.title,
        steps=tutorial.steps,
        samples=len(there),
        same=int((mine == theirs).sum()),
        ties=sum(_is_tie(name, module, int(sample)) for sample in np.flatnonzero(mine != theirs)),
        framework=float((mine == there).mean()),
        float_=shown["accuracy"]["float_"],
        integer=shown["accuracy"]["integer"],
        spikes=sum(p["spikes"] for p in populations),
        compared=sum(p["compared"] for p in populations),
        differing=sum(p["differing"] for p in populations),
        silent=tuple(p["name"] for p in populations if p["kind"] == "spikes" and p["spikes"] in (0, p["compared"])),
        targets=tuple(shown["verdict"]["targets"]) if shown["verdict"].get("equal") else (),
        values=shown["verdict"].get("compared", 0),
        **_lost(tutorial.data, folder, layout, len(there), shown["accuracy"]["float_"] - shown["accuracy"]["integer"]),
        seconds=seconds,
    )


def _lost(kind: str, folder: Path, layout: tuple[str, ...], samples: int, lost: float) -> dict[str, Any]:
    """What 8 bits cost, on more samples than the page shows, where there are more."""
    further = tutorial_data.more(kind)
    if further is None:
        return {"judged": samples, "lost": lost}
    np.savez(folder / "more.npz", **further)
    networks = (folder / "model.nir", folder / "report.files" / "model.int.nir")
    before, after = (
        _json("run", network, "--dataset", folder / "more.npz", *layout)["accuracy"] for network in networks
    )
    return {"judged": len(further["y_test"]), "lost": before - after}


def _is_tie(name: str, module: nn.Module, sample: int) -> bool:
    """Whether a prediction differs by how float32 rounds: with the batch, or at a threshold, within 1e-5 of it."""
    tutorial = TUTORIALS[name]
    x = tutorial_data.data(tutorial.data)["x_test"][sample : sample + 1]
    alone = inflor.from_torch(module, tutorial.shape, tutorial.steps, data=x).comparison
    differing = any(p.differing for p in alone.populations)
    return not differing and (alone.predictions == alone.samples or any(p.ties for p in alone.populations))


def _json(*arguments: object) -> dict[str, Any]:
    result = invoke(*arguments, "--json")
    if result.exit_code not in (0, 1):
        raise AssertionError(f"inflor {' '.join(map(str, arguments))}: {result.stderr}")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| network | steps | same class in float | framework | float | 8 bits | lost at 8 bits, points | "
        "spikes that differ, of | equal, spike for spike |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in TUTORIALS:
        if name in rows:
            row = Row(**rows[name])
            ties = f", {row.ties} a tie" if row.ties else ""
            lines.append(
                f"| {row.title} | {row.steps} | {row.same} of {row.samples}{ties} | {100 * row.framework:.1f} % | "
                f"{100 * row.float_:.1f} % | {100 * row.integer:.1f} % | {100 * row.lost:.1f} of {row.judged:,} | "
                f"{row.differing} of {row.compared:,} | "
                f"{', '.join(row.targets)} ({row.values:,}) |"
            )
    return "\n".join([BEGIN, "", *lines, "", END])


def main(*names: str) -> None:
    rows = json.loads(MADE.read_text()) if MADE.exists() else {}
    for name in names or TUTORIALS:
        with tempfile.TemporaryDirectory() as folder:
            rows[name] = asdict(measure(name, Path(folder)))
        print(name, rows[name], flush=True)
        MADE.write_text(json.dumps(rows, indent=1) + "\n")
    for page in PAGES:
        text = page.read_text("utf-8")
        if BEGIN in text:
            before, rest = text.split(BEGIN, 1)
            page.write_text(before + table(rows) + rest.split(END, 1)[1], "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
