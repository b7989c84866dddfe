"""The networks of the frameworks' own tutorials: from the module to the page in two commands, and equal all the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tutorial_networks as tutorials
import tutorial_table
from torch_modules import imported, lively
from tutorial_networks import TUTORIALS

LOST = 0.005
"""Most accuracy that 8 bits may cost, but for one image."""


@pytest.mark.slow
@pytest.mark.parametrize("name", TUTORIALS)
def test_from_module_to_report_in_two_commands(name: str, tmp_path: Path) -> None:
    why = tutorials.missing(name)
    if why:
        pytest.skip(why)
    row = tutorial_table.measure(name, tmp_path)
    assert row.same + row.ties == row.samples
    assert row.ties <= 5
    assert abs(row.float_ - row.framework) <= row.ties / row.samples + 1e-9
    assert row.differing == 0
    assert row.silent == ()
    assert row.targets == tutorial_table.TARGETS
    assert row.values > 0
    assert row.lost <= max(LOST, 1 / row.judged) + 1e-9


@pytest.mark.parametrize("name", TUTORIALS)
def test_untrained_they_are_equal(name: str) -> None:
    why = tutorials.missing(name, trains=False)
    if why:
        pytest.skip(why)
    tutorial = TUTORIALS[name]
    module = lively(tutorial.module()[1], mean=0.05)
    made, found = imported(module, tutorial.shape, tutorial.steps, samples=4)
    assert made.graph.info.timesteps == tutorial.steps
    assert not found.differs, found.as_dict()
    assert sum(population.spikes for population in found.populations) > 100


def test_the_table_is_what_was_measured() -> None:
    rows = json.loads(tutorial_table.MADE.read_text("utf-8"))
    assert set(rows) == set(TUTORIALS)
    for page in tutorial_table.PAGES:
        assert tutorial_table.table(rows) in page.read_text("utf-8"), page
